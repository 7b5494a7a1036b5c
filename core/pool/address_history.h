#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"

namespace keepwarm::pool {

/// Which addresses a name's answers have had (DESIGN.md §6.8). Rotating DNS gives other addresses each time, so that
/// one answer lacks an address says nothing: it is gone when every answer over kGoneAfter has lacked it. Pure.
class AddressHistory {
 public:
  static constexpr Duration kGoneAfter = std::chrono::minutes(5);

  /// An answer came. Ports are not compared.
  void answered(std::span<const net::SocketAddress> addresses, TimePoint now);

  /// Whether the answers have lacked the address for long enough. False for one that was never in an answer.
  [[nodiscard]] bool gone(const net::SocketAddress& address, TimePoint now) const;

 private:
  struct Known {
    net::SocketAddress address;
    std::optional<TimePoint> missing_since;  ///< the first answer that lacked it, after the last one that had it
  };
  static constexpr std::size_t kMaxKnown = 256;  // those that are missing longest give way

  std::vector<Known> known_;
};

}  // namespace keepwarm::pool
