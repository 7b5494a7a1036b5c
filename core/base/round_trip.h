#pragma once

#include <cstdint>

#include "core/base/clock.h"

namespace keepwarm {

/// TCP's own measure of a path (RFC 6298), in microseconds; 0: not measured.
struct RoundTrip {
  std::uint32_t smoothed_us = 0;
  std::uint32_t variation_us = 0;

  [[nodiscard]] Duration smoothed() const noexcept { return std::chrono::microseconds(smoothed_us); }
  /// What a round trip takes at most: srtt + 4 * rttvar, which TCP's own retransmission timeout is made of.
  [[nodiscard]] Duration bound() const noexcept { return smoothed() + 4 * std::chrono::microseconds(variation_us); }
};

}  // namespace keepwarm
