#pragma once

#include <array>
#include <cstdint>

#include "core/base/gauge.h"
#include "core/pool/close_reason.h"

namespace keepwarm::pool {

/// Counters of everything that happened to upstream connections since the start. One thread changes them; any may read
/// the gauges.
struct PoolStats {
  std::uint64_t opened = 0;
  std::uint64_t prewarmed = 0;  ///< of `opened`: for keep_warm, not for a request
  std::uint64_t open_failures = 0;
  std::uint64_t leases_fresh = 0;
  std::uint64_t leases_reused = 0;
  std::uint64_t hints_without_room = 0;  ///< connections not pooled, as the server's hint is less than a round trip
  std::uint64_t transferred_away = 0;    ///< idle connections that another worker took over
  std::uint64_t transferred_here = 0;    ///< those that came from another worker
  Gauge connections{};                   ///< open now
  Gauge attempts{};                      ///< being opened now
  std::uint64_t tls_full = 0;            ///< whole handshakes
  std::uint64_t tls_resumed = 0;         ///< those that resumed a session
  std::array<std::uint64_t, kCloseReasonCount> closed{};
};

}  // namespace keepwarm::pool
