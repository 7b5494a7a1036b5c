#include "core/pool/warmer.h"

#include <algorithm>
#include <utility>

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;
using Warmth = Connection::Warmth;

/// A connection that is lost so soon after it was opened for keep_warm is no better than one that could not be opened.
constexpr Duration kYoung = 1s;

}  // namespace

Warmer::~Warmer() {
  its_.peers->resign_prewarming();
  for (const auto& connection : its_.connections.all()) set_warmth(*connection, Warmth::Warm);
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
  look_.next_change = std::min(look_.next_change, expires);
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
  set_warmth(connection, Warmth::Warm);
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

void Warmer::set_warmth(Connection& connection, Warmth warmth) noexcept {
  const Warmth before = std::exchange(connection.warmth, warmth);
  if (before == warmth) return;
  const auto replace = [&](std::uint32_t& count, bool counted, bool counts) {
    if (counted) --count;
    if (counts) ++count;
  };
  replace(look_.over, before == Warmth::Over, warmth == Warmth::Over);
  if (connection.prewarmed) replace(look_.prewarmed_over, before == Warmth::Over, warmth == Warmth::Over);
  replace(look_.expiring, before != Warmth::Warm, warmth != Warmth::Warm);
  its_.peers->show_expiring(look_.expiring);
}

// ---- What is there ----

policy::ServerModel::WarmTime Warmer::warm_time(const Connection& connection, TimePoint now) const noexcept {
  return its_.server.warm_time(connection.facts, its_.attempts.opening_cost(), now);
}

/// The lead may grow by a quarter before all are looked at again: it follows each connect a little.
bool Warmer::look_is_outdated(TimePoint now) const noexcept {
  const Duration lead = policy::warm_lead(Duration::max(), its_.attempts.opening_cost());
  const bool same_lead = lead <= look_.lead + look_.lead / 4 && lead >= look_.lead / 2;
  return now >= look_.next_change || its_.server.revision() != look_.revision || !same_lead;
}

void Warmer::look(TimePoint now) noexcept {
  look_.next_change = TimePoint::max();
  look_.revision = its_.server.revision();
  look_.lead = policy::warm_lead(Duration::max(), its_.attempts.opening_cost());
  its_.connections.for_each_idle([&](Connection& connection) {
    const bool tested = connection.facts.lapse_test;
    const auto time = warm_time(connection, now);
    const TimePoint expires = time.until - time.lead;
    if (!tested && now < expires) {
      set_warmth(connection, Warmth::Warm);
      look_.next_change = std::min(look_.next_change, expires);
    } else {
      set_warmth(connection, tested || now < time.until ? Warmth::Expiring : Warmth::Over);
      if (now < time.until) look_.next_change = std::min(look_.next_change, time.until);
    }
  });
}

policy::WarmView Warmer::view(TimePoint now) {
  const policy::HostSettings& settings = its_.pool.settings();
  Peers& peers = *its_.peers;
  reached_ = reached_ || !its_.connections.empty();
  const bool worth_it = reached_ && its_.server.worth_keeping_warm();
  const std::uint32_t wanted = worth_it ? policy::warm_wanted(settings) : 0;
  if (look_is_outdated(now)) look(now);
  const std::uint32_t idle = peers.idle();
  const std::uint32_t will_be_idle = idle - std::min(idle, look_.expiring) + its_.attempts.prewarming();
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
          .next_change = look_.next_change};
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
  std::uint32_t give_way = std::min(plan.close_expired, look_.over);
  std::uint32_t surplus = plan.replaced ? look_.prewarmed_over : 0;
  const Connection* observed = nullptr;
  if (surplus > 0) observed = its_.connections.find_idle([](const Connection& each) { return each.served() > 0; });
  if (observed != nullptr && observed->prewarmed && observed->warmth == Warmth::Over) --surplus;
  Connection* newer = nullptr;
  for (Connection* each = its_.connections.oldest_idle(); each != nullptr && give_way + surplus > 0; each = newer) {
    newer = its_.connections.next_newer(*each);
    if (each->facts.lapse_test) set_warmth(*each, Warmth::Expiring);
    if (each->warmth != Warmth::Over) continue;
    const bool is_surplus = surplus > 0 && each->prewarmed && each != observed;
    if (give_way == 0 && !is_surplus) continue;
    if (give_way > 0) --give_way;
    if (is_surplus) --surplus;
    its_.lease.close(*each, CloseReason::IdleTimeout, now);
  }
}

}  // namespace keepwarm::pool
