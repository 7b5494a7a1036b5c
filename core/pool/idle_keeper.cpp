#include "core/pool/idle_keeper.h"

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "core/policy/admission.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;
using policy::Fit;

/// Up to this idle age the armed read is check enough for a replayable request (core/doc/design.md §6.2).
constexpr Duration kCheckAfter = 1ms;

/// So many idle connections are considered for a request. Those below the newest are older, and seldom serve where it
/// does not; a pool of thousands must not be searched each time. Without this bound more connections would be found
/// only where the newest are out of reach for the client, or under a shorter hint than the older ones.
constexpr int kMaxCandidates = 32;

std::uint64_t address_hash(const Connection& connection) {
  return std::hash<std::string>{}(connection.address().text());
}

std::string in_milliseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
}

}  // namespace

// ---- Which one serves ----

Fit IdleKeeper::fit(Connection& connection, const CheckoutRequirements& requirements, TimePoint now) const {
  if (requirements.fresh_only || !its_.target.reachable(connection, requirements.local_client)) return Fit::No;
  return its_.server.fit(connection.facts, requirements.replayable, now);
}

Connection* IdleKeeper::find_untested(const CheckoutRequirements& requirements, TimePoint now) {
  Connection* untrusted = nullptr;
  int candidates = 0;
  for (Connection* connection = its_.connections.newest_idle(); connection != nullptr && candidates < kMaxCandidates;
       connection = its_.connections.next_older(*connection), ++candidates) {
    const Fit found = fit(*connection, requirements, now);
    connection->set_trusted(found == Fit::Trusted);
    if (found == Fit::Trusted) return connection;
    if (found == Fit::Untrusted && untrusted == nullptr) untrusted = connection;
  }
  return untrusted;
}

/// Whether nothing has come on it while it was idle. A close that is missed can be recovered from where the request is
/// replayable: then a check of some milliseconds ago is enough, and within the first millisecond none is needed.
bool IdleKeeper::is_alive(Connection& connection, bool replayable, TimePoint now) {
  if (!replayable) return connection.stream().check_idle_alive();
  return now - connection.idle_since() <= kCheckAfter ||
         connection.stream().check_idle_alive_cached(connection.idle_since());
}

Connection* IdleKeeper::find(const CheckoutRequirements& requirements, TimePoint now) {
  if (its_.connections.idle() == 0 || requirements.fresh_only) return nullptr;
  if (its_.context.network_uncertain && !requirements.replayable) return nullptr;
  Connection* best = find_untested(requirements, now);
  if (best == nullptr && !requirements.replayable && prove_by_oldest(now)) best = find_untested(requirements, now);
  while (best != nullptr && !is_alive(*best, requirements.replayable, now)) {
    idle_ended(*best, CloseReason::ServerClosedIdle, now);
    best = find_untested(requirements, now);
  }
  return best;
}

/// A connection that is still open at some age has proved that age for the younger ones. Its close may lie unread in
/// the kernel, so that is checked. True: something was proved.
bool IdleKeeper::prove_by_oldest(TimePoint now) {
  Connection* const oldest = its_.connections.oldest_idle();
  if (oldest == nullptr || !its_.server.would_prove(oldest->facts, now) || !oldest->stream().check_idle_alive())
    return false;
  its_.server.seen_open(oldest->facts, now);
  return true;
}

// ---- What is learned ----

void IdleKeeper::survived(Connection& connection, Duration age, TimePoint now) {
  if (!its_.server.learns_from_survival(connection.facts, age)) return;
  its_.server.survived(connection.facts, age, address_hash(connection), now);
}

void IdleKeeper::was_closed_idle(Connection& connection, TimePoint now) {
  if (its_.context.disruption.struck(connection.opened_at())) return;
  const auto before = its_.server.learned();
  const auto period = its_.server.closed(connection.facts, address_hash(connection), now);
  if (!period) return;
  if (its_.server.learned() != before) log_what_was_learned();
  if (its_.server.concerns_other_workers(*period)) its_.peers->report_close(*period);
}

void IdleKeeper::learn_close(const policy::IdlePeriod& period) {
  const auto before = its_.server.learned();
  its_.server.learn_close(period);
  if (its_.server.learned() != before) log_what_was_learned();
}

