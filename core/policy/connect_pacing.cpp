#include "core/policy/connect_pacing.h"

#include <utility>

namespace keepwarm::policy {

namespace {

std::int64_t number_of_period(TimePoint time) noexcept {
  return time.time_since_epoch() / ConnectPacing::kPatience;
}

}  // namespace

/// Begins new periods. Connections of the last but one period no longer count. If the server has answered nobody
/// meanwhile, it is slow, and those connections are no sign that it cannot take more: the window grows by their number.
void ConnectPacing::advance(TimePoint now) noexcept {
  const std::int64_t period = number_of_period(now);
  if (period <= period_) return;
  const bool next = period == period_ + 1;
  const bool answers = any_answer_before_ || any_answer_;
  const std::uint32_t over = next ? unanswered_before_ : unanswered_before_ + unanswered_;
  if (!answers) window_ += over;
  unanswered_before_ = next ? unanswered_ : 0;
  any_answer_before_ = next && any_answer_;
  unanswered_ = 0;
  any_answer_ = false;
  period_ = period;
}

bool ConnectPacing::may_begin(std::uint32_t under_way, TimePoint now) noexcept {
  advance(now);
  return under_way + unanswered_ + unanswered_before_ < window_;
}

void ConnectPacing::opened(TimePoint now) noexcept {
  advance(now);
  ++unanswered_;
}

std::uint32_t* ConnectPacing::period_of(TimePoint opened_at) noexcept {
  const std::int64_t period = number_of_period(opened_at);
  if (period == period_) return &unanswered_;
  return period == period_ - 1 ? &unanswered_before_ : nullptr;
}

void ConnectPacing::answered(TimePoint opened_at, bool waiting, TimePoint now) noexcept {
  ended(opened_at, now);
  any_answer_ = true;
  if (waiting) ++window_;
}

void ConnectPacing::ended(TimePoint opened_at, TimePoint now) noexcept {
  advance(now);
  std::uint32_t* const count = period_of(opened_at);
  if (count != nullptr && *count > 0) --*count;
}

}  // namespace keepwarm::policy
