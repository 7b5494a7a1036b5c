// Which connection an exchange gets, and the opening of new ones.

#include <algorithm>
#include <cassert>

#include "core/pool/host_pool.h"
#include "core/pool/opening.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// Below this idle age the armed read is check enough (DESIGN.md §6.2).
constexpr Duration kPeekAfter = 1ms;

TimePoint now() noexcept {
  return net::Loop::event_time();
}

}  // namespace

// ---- Checkout ----

bool HostPool::reachable(const Connection& connection, const Demand& demand) const {
  if (demand.local_client || hop_.via != policy::NextHop::Via::Client) return true;
  if (!connection.open_to_remote_clients_) {
    connection.open_to_remote_clients_ =
        context_.remote_filter.verdict(connection.address()) == net::AddressFilter::Verdict::Allowed;
  }
  return *connection.open_to_remote_clients_;
}

Connection* HostPool::best_idle(const Demand& demand, TimePoint moment) {
  Connection* untrusted = nullptr;
  for (Connection* connection = idle_.front(); connection != nullptr; connection = idle_.next(*connection)) {
    const Fit found = fit(*connection, demand, moment);
    connection->trusted_ = found == Fit::Trusted;
    if (found == Fit::Trusted) return connection;
    if (found == Fit::Untrusted && untrusted == nullptr) untrusted = connection;
  }
  return untrusted;
}

/// Whether nothing has come on it while it was idle. A close that is missed can be mended where the request is
/// replayable: then a look some milliseconds ago is enough, and within the first millisecond none is needed.
bool HostPool::is_quiet(Connection& connection, const Demand& demand, TimePoint moment) {
  if (!demand.replayable) return connection.stream().check_idle_alive();
  return moment - connection.idle_since() <= kPeekAfter ||
         connection.stream().check_idle_alive_cached(connection.idle_since());
}

Connection* HostPool::take_idle(const Demand& demand, TimePoint moment) {
  if (idle_count_ == 0 || demand.fresh_only) return nullptr;
  Connection* best = best_idle(demand, moment);
  if (best == nullptr && !demand.replayable) {
    prove_by_oldest(moment);
    best = best_idle(demand, moment);
  }
  while (best != nullptr) {
    if (is_quiet(*best, demand, moment)) return best;
    idle_ended(*best, CloseReason::ServerClosedIdle);
    best = best_idle(demand, moment);
  }
  return nullptr;
}

void HostPool::checkout(Waiter& waiter, const Demand& demand) {
  assert(!waiter.waiting());
  waiter.demand_ = demand;
  const TimePoint moment = now();
  last_used_ = moment;
  last_client_local_ = demand.local_client;
  if (settings_->keep_warm > 0) keep_in_use(moment);
  if (Connection* connection = take_idle(demand, moment)) {
    lease_out(*connection, moment);
    ++context_.stats.leases_reused;
    return waiter.events_.on_lease(Lease(*connection), {});
  }
  enqueue(waiter);
}

void HostPool::enqueue(Waiter& waiter) {
  waiter.linked_to_ = this;
  waiter.loan_ = Waiter::Loan::NotAsked;
  waiter.since_ = now();
  if (waiter.demand_.fresh_only) {
    if (waiting_count_ > 0) waiter.since_ = waiters_.front()->since_;
    waiters_.push_front(waiter);  // a retry has waited its turn before
  } else {
    waiters_.push_back(waiter);
  }
  ++waiting_count_;
  context_.deadlines.arm(waiter, now() + settings_->queue_timeout);
  open_for_waiters();
}

void HostPool::withdraw(Waiter& waiter) noexcept {
  WaiterList::remove(waiter);
  --waiting_count_;
  waiter.linked_to_ = nullptr;
  no_loan_for(waiter);
  net::DeadlineClock::disarm(waiter);
  if (Opening* opening = waiter.opening_) {
    opening->let_go();
    find_waiter_for(*opening);
  }
}

