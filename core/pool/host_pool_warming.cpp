// keep_warm: connections of a host in use that are open and trusted before anybody asks for them. Whatever happens to
// connections arms one deadline; what is to be done then, policy::warm_plan says.

#include <algorithm>

#include "core/pool/host_pool.h"
#include "core/pool/opening.h"
#include "core/pool/warming.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// A connection that is lost so soon after it was opened for nobody is no better than one that could not be opened.
constexpr Duration kYoung = 1s;
/// How often a worker tells the others that the host is in use.
constexpr Duration kTellOthers = 1s;

TimePoint now() noexcept {
  return net::Loop::event_time();
}

}  // namespace

void Warming::on_deadline(TimePoint now) {
  host_.keep_warm(now);
}

// ---- What happens ----

/// A request has come, and `keep_warm` is set.
void HostPool::keep_in_use(TimePoint moment) {
  if (!warming_) warming_ = std::make_unique<Warming>(*this);
  if (common_ && moment - warming_->told_others_ >= kTellOthers) {
    warming_->told_others_ = moment;
    common_->used(moment);
  }
  if (!warming_->armed()) look_soon();
}

/// At the next tick, not at once: what happens lies in the midst of other things.
void HostPool::look_soon() {
  if (std::exchange(warming_->look_soon_, true)) return;
  context_.deadlines.arm(*warming_, now());
}

/// While it was leased, nobody thought of its end.
void HostPool::look_before_it_ends(const Connection& connection) {
  const WarmTime time = warm_time(connection);
  const TimePoint turns_cold = time.until - time.lead;
  if (!warming_->armed() || turns_cold < warming_->due()) context_.deadlines.arm(*warming_, turns_cold);
}

void HostPool::set_cold(Connection& connection, bool cold) noexcept {
  if (std::exchange(connection.cold_, cold) == cold) return;
  cold ? ++warming_->cold_ : --warming_->cold_;
  if (common_) common_->show_cold(context_.worker, warming_->cold_);
}

/// What is lost at once, again and again, would be opened again and again: it counts as a failure to open.
void HostPool::note_warm_loss(const Connection& connection, CloseReason reason) {
  const TimePoint moment = now();
  const bool young = connection.served_ == 0 && moment - connection.opened_at_ < kYoung;
  bool in_vain = false;
  switch (reason) {
    case CloseReason::OutOfDescriptors: in_vain = true; break;  // others need them more
    case CloseReason::ServerClosedIdle:
    case CloseReason::StrayBytes:
    case CloseReason::Unacknowledged:
    case CloseReason::PoolFull: in_vain = young; break;
    case CloseReason::IdleTimeout: in_vain = young && connection.state_ != Connection::State::Idle; break;  // no room
    default: break;
  }
  if (in_vain) warming_->backoff_.failed(connection.opened_at_, moment);
}

void HostPool::note_warm_opening(const Opening& opening, bool opened) {
  if (opened) warming_->reached_ = true;
  if (opening.for_nobody()) {
    warming_->failing_ = !opened;
    if (!opened) warming_->backoff_.failed(opening.began(), now());
  } else if (opened) {
    warming_->backoff_.lift(now());
  }
  look_soon();
}

/// New settings.
void HostPool::recheck_warming() {
  if (policy::warm_wanted(*settings_) == 0) return stop_warming();
  if (!warming_ && last_used_ == TimePoint{}) return;
  if (!warming_) warming_ = std::make_unique<Warming>(*this);
  look_soon();
}

void HostPool::stop_warming() noexcept {
  if (!warming_) return;
  if (common_) common_->resign_warming(context_.worker);
  for (const auto& connection : connections_) set_cold(*connection, false);
  warming_.reset();
}

/// Whether what is being opened for nobody may as well be for a waiter. One that takes longer than it should may never
/// succeed: the waiter's own does not wait for it.
bool HostPool::may_adopt(const Opening& opening) const noexcept {
  if (!opening.for_nobody()) return true;
  return warming_ && !warming_->failing_ && now() - opening.began() < policy::warm_lead(Duration::max(), opening_cost_);
}

// ---- What is there ----

HostPool::WarmTime HostPool::warm_time(const Connection& connection) const noexcept {
  const Duration warm_for = policy::warm_for(policy::idle_settings(*settings_), server_view(connection));
  TimePoint until = connection.idle_since_ + warm_for;
  if (settings_->max_lifetime > Duration::zero())
    until = std::min(until, connection.opened_at_ + settings_->max_lifetime);
  return {until, policy::warm_lead(warm_for, opening_cost_)};
}

/// Finds out which idle connections are cold. Returns when this changes next.
TimePoint HostPool::look_for_cold(TimePoint moment) noexcept {
  TimePoint next_change = TimePoint::max();
  for (Connection* connection = idle_.back(); connection != nullptr; connection = idle_.previous(*connection)) {
    const WarmTime time = warm_time(*connection);
    const bool cold = connection->probe_ || moment >= time.until - time.lead;
    set_cold(*connection, cold);
    if (!cold) next_change = std::min(next_change, time.until - time.lead);
    if (cold && moment < time.until) next_change = std::min(next_change, time.until);
  }
  return next_change;
}

