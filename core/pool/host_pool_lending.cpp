// What the HostPools of several workers do for each other. A worker that has no idle connection asks one that has, by
// a letter, instead of opening another; max_connections and max_idle hold for all of them together. core/README.md has
// the protocol and its races.

#include <algorithm>
#include <mutex>

#include "core/pool/host_pool.h"
#include "core/pool/warming.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// Where loans are needed all the time, each worker having as many clients as it has connections, a further connection
/// costs less than the letters: so many loans at once, then one in each interval. At max_connections there is no
/// choice, and no bound.
constexpr Duration kLoanInterval = 10ms;
constexpr int kLoansAtOnce = 64;

TimePoint now() noexcept {
  return net::Loop::event_time();
}

}  // namespace

// ---- Taking part ----

void HostPool::join() {
  auto common = context_.commons->host(hop_.origin, *settings_);
  if (common == common_) return;
  leave();
  common_ = std::move(common);
  common_->enter(context_.worker, *this);
  common_->add(open());
  common_->idle_rose(context_.worker, idle_count_);
  common_->used(last_used_);
  if (warming_) common_->show_cold(context_.worker, warming_->cold_);
}

void HostPool::leave() noexcept {
  if (!common_) return;
  await_no_more();
  common_->leave(context_.worker, *this);
  for (std::uint32_t count = open(); count > 0; --count) free_slot(common_, context_.worker, TimePoint::max());
  // Answers still to come go to nobody.
  loans_pending_ = 0;
  loan_settled();
  room_asked_ = false;
  common_.reset();
}

std::uint32_t HostPool::open_of_all() const noexcept {
  return common_ ? common_->open() : open();
}

std::uint32_t HostPool::idle_of_all() const noexcept {
  return common_ ? common_->idle() : idle_count_;
}

/// Closes idle connections that are too many; was there one? The lock is held meanwhile: nothing that a close sets off
/// may end up here again, as an opening would that were over at once (none is, see Dialer).
bool HostPool::trim_idle(CloseReason reason) {
  const auto lock = common_ ? std::unique_lock(common_->trimming()) : std::unique_lock<std::mutex>();
  bool closed = false;
  while (idle_count_ > 0 && (idle_of_all() > settings_->max_idle || open_of_all() > settings_->max_connections)) {
    closed |= close_oldest_idle(reason);
  }
  return closed;
}

void HostPool::idle_fell() noexcept {
  common_->idle_fell(context_.worker, idle_count_);
}

void HostPool::idle_rose(Connection& connection) {
  common_->idle_rose(context_.worker, idle_count_);
  // Counted first: of two workers that do this at a time, one at least sees both. No more can be idle than are open.
  const bool too_many = settings_->max_idle < settings_->max_connections && common_->idle() > settings_->max_idle;
  if (too_many && trim_idle(CloseReason::PoolFull)) return;  // it may be gone itself
  static_cast<void>(pass_on(connection, oldest_without_opening()));
}

void HostPool::close_idle_elsewhere(TimePoint moment, Duration age) {
  for (std::uint32_t worker = 0; worker < common_->workers(); ++worker) {
    if (worker == context_.worker || common_->idle_at(worker) == 0) continue;
    context_.commons->post(worker, [common = common_, worker, moment, age] {
      if (HostPool* pool = common->pool_of(worker)) pool->close_own_idle_since(moment, age);
    });
  }
}

/// What it tells of the server holds for all workers. Whether it was a probe is this one's business.
void HostPool::tell_of_close(policy::IdlePeriod period) {
  period.probe = false;
  for (std::uint32_t worker = 0; worker < common_->workers(); ++worker) {
    if (worker == context_.worker) continue;
    context_.commons->post(worker, [common = common_, worker, period] {
      if (HostPool* pool = common->pool_of(worker)) pool->learn_close(period);
    });
  }
}

// ---- Letters ----

void HostPool::send(const std::shared_ptr<CommonHost>& common, std::uint32_t worker, Answer answer) {
  common->commons().post(worker, [common, worker, answer = std::move(answer)]() mutable {
    if (HostPool* pool = common->pool_of(worker)) return pool->answered(std::move(answer));
    // Its pool has left since: nobody is there to take anything.
    if (answer.connection) {
      const Origin& origin = common->origin();
      pool::record_close(common->commons().context(worker), host_and_port(origin.host, origin.port),
                         CloseReason::Reconfigured, {});
    }
    if (answer.connection || answer.slot) free_slot(common, worker, TimePoint::max());
  });
}