void HostPool::serve(Waiter& waiter, Connection& connection, const OpeningTimes& times) {
  withdraw(waiter);
  open_for_waiters();  // the one whose opening this was may be without one now
  ++(connection.reused() ? context_.stats.leases_reused : context_.stats.leases_fresh);
  waiter.events_.on_lease(Lease(connection), times);
}

void HostPool::queue_time_over(Waiter& waiter, TimePoint moment) {
  // While a connection is being opened for it, connect_timeout bounds its wait; yet it may lose that one to another.
  if (provided_for(waiter)) return context_.deadlines.arm(waiter, moment + settings_->queue_timeout);
  withdraw(waiter);
  if (common_) open_for_waiters();  // others are not to think that it still waits
  waiter.events_.on_checkout_failed({.queue_timeout = true});
}

bool HostPool::offer(Connection& connection, const OpeningTimes& times) {
  const bool fresh = !connection.reused();
  const TimePoint moment = now();
  for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.next(*waiter)) {
    const Demand& demand = waiter->demand_;
    const Fit found = fresh && reachable(connection, demand) ? Fit::Trusted : fit(connection, demand, moment);
    connection.trusted_ = found == Fit::Trusted;
    if (found != Fit::No) {
      serve(*waiter, connection, times);
      return true;
    }
    // In order: nobody passes one that waits for room to have a connection opened. This one will give way to it.
    if (!fresh && !provided_for(*waiter)) return false;
  }
  return false;
}

// ---- Openings ----

void HostPool::open_for_waiters() {
  if (waiting_count_ == 0) return await_no_more();
  for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.next(*waiter)) {
    if (waiter->opening_ != nullptr || adopt_opening(*waiter) || covered_by_loan(*waiter)) continue;
    const policy::Admission admission = admit();
    if (admission == policy::Admission::Wait) return await_room(*waiter);
    if (admission == policy::Admission::ReplaceIdle) {
      // Closing one calls this function again, which then finds room for this waiter and those behind it.
      close_oldest_idle(CloseReason::PoolFull);
      return;
    }
    open_for(*waiter);
  }
  await_no_more();
}

void HostPool::open_for(Waiter& waiter) {
  openings_.push_back(std::make_unique<Opening>(*this, &waiter, waiter.demand_.local_client));
  openings_.back()->start();
}

/// One that is under way and that nobody waits for any more serves as well as a new one, and sooner.
bool HostPool::adopt_opening(Waiter& waiter) {
  if (unclaimed_openings_ == 0) return false;
  const auto fits = [&](const std::unique_ptr<Opening>& each) {
    return each->waiter() == nullptr && each->local_client() == waiter.demand_.local_client && may_adopt(*each);
  };
  const auto found = std::find_if(openings_.begin(), openings_.end(), fits);
  if (found == openings_.end()) return false;
  --unclaimed_openings_;
  no_loan_for(waiter);
  (*found)->adopt(waiter);
  return true;
}

void HostPool::find_waiter_for(Opening& opening) {
  for (Waiter* waiter = waiters_.front(); waiter != nullptr; waiter = waiters_.next(*waiter)) {
    if (waiter->opening_ == nullptr && waiter->demand_.local_client == opening.local_client()) {
      no_loan_for(*waiter);
      return opening.adopt(*waiter);
    }
  }
  // Nobody waits for it. It will be an idle connection, if such are wanted.
  ++unclaimed_openings_;
  if (settings_->reuse && settings_->max_idle > 0 && !context_.draining && !retired_) return;
  take(opening).reset();
  slot_freed();
}

std::unique_ptr<Opening> HostPool::take(Opening& opening) {
  const auto found = std::find_if(openings_.begin(), openings_.end(),
                                  [&opening](const std::unique_ptr<Opening>& each) { return each.get() == &opening; });
  std::unique_ptr<Opening> owned = std::move(*found);
  openings_.erase(found);
  if (owned->waiter() == nullptr) --unclaimed_openings_;
  return owned;
}

