#pragma once

#include <cstdint>

/// How many connections to one host may be under way at a time: a slow start, as TCP's own (RFC 5681 §3.1).
///
/// A burst of N requests rarely needs N connections: most are served by one that another request returns a moment
/// later. So no more than kFirstWindow connects begin at once. Each that succeeds while requests still wait lets one
/// more be under way than before, so that the number doubles in each round trip: a slow server, to which every request
/// needs a connection of its own, has 8,000 of them after seven round trips. A lone request, and any group of up to
/// kFirstWindow, is never held back.
namespace keepwarm::policy {

/// Of one pool key. A plain value without a clock.
class ConnectPacing {
 public:
  static constexpr std::uint32_t kFirstWindow = 64;

  /// May another connect begin, with so many under way?
  [[nodiscard]] bool may_begin(std::uint32_t under_way) const noexcept { return under_way < window_; }

  /// A connection is open. `waiting`: requests still wait for which no connect has begun.
  void connected(bool waiting) noexcept { window_ = waiting ? window_ + 1 : kFirstWindow; }

  /// Nobody waits any more: the next burst begins anew.
  void settled() noexcept { window_ = kFirstWindow; }

 private:
  std::uint32_t window_ = kFirstWindow;
};

}  // namespace keepwarm::policy