void HostPool::ask(std::uint32_t worker, Ask what, const Demand& demand) {
  context_.commons->post(worker, [common = common_, worker, from = context_.worker, what, demand] {
    if (HostPool* pool = common->pool_of(worker)) return pool->lend(from, what, demand);
    send(common, from, {.to = what});
  });
}

void HostPool::lend(std::uint32_t worker, Ask what, const Demand& demand) {
  Answer answer{.to = what};
  Connection* best = take_idle(demand, now());
  if (best != nullptr && !best->retire_ && !best->probe_) answer.connection = pack(*best);
  if (what == Ask::Room && !answer.connection && idle_count_ > 0) {
    Connection& oldest = *idle_.back();
    record_close(oldest, CloseReason::PoolFull);
    remove(oldest).reset();
    answer.slot = true;
  }
  send(common_, worker, std::move(answer));
  note_if_unused();
}

void HostPool::answered(Answer answer) {
  if (answer.to == Ask::Loan && loans_pending_ > 0) --loans_pending_;
  if (answer.to == Ask::Room) room_asked_ = false;
  loan_settled();
  if (answer.connection) return borrowed(*answer.connection);
  if (answer.slot) ++spare_slots_;
  open_for_waiters();
  for (; spare_slots_ > 0; --spare_slots_) free_slot(common_, context_.worker, oldest_without_opening());
}

// ---- Connections ----

/// nullptr: it has to stay.
std::unique_ptr<LentConnection> HostPool::pack(Connection& connection) {
  auto stream = connection.stream().detach();
  if (!stream) return nullptr;
  ++context_.stats.lent;
  if (context_.log.enabled(LogLevel::Debug)) {
    context_.log.write(LogLevel::Debug, "upstream " + host_and_port(hop_.origin.host, hop_.origin.port) +
                                            " goes to another worker (requests=" + std::to_string(connection.served_) +
                                            ")");
  }
  auto lent = std::make_unique<LentConnection>(LentConnection{.stream = std::move(stream),
                                                              .address = connection.address_,
                                                              .opened_at = connection.opened_at_,
                                                              .idle_since = connection.idle_since_,
                                                              .returned_at = connection.returned_at_,
                                                              .hint_timeout = connection.hint_timeout_,
                                                              .served = connection.served_});
  remove(connection).reset();
  return lent;
}

/// Sends it to the worker whose oldest waiter has waited longest, if that is since before `older_than`.
bool HostPool::pass_on(Connection& connection, TimePoint older_than) {
  if (!common_->anybody_waits()) return false;
  const auto worker = common_->claim(context_.worker, older_than);
  if (!worker) return false;
  Answer answer{.to = Ask::Nothing, .connection = pack(connection)};
  const bool passed = answer.connection != nullptr;
  send(common_, *worker, std::move(answer));  // else it has to look again
  if (passed) note_if_unused();
  return passed;
}

void HostPool::borrowed(LentConnection& lent) {
  auto stream = lent.stream->attach(context_.tls, tls_tickets_);
  if (!stream) {
    pool::record_close(context_, host_and_port(hop_.origin.host, hop_.origin.port), CloseReason::OutOfDescriptors, {});
    slot_freed();
    return open_for_waiters();
  }
  const TimePoint moment = now();
  connections_.push_back(std::make_unique<Connection>(*this, std::move(stream), lent.address, moment));
  ++context_.stats.connections;
  ++context_.stats.borrowed;
  Connection& connection = *connections_.back();
  connection.index_ = connections_.size() - 1;
  connection.opened_at_ = lent.opened_at;
  connection.idle_since_ = lent.idle_since;
  connection.returned_at_ = lent.returned_at;
  connection.lease_age_ = moment - lent.returned_at;
  connection.hint_timeout_ = lent.hint_timeout;
  connection.served_ = lent.served;
  connection.waited_ = true;
  // Nobody has listened to it on its way.
  if (!connection.stream().check_idle_alive()) return idle_ended(connection, CloseReason::ServerClosedIdle);
  if (offer(connection, {})) return;
  if (context_.draining) return close(connection, CloseReason::Shutdown);
  make_idle(connection, moment);
  open_for_waiters();
}

