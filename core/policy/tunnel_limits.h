#pragma once

#include <algorithm>

#include "core/base/clock.h"

namespace keepwarm::policy {

/// How long no byte may pass in a tunnel, in either direction. 0: no limit.
struct TunnelLimits {
  Duration open{};         ///< while both sides may still send
  Duration half_closed{};  ///< once one side has ended: many programs never end the other one
};

[[nodiscard]] constexpr TunnelLimits tunnel_limits(Duration tunnel_timeout) noexcept {
  constexpr Duration kHalfClosed = std::chrono::seconds(60);
  const bool limited = tunnel_timeout > Duration::zero();
  return {tunnel_timeout, limited ? std::min(tunnel_timeout, kHalfClosed) : kHalfClosed};
}

}  // namespace keepwarm::policy
