#pragma once

#include <optional>
#include <span>
#include <vector>

#include "core/base/clock.h"
#include "core/net/address.h"

namespace keepwarm::pool {

/// Which addresses a name's answers have had (core/doc/design.md §6.8). Rotating DNS gives other addresses each time,
/// so that one answer lacks an address says nothing: it is gone when every answer over kGoneAfter has lacked it. Pure.
class AddressHistory {
 public:
  static constexpr Duration kGoneAfter = std::chrono::minutes(5);

  /// An answer came. Ports are not compared.
  void answered(std::span<const net::SocketAddress> addresses, TimePoint now);

  /// Whether the address was missing from all answers of kGoneAfter before the last one. False for one that was never
  /// in an answer. Nearly always one comparison.
  [[nodiscard]] bool gone(const net::SocketAddress& address) const { return any_missing_ && missing_too_long(address); }

 private:
  struct Known {
    net::SocketAddress address;
    std::optional<TimePoint> missing_since;  ///< the first answer that lacked it, after the last one that had it
  };
  static constexpr std::size_t kMaxKnown = 256;  // those that are missing longest give way

  [[nodiscard]] bool missing_too_long(const net::SocketAddress& address) const;

  std::vector<Known> known_;
  TimePoint answered_at_{};  ///< the last time
  bool any_missing_ = false;
};

}  // namespace keepwarm::pool
