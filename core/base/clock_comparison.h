#pragma once

#include <cstdint>
#include <optional>

#include "core/base/clock.h"

/// Times that have passed unseen: the machine slept, or stood still as a snapshot.
namespace keepwarm {

struct ClockJump {
  enum class Kind : std::uint8_t {
    Slept,    ///< CLOCK_BOOTTIME went on without CLOCK_MONOTONIC: the machine was suspended
    Stepped,  ///< CLOCK_REALTIME went on without CLOCK_BOOTTIME: a snapshot was restored, or somebody set the clock
  };
  Kind kind;
  Duration by;
};

/// Says from the clocks of Linux whether time has passed that CLOCK_MONOTONIC did not count: idle connections are older
/// then than they seem, and what was between them and their servers (a NAT) has forgotten them. Pure; whoever owns it
/// reads the clocks.
///
/// A restored virtual machine has clocks that stood still together; its wall clock is set right afterwards, which looks
/// as if somebody had set the clock forward. That is taken for the same, and costs warm connections only. Backward
/// steps tell of no lost time.
///
/// What must not look like a jump: between two readings the process may be stopped for any time. So a difference of two
/// clocks is only known to lie between bounds, and only what is beyond them counts. And the wall clock is slewed, by
/// 1/12 at most (chrony's maxslewrate): it may gain so much on the others.
class ClockComparison {
 public:
  static constexpr Duration kShortestSleep = std::chrono::milliseconds(100);
  static constexpr Duration kShortestStep = std::chrono::seconds(1);
  static constexpr int kSlewed = 8;  ///< the wall clock may gain 1/kSlewed

  /// Read in this order.
  struct Readings {
    Duration boottime;
    std::optional<Duration> realtime;  ///< nullopt: not read
    Duration monotonic;
  };

  explicit ClockComparison(const Readings& first) noexcept;

  /// What has happened since the last call.
  [[nodiscard]] std::optional<ClockJump> compare(const Readings& now) noexcept;

 private:
  [[nodiscard]] Duration time_slept(const Readings& now) noexcept;
  [[nodiscard]] Duration step(const Readings& now) noexcept;

  Duration suspended_;         ///< CLOCK_BOOTTIME less CLOCK_MONOTONIC, at least
  Duration wall_;              ///< CLOCK_REALTIME less CLOCK_BOOTTIME
  Duration realtime_read_at_;  ///< CLOCK_BOOTTIME
};

}  // namespace keepwarm
