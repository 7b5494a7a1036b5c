#pragma once

#include <cstdint>

#include "core/base/clock.h"

/// How many connections to one host may be begun at a time: a slow start, as TCP's own (RFC 5681 §3.1).
///
/// A burst of N requests rarely needs N connections: most are served by one that another request returns a moment
/// later. So no more than a window of connections may be under way or without a first answer yet. Each first answer,
/// while requests still wait, makes room for two: the number doubles with each round. A server that needs longer than
/// kPatience to answer, such as one of long polls, must not hold the others up: a connection counts no longer than
/// twice kPatience, and if none has answered meanwhile the window grows all the same. So 8,000 requests that each need
/// a connection of their own have them after seven rounds of at most 0.2 s. A lone request, and any group of up to
/// kFirstWindow, is never held back.
namespace keepwarm::policy {

/// The pace for one pool key. A plain value that reads no clock.
class ConnectPacing {
 public:
  static constexpr std::uint32_t kFirstWindow = 64;
  /// A connection without an answer counts for so long, and for twice as long at most.
  static constexpr Duration kPatience = std::chrono::milliseconds(100);

  /// May another connect begin, with so many under way?
  [[nodiscard]] bool may_begin(std::uint32_t under_way, TimePoint now) noexcept;

  /// A connection is open.
  void opened(TimePoint now) noexcept;
  /// A connection that was opened then has its first answer. `waiting`: requests still wait for which no connect has
  /// begun.
  void answered(TimePoint opened_at, bool waiting, TimePoint now) noexcept;
  /// A connection that was opened then has ended without any answer.
  void ended(TimePoint opened_at, TimePoint now) noexcept;
  /// Nobody waits any more: the next burst begins anew.
  void settled() noexcept { window_ = kFirstWindow; }

 private:
  void advance(TimePoint now) noexcept;
  [[nodiscard]] std::uint32_t* period_of(TimePoint opened_at) noexcept;

  std::uint32_t window_ = kFirstWindow;
  std::uint32_t unanswered_ = 0;         ///< connections without an answer, opened in this period of kPatience
  std::uint32_t unanswered_before_ = 0;  ///< and in the period before
  bool any_answer_ = false;              ///< a first answer came in this period
  bool any_answer_before_ = false;       ///< or in the period before
  std::int64_t period_ = 0;              ///< the number of this period
};

}  // namespace keepwarm::policy
