#include "core/pool/warmer.h"

#include <algorithm>
#include <utility>

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// A connection that is lost so soon after it was opened for keep_warm is no better than one that could not be opened.
constexpr Duration kYoung = 1s;

}  // namespace

Warmer::~Warmer() {
  its_.peers->resign_prewarming();
  for (const auto& connection : its_.connections.all()) set_expiring(*connection, false);
}

// ---- What happens ----

void Warmer::used(TimePoint now) {
  its_.peers->used(now);
  if (!armed()) check_soon(now);
}

void Warmer::check_soon(TimePoint now) {
  if (std::exchange(check_soon_, true)) return;
  its_.context.deadlines.arm(*this, now);
}

/// While the connection was leased, the deadline did not take its end into account.
void Warmer::made_idle(const Connection& connection, TimePoint now) {
  const auto time = warm_time(connection, now);
  const TimePoint expires = time.until - time.lead;
  if (!armed() || expires < due()) its_.context.deadlines.arm(*this, expires);
}

/// A connection that is lost as soon as it is open counts as a failure to open: or it would be opened over and over.
void Warmer::lost(const Connection& connection, CloseReason reason, TimePoint now) {
  const bool young = connection.served() == 0 && now - connection.opened_at() < kYoung;
  bool in_vain = false;
  switch (reason) {
    case CloseReason::OutOfDescriptors: in_vain = true; break;  // others need them more
    case CloseReason::ServerClosedIdle:
    case CloseReason::StrayBytes:
    case CloseReason::Unacknowledged:
    case CloseReason::PoolFull: in_vain = young; break;
    // It was over as soon as it was open: the server's hint leaves no time to lie idle.
    case CloseReason::IdleTimeout: in_vain = young && connection.state() != Connection::State::Idle; break;
    default: break;
  }
  if (in_vain) backoff_.failed(connection.opened_at(), now);
}

void Warmer::gone(Connection& connection, TimePoint now) {
  set_expiring(connection, false);
  check_soon(now);
}

void Warmer::connect_ended(const ConnectAttempt& attempt, bool connected, TimePoint now) {
  if (connected) reached_ = true;
  if (attempt.prewarms()) {
    if (!connected) backoff_.failed(attempt.began(), now);
  } else if (connected) {
    backoff_.lift(now);
  }
  check_soon(now);
}

void Warmer::set_expiring(Connection& connection, bool expiring) noexcept {
  if (std::exchange(connection.expiring, expiring) == expiring) return;
  expiring ? ++expiring_ : --expiring_;
  its_.peers->show_expiring(expiring_);
}

// ---- What is there ----

policy::ServerModel::WarmTime Warmer::warm_time(const Connection& connection, TimePoint now) const noexcept {
  return its_.server.warm_time(connection.facts, its_.attempts.opening_cost(), now);
}

/// Finds out which idle connections are expiring. Returns when this changes next.
TimePoint Warmer::mark_expiring(TimePoint now) noexcept {
  TimePoint next_change = TimePoint::max();
  its_.connections.for_each_idle([&](Connection& connection) {
    const auto time = warm_time(connection, now);
    const bool expiring = connection.facts.lapse_test || now >= time.until - time.lead;
    set_expiring(connection, expiring);
    if (!expiring) next_change = std::min(next_change, time.until - time.lead);
    if (expiring && now < time.until) next_change = std::min(next_change, time.until);
  });
  return next_change;
}

policy::WarmView Warmer::view(TimePoint now) {
  const policy::HostSettings& settings = its_.pool.settings();
  Peers& peers = *its_.peers;
  reached_ = reached_ || !its_.connections.empty();
  const bool worth_it = reached_ && its_.server.worth_keeping_warm();
  const std::uint32_t wanted = worth_it ? policy::warm_wanted(settings) : 0;
  const TimePoint next_change = mark_expiring(now);
  const std::uint32_t idle = peers.idle();
  const std::uint32_t will_be_idle = idle - std::min(idle, expiring_) + its_.attempts.prewarming();
  return {.wanted = wanted,
          .open = peers.open(),
          .expiring = peers.expiring(),
          .opening = its_.attempts.count(),
          .prewarming = its_.attempts.prewarming(),
          .idle_capacity = settings.max_idle - std::min(settings.max_idle, will_be_idle),
          .connections_full = peers.full(),
          .idle_full = idle >= settings.max_idle,
          .elsewhere = !peers.take_prewarming(wanted > 0),
          .backoff_until = backoff_.until(),
          .in_use_until = peers.last_used() + settings.keep_warm_for,
          .next_change = next_change};
}

// ---- What is done ----

void Warmer::check(TimePoint now) {
  check_soon_ = false;
  const policy::WarmView seen = view(now);
  const policy::WarmPlan plan = policy::warm_plan(seen, now);
  if (plan.close_all) return close_all(now);
  close_what_is_over(plan, now);
  for (std::uint32_t count = 0; count < plan.open; ++count) {
    if (its_.pool.prewarm(now)) continue;
    check_soon(now);  // another worker has taken the place meanwhile
    break;
  }
  if (plan.missing > 0 && seen.elsewhere) its_.peers->remind_prewarmer();
  if (!check_soon_) its_.context.deadlines.arm(*this, plan.check_again);
}

/// Nobody uses the host any more.
void Warmer::close_all(TimePoint now) {
  its_.peers->resign_prewarming();
  its_.connections.for_each_idle(
      [&](Connection& connection) { its_.lease.close(connection, CloseReason::HostUnused, now); });
}

/// Where a server's timeout is only assumed, idle connections are held longer than they are warm, and those that were
/// opened for keep_warm would become more and more. So each that is replaced is closed, save the oldest one that has
/// served: its end will show the server's timeout.
void Warmer::close_what_is_over(const policy::WarmPlan& plan, TimePoint now) {
  const Connection* observed = nullptr;
  if (plan.replaced) observed = its_.connections.find_idle([](const Connection& each) { return each.served() > 0; });
  std::uint32_t close_expired = plan.close_expired;
  its_.connections.for_each_idle([&](Connection& connection) {
    if (connection.facts.lapse_test || warm_time(connection, now).until > now) return;
    const bool gives_way = close_expired > 0;
    const bool surplus = plan.replaced && connection.prewarmed && &connection != observed;
    if (!gives_way && !surplus) return;
    if (gives_way) --close_expired;
    its_.lease.close(connection, CloseReason::IdleTimeout, now);
  });
}

}  // namespace keepwarm::pool
