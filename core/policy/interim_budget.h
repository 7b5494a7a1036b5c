#pragma once

#include <algorithm>
#include <cstddef>

#include "core/base/clock.h"

namespace keepwarm::policy {

/// How many interim responses (1xx, RFC 9110 §15.2) a server may send before its answer. Their number has no limit: an
/// upload that is told of its progress (104) gets ten a second for as long as it takes. A flood has one: each response
/// costs time, more if its head is longer, and the server may be ahead of the clock by so much only. A plain value that
/// reads no clock; one for each attempt.
class InterimBudget {
 public:
  /// What one costs: 100 short ones a second may come for good.
  static constexpr Duration kPerResponse = std::chrono::milliseconds(10);
  /// What one costs besides if its head is as large as a head may be, and a part of it if it is smaller: 10 a second.
  static constexpr Duration kPerLargestHead = std::chrono::milliseconds(100);
  /// What may come at once: about 1,000 short ones, or 90 of the largest.
  static constexpr Duration kAhead = std::chrono::seconds(10);
  /// Time without any is saved up, as they may have been waiting in buffers for a client that did not read.
  static constexpr Duration kSavedAtMost = std::chrono::minutes(10);

  /// One has come, whose head has `bytes` bytes; a head may have `largest_head`, more than 0. False: it is one too
  /// many. `now` never goes back.
  [[nodiscard]] bool take(TimePoint now, std::size_t bytes, std::size_t largest_head) noexcept {
    const Duration for_size = kPerLargestHead * static_cast<Duration::rep>(std::min(bytes, largest_head)) /
                              static_cast<Duration::rep>(largest_head);
    const TimePoint earliest = any() ? now - kSavedAtMost : now;
    paid_until_ = std::max(paid_until_, earliest) + kPerResponse + for_size;
    return paid_until_ <= now + kAhead;
  }

  /// Has one come?
  [[nodiscard]] bool any() const noexcept { return paid_until_ != TimePoint{}; }

 private:
  TimePoint paid_until_{};  ///< those that have come are covered by the time up to here
};

}  // namespace keepwarm::policy
