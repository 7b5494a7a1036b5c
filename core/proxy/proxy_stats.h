#pragma once

#include <cstdint>

#include "core/base/gauge.h"

/// Counters of what an engine did for its clients.
namespace keepwarm::proxy {

/// All but the gauge count since the start.
struct ProxyStats {
  std::uint64_t clients_accepted = 0;
  std::uint64_t exchanges = 0;
  std::uint64_t retries = 0;
  std::uint64_t stale_failures = 0;
  std::uint64_t own_answers = 0;
  std::uint64_t tunnels = 0;
  Gauge open_tunnels{};  ///< now, with those that are being connected; other threads may read it
};

}  // namespace keepwarm::proxy
