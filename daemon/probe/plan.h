#pragma once

#include <vector>

#include "core/base/clock.h"

/// Which connections a probe opens, and at which idle ages they are used again. Pure.
namespace keepwarm::daemon {

/// Connections that only wait. There are several, so that the spread of their closes shows.
inline constexpr std::size_t kWaiters = 3;
/// The most connections that are used again at some ages: a NAT that has dropped a connection says nothing, and only
/// the missing answer shows it.
inline constexpr std::size_t kMaxTesters = 5;
/// A tester whose request is not acknowledged for so long, retransmissions included, has lost its connection.
inline constexpr Duration kUnacknowledgedLimit = std::chrono::seconds(2);

/// The ages at which it is tried whether a connection still answers: 0.5 s, 1 s, 2 s, 5 s, … and `max` itself.
[[nodiscard]] std::vector<Duration> ladder(Duration max);

/// For each tester the idle ages at which it is used, one after the other: an answer begins its next idle time. The
/// three greatest ages have a tester each, so that none is tested later than its own age; two testers share the rest.
[[nodiscard]] std::vector<std::vector<Duration>> tester_plan(Duration max);

}  // namespace keepwarm::daemon