void IdleKeeper::log_what_was_learned() const {
  if (!its_.server.learning() || !its_.context.log.enabled(LogLevel::Debug)) return;
  const auto learned = its_.server.learned();
  its_.context.log.write(LogLevel::Debug, "upstream " + its_.target.name() + " learned: " +
                                              (learned ? "closes when idle for " + in_milliseconds(*learned)
                                                       : "its idle timeout is not known any more"));
}

void IdleKeeper::close_idle_since(TimePoint since, Duration age, TimePoint now) {
  if (its_.context.disruption.struck(since)) return;
  its_.server.request_failed(age);
  while (Connection* const connection = its_.connections.find_idle_since(since)) {
    // If the server's close is there already, its age shows whether it was the timeout, or all were closed at once.
    if (connection->stream().check_idle_alive()) {
      its_.pool.close(*connection, CloseReason::SuspectedStale, now);
    } else {
      idle_ended(*connection, CloseReason::ServerClosedIdle, now);
    }
  }
}

// ---- When they are closed ----

void IdleKeeper::idle_ended(Connection& connection, CloseReason reason, TimePoint now) {
  if (reason == CloseReason::ServerClosedIdle) was_closed_idle(connection, now);
  its_.pool.close(connection, reason, now);
}

void IdleKeeper::idle_time_over(Connection& connection, TimePoint now) {
  if (its_.server.lifetime_over(connection.facts, now)) {
    return its_.pool.close(connection, CloseReason::Lifetime, now);
  }
  // What was learned may have been dropped since the deadline was armed.
  if (const TimePoint until = its_.server.held_until(connection.facts, now); until > now) {
    return its_.connections.hold_until(connection, until);
  }
  if (!connection.stream().check_idle_alive()) return idle_ended(connection, CloseReason::ServerClosedIdle, now);
  if (its_.server.may_test_lapse(connection.facts, now)) {
    its_.server.begin_lapse_test(connection.facts, now);
    return its_.connections.hold_until(connection, its_.server.held_until(connection.facts, now));
  }
  survived(connection, now - connection.facts.returned_at, now);
  its_.pool.close(connection, CloseReason::IdleTimeout, now);
}

bool IdleKeeper::still_usable(Connection& connection, TimePoint now) {
  return !connection.retiring && !its_.context.disruption.struck(connection.opened_at()) &&
         now < its_.server.held_until(connection.facts, now) && connection.stream().check_idle_alive();
}

std::optional<Duration> IdleKeeper::displace_bound(Duration queue_timeout, TimePoint now) {
  for (const bool authenticated : {false, true}) {
    BoundHolder* const holder = its_.connections.oldest_bound(authenticated);
    if (holder == nullptr) continue;
    const Duration stays = policy::bound_stays(authenticated, now - holder->held_since, queue_timeout);
    if (stays > Duration::zero()) return stays;
    holder->unlink();
    holder->give_way();
    return Duration::zero();
  }
  return std::nullopt;
}

void IdleKeeper::recheck_deadlines(TimePoint now) {
  its_.connections.for_each_idle([&](Connection& connection) {
    its_.connections.hold_until(connection, its_.server.held_until(connection.facts, now));
  });
}

void IdleKeeper::apply_what_was_learned(TimePoint now) {
  // What is learned here, from those that are closed, counts at the next call.
  if (std::exchange(applied_revision_, its_.server.revision()) == its_.server.revision()) return;
  its_.connections.for_each_idle([&](Connection& connection) {
    if (connection.facts.lapse_test) return;
    const TimePoint until = its_.server.held_until(connection.facts, now);
    until <= now ? idle_time_over(connection, now) : its_.connections.hold_until(connection, until);
  });
}

void IdleKeeper::explain_no_time(const Connection& connection, TimePoint now) {
  const auto no_time = its_.server.no_time(connection.facts, now);
  if (!no_time) return;
  ++its_.context.stats.hints_without_room;
  if (std::exchange(warned_no_time_, true)) return;
  its_.context.log.write(LogLevel::Warn, its_.target.name() + ": it says that it closes idle connections after " +
                                             in_milliseconds(no_time->hint) + ", and a round trip takes " +
                                             in_milliseconds(no_time->round_trip) + ": none can be used again safely");
}

}  // namespace keepwarm::pool