TimePoint HostPool::in_use_until() const noexcept {
  return (common_ ? std::max(last_used_, common_->last_used()) : last_used_) + settings_->keep_warm_for;
}

/// Whether connections are opened by this worker, if any are. One that can open none leaves it to the others.
bool HostPool::take_warming(bool can_open) noexcept {
  if (!common_) return true;
  if (can_open) return common_->claim_warming(context_.worker);
  common_->resign_warming(context_.worker);
  return false;
}

policy::WarmView HostPool::warm_view(TimePoint moment) {
  warming_->reached_ = warming_->reached_ || !connections_.empty();
  const Duration warm_for = policy::warm_for(policy::idle_settings(*settings_), server_view(last_hint_, {}));
  const bool worth_it = warming_->reached_ && warm_for >= policy::kLeastWarm;
  const std::uint32_t wanted = worth_it ? policy::warm_wanted(*settings_) : 0;
  const TimePoint next_change = look_for_cold(moment);
  const auto is_for_nobody = [](const auto& opening) { return opening->for_nobody(); };
  const auto warming = static_cast<std::uint32_t>(std::count_if(openings_.begin(), openings_.end(), is_for_nobody));
  const std::uint32_t idle = idle_of_all();
  const std::uint32_t will_be_idle = idle - std::min(idle, warming_->cold_) + warming;
  return {.wanted = wanted,
          .open = open_of_all(),
          .cold = common_ ? common_->cold() : warming_->cold_,
          .opening = static_cast<std::uint32_t>(openings_.size()),
          .warming = warming,
          .idle_room = settings_->max_idle - std::min(settings_->max_idle, will_be_idle),
          .connections_full = open_of_all() >= settings_->max_connections,
          .idle_full = idle >= settings_->max_idle,
          .elsewhere = !take_warming(wanted > 0),
          .backoff_until = warming_->backoff_.until(),
          .in_use_until = in_use_until(),
          .next_change = next_change};
}

// ---- What is done ----

void HostPool::keep_warm(TimePoint moment) {
  warming_->look_soon_ = false;
  if (context_.draining || retired_) return;
  // What was learned lately may have ended connections whose deadlines are later.
  const auto over = [&](const Connection& each) { return !each.probe_ && idle_until(each) <= moment; };
  while (Connection* connection = find_idle(over)) connection->on_deadline(moment);

  const policy::WarmView view = warm_view(moment);
  const policy::WarmPlan plan = policy::warm_plan(view, moment);
  if (plan.let_go) return let_go_of_idle();
  close_what_is_over(plan, moment);
  for (std::uint32_t count = 0; count < plan.open; ++count) {
    if (admit() != policy::Admission::Connect) {
      look_soon();  // another worker has taken the place meanwhile
      break;
    }
    open_for_nobody();
  }
  if (plan.missing > 0 && view.elsewhere) tell_warmer();
  if (!warming_->look_soon_) context_.deadlines.arm(*warming_, plan.look_again);
}

/// Nobody uses the host any more.
void HostPool::let_go_of_idle() {
  if (common_) common_->resign_warming(context_.worker);
  close_all_idle(CloseReason::HostUnused);
}

/// Of a server whose timeout is only assumed, idle connections are held longer than they are warm. Those that were
/// opened for nobody would become more and more: each that is replaced goes, save the oldest one that has served. Its
/// end tells the server's timeout.
void HostPool::close_what_is_over(const policy::WarmPlan& plan, TimePoint moment) {
  const auto over = [&](const Connection& each) { return !each.probe_ && warm_time(each).until <= moment; };
  for (std::uint32_t count = 0; count < plan.make_room; ++count) {
    Connection* connection = find_idle(over);
    if (connection == nullptr) return;
    close(*connection, CloseReason::IdleTimeout);
  }
  if (!plan.replaced) return;
  const Connection* observed = find_idle([](const Connection& each) { return each.served_ > 0; });
  const auto surplus = [&](const Connection& each) { return each.kept_warm_ && &each != observed && over(each); };
  while (Connection* connection = find_idle(surplus)) close(*connection, CloseReason::IdleTimeout);
}

void HostPool::open_for_nobody() {
  openings_.push_back(std::make_unique<Opening>(*this, nullptr, last_client_local_));
  ++unclaimed_openings_;
  openings_.back()->start();
}

void HostPool::tell_warmer() {
  const auto worker = common_->warmer();
  if (!worker || *worker == context_.worker) return;
  context_.commons->post(*worker, [common = common_, worker = *worker] {
    HostPool* pool = common->pool_of(worker);
    if (pool != nullptr && pool->warming_) pool->look_soon();
  });
}

}  // namespace keepwarm::pool
