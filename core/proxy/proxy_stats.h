#pragma once

#include <cstdint>

#include "core/base/gauge.h"
#include "core/proxy/savings.h"

/// Counters of what an engine did for its clients.
namespace keepwarm::proxy {

/// All but open_tunnels count since the start. Other threads may read the gauges.
struct ProxyStats {
  std::uint64_t clients_accepted = 0;
  std::uint64_t retries = 0;
  std::uint64_t stale_failures = 0;
  std::uint64_t own_answers = 0;
  Gauge exchanges{};  ///< see Savings, as for the next four
  Gauge on_reused{};
  Gauge saved{};  ///< nanoseconds
  Gauge hidden_failures{};
  Gauge tunnels{};
  Gauge open_tunnels{};  ///< now, with those that are being connected

  /// Any thread may ask.
  [[nodiscard]] Savings savings() const noexcept {
    return {exchanges, on_reused, Duration(static_cast<Duration::rep>(saved.value())), hidden_failures, tunnels};
  }
};

}  // namespace keepwarm::proxy
