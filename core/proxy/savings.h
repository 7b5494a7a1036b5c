#pragma once

#include <cstdint>

#include "core/base/clock.h"

/// What clients were spared, for those who wonder whether keepwarm helps.
namespace keepwarm::proxy {

/// Since the start, of one engine or of all.
struct Savings {
  std::uint64_t exchanges = 0;        ///< requests that ended, however; CONNECT is none
  std::uint64_t on_reused = 0;        ///< those that were answered whole on a connection that was open already
  Duration saved{};                   ///< what opening one for each of these would have taken
  std::uint64_t hidden_failures = 0;  ///< those that were answered whole after they had been sent once in vain
  std::uint64_t tunnels = 0;          ///< CONNECT and Upgrade: in these nothing is reused

  Savings& operator+=(const Savings& more) noexcept {
    exchanges += more.exchanges;
    on_reused += more.on_reused;
    saved += more.saved;
    hidden_failures += more.hidden_failures;
    tunnels += more.tunnels;
    return *this;
  }
  /// Since `earlier`, which was the value of the same engines then.
  [[nodiscard]] Savings since(const Savings& earlier) const noexcept {
    return {exchanges - earlier.exchanges, on_reused - earlier.on_reused, saved - earlier.saved,
            hidden_failures - earlier.hidden_failures, tunnels - earlier.tunnels};
  }
  bool operator==(const Savings&) const = default;
};

}  // namespace keepwarm::proxy