// ---- Waiters ----

bool HostPool::provided_for(const Waiter& waiter) const noexcept {
  return waiter.opening_ != nullptr || waiter.loan_ == Waiter::Loan::Asked;
}

/// Whether nothing is to be opened for `waiter`, since a loan is under way; asks for one if that may help.
bool HostPool::covered_by_loan(Waiter& waiter) {
  if (!common_) return false;
  if (waiter.loan_ != Waiter::Loan::NotAsked) return waiter.loan_ == Waiter::Loan::Asked;
  if (loans_awaited_ == loans_pending_) {  // else somebody who waited for one has left
    if (!may_ask_for_loan(waiter.demand_)) return false;
    const auto lender = common_->most_idle(context_.worker);
    if (!lender) return false;
    ++loans_pending_;
    ask(*lender, Ask::Loan, waiter.demand_);
  }
  ++loans_awaited_;
  waiter.loan_ = Waiter::Loan::Asked;
  return true;
}

bool HostPool::may_ask_for_loan(const Demand& demand) noexcept {
  if (demand.fresh_only) return false;
  if (!demand.replayable && settings_->unsafe_reuse == policy::UnsafeReuse::Never) return false;
  if (common_->idle() <= idle_count_ + loans_pending_) return false;
  if (at_limit()) return true;
  const TimePoint moment = now();
  if (next_loan_ > moment + kLoansAtOnce * kLoanInterval) return false;
  next_loan_ = std::max(next_loan_, moment) + kLoanInterval;
  return true;
}

void HostPool::no_loan_for(Waiter& waiter) noexcept {
  if (waiter.loan_ == Waiter::Loan::Asked) --loans_awaited_;
  waiter.loan_ = Waiter::Loan::Refused;
}

/// A loan has been answered: those who were first to wait for one wait for it no more.
void HostPool::loan_settled() noexcept {
  for (Waiter* waiter = waiters_.front(); waiter != nullptr && loans_awaited_ > loans_pending_;
       waiter = waiters_.next(*waiter)) {
    no_loan_for(*waiter);
  }
}

// ---- max_connections ----

policy::Admission HostPool::admit() {
  if (!common_) return policy::admit(open(), idle_count_, settings_->max_connections);
  if (spare_slots_ > 0) {
    --spare_slots_;
    return policy::Admission::Connect;
  }
  if (common_->reserve(settings_->max_connections)) return policy::Admission::Connect;
  return idle_count_ > 0 ? policy::Admission::ReplaceIdle : policy::Admission::Wait;
}

/// max_connections are open, none of ours is idle, and `waiter` is the first that nothing is under way for.
void HostPool::await_room(Waiter& waiter) {
  if (!common_) return;
  awaiting_ = true;
  common_->await(context_.worker, waiter.since_);
  // Race: who gives something back from now on sees that we wait. What was given back before, we see.
  if (!at_limit()) return open_for_waiters();
  if (room_asked_) return;
  const auto other = common_->most_idle(context_.worker);
  if (!other) return;
  room_asked_ = true;
  ask(*other, Ask::Room, waiter.demand_);
}

void HostPool::take_back_registration() noexcept {
  awaiting_ = false;
  common_->await_no_more(context_.worker);
}

TimePoint HostPool::oldest_without_opening() noexcept {
  for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.next(*waiter)) {
    if (!provided_for(*waiter)) return waiter->since_;
  }
  return TimePoint::max();
}

/// A connection of ours, or one that was being opened, is no more.
void HostPool::slot_freed() {
  if (common_) free_slot(common_, context_.worker, oldest_without_opening());
}

/// Gives one of max_connections to who has waited longest for it, if that is since before `older_than`, else back.
void HostPool::free_slot(const std::shared_ptr<CommonHost>& common, std::uint32_t worker, TimePoint older_than) {
  if (const auto waiting = common->claim(worker, older_than)) {
    return send(common, *waiting, {.to = Ask::Nothing, .connection = nullptr, .slot = true});
  }
  common->release();
  // Race: who began to wait meanwhile, and looked before the release, has to look again. All of them: the first may
  // have no use for it any more.
  while (const auto waiting = common->claim(worker, older_than)) send(common, *waiting, {});
}

}  // namespace keepwarm::pool
