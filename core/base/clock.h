#pragma once

#include <chrono>

namespace keepwarm {

/// All durations and times of the core. Decisions take `now` as an argument and never read a clock themselves.
using Duration = std::chrono::nanoseconds;

/// A reading of CLOCK_MONOTONIC (what std::chrono::steady_clock and uv_hrtime() read on Linux).
using TimePoint = std::chrono::time_point<std::chrono::steady_clock, Duration>;

}  // namespace keepwarm
