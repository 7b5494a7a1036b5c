#pragma once
#include <cstdint>
#include <ctime>

namespace keepwarm::bench {

/// Nanoseconds.
using Nanos = std::int64_t;

inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;

inline Nanos read_clock(clockid_t clock) {
  timespec time{};
  if (::clock_gettime(clock, &time) != 0) return 0;
  return time.tv_sec * kSecond + time.tv_nsec;
}

inline Nanos now() {
  return read_clock(CLOCK_MONOTONIC);
}

}  // namespace keepwarm::bench