void HostPool::record_open(const Dialed& dialed, bool for_nobody) {
  const Duration cost = dialed.times.total();
  opening_cost_ = opening_cost_ == Duration::zero() ? cost : (opening_cost_ * 7 + cost) / 8;
  ++context_.stats.opened;
  if (for_nobody) ++context_.stats.warmed;
  ++context_.stats.connections;
  if (hop_.tls) ++(dialed.tls_resumed ? context_.stats.tls_resumed : context_.stats.tls_full);
  const auto name = [this] { return host_and_port(hop_.origin.host, hop_.origin.port); };
  if (hop_.tls && !hop_.tls->verify && !std::exchange(warned_unverified_, true)) {
    context_.log.write(LogLevel::Warn, name() + ": its certificate is not verified (tls.verify = false)");
  }
  if (!context_.log.enabled(LogLevel::Debug)) return;
  std::string line = "upstream " + name() + " opened: ";
  line += hop_.unix_path.empty() ? dialed.address.text() : "unix:" + hop_.unix_path;
  if (hop_.tls)
    line.append(" ").append(dialed.tls_protocol).append(dialed.tls_resumed ? " resumed" : " full handshake");
  if (for_nobody) line += " (kept warm)";
  context_.log.write(LogLevel::Debug, line);
}

void HostPool::opened(Opening& opening, Dialed dialed) {
  const TimePoint moment = now();
  const OpeningTimes times = dialed.times;
  record_open(dialed, opening.for_nobody());
  if (warming_) note_warm_opening(opening, true);
  connections_.push_back(std::make_unique<Connection>(*this, std::move(dialed.stream), dialed.address, moment));
  Connection& connection = *connections_.back();
  connection.index_ = connections_.size() - 1;
  connection.hint_timeout_ = last_hint_;
  connection.kept_warm_ = opening.for_nobody();
  // The waiter that it was opened for may not be the first in line: then that one's opening serves it in turn.
  const std::unique_ptr<Opening> done = take(opening);
  done->let_go();
  if (offer(connection, times)) return;
  if (!settings_->reuse || context_.draining || retired_) return close(connection, CloseReason::Unused);
  make_idle(connection, moment);
  open_for_waiters();  // as in give_back()
}

/// Does away with the cause of a failure; false: it is not ours.
bool HostPool::mend(const Opening& opening, const DialFailure& failure) {
  if (failure.connect.kind == net::ConnectFailure::Kind::OutOfDescriptors) {
    return opening.waiter() != nullptr && context_.use != nullptr && context_.use->free_a_descriptor();
  }
  if (!failure.tried_to_resume || failure.tls.kind == net::TlsFailure::Kind::Certificate) return false;
  // Some servers break when they are shown a session that they do not know any more.
  while (tls_tickets_->take()) {
  }
  return true;
}

void HostPool::opening_failed(Opening& opening, const DialFailure& failure) {
  if (opening.may_start_again() && mend(opening, failure)) return opening.start();
  ++context_.stats.open_failures;
  if (warming_) note_warm_opening(opening, false);
  // Another's failure: the time that it took was not this waiter's. It has one opened for itself.
  Waiter* waiter = opening.adopted() ? nullptr : opening.waiter();
  const std::unique_ptr<Opening> done = take(opening);
  done->let_go();
  if (waiter != nullptr) withdraw(*waiter);
  slot_freed();
  open_for_waiters();
  if (waiter == nullptr) return note_if_unused();
  waiter->events_.on_checkout_failed({.queue_timeout = false, .dial = failure});
}

void HostPool::addresses_seen(std::span<const net::SocketAddress> addresses) {
  const TimePoint moment = now();
  addresses_.answered(addresses, moment);
  for (const auto& connection : connections_) {
    if (addresses_.gone(connection->address(), moment)) connection->retire_ = true;
  }
}

// ---- Waiter ----

Waiter::~Waiter() {
  withdraw();
}

void Waiter::withdraw() noexcept {
  if (linked_to_ == nullptr) return;
  HostPool* host = linked_to_;
  host->withdraw(*this);
  host->open_for_waiters();  // an opening that nobody may adopt was cancelled, and left room
  host->note_if_unused();
}

void Waiter::on_deadline(TimePoint now) {
  linked_to_->queue_time_over(*this, now);
}

}  // namespace keepwarm::pool
