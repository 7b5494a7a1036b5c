#include "core/base/clock_comparison.h"

#include <algorithm>

namespace keepwarm {

ClockComparison::ClockComparison(const Readings& first) noexcept
    : suspended_(first.boottime - first.monotonic),
      wall_(first.realtime.value_or(Duration::zero()) - first.boottime),
      realtime_read_at_(first.boottime) {}

std::optional<ClockJump> ClockComparison::compare(const Readings& now) noexcept {
  if (now.boottime < realtime_read_at_) {
    // This process was itself restored, and has other clocks (time_namespaces(7)).
    *this = ClockComparison(now);
    return std::nullopt;
  }
  const Duration slept = time_slept(now);
  const Duration stepped = now.realtime ? step(now) : Duration::zero();
  if (slept > Duration::zero()) return ClockJump{ClockJump::Kind::Slept, slept};
  if (stepped > Duration::zero()) return ClockJump{ClockJump::Kind::Stepped, stepped};
  return std::nullopt;
}

/// Since CLOCK_MONOTONIC was read last, a delay between the readings makes the sum of all sleeps look too short, never
/// too long.
Duration ClockComparison::time_slept(const Readings& now) noexcept {
  const Duration suspended = now.boottime - now.monotonic;
  const Duration slept = suspended - suspended_;
  suspended_ = std::max(suspended_, suspended);
  return slept >= kShortestSleep ? slept : Duration::zero();
}

Duration ClockComparison::step(const Readings& now) noexcept {
  const Duration passed = std::max(now.boottime - realtime_read_at_, Duration::zero());
  realtime_read_at_ = now.boottime;
  // CLOCK_REALTIME was read after the one and before the other.
  const Duration most = *now.realtime - now.boottime;
  const Duration least = std::min(*now.realtime - (now.monotonic + suspended_), most);
  const Duration gained = least - wall_;
  wall_ = std::clamp(wall_, least, most);
  return gained >= kShortestStep + passed / kSlewed ? gained : Duration::zero();
}

}  // namespace keepwarm
