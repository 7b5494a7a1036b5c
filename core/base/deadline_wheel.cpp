#include "core/base/deadline_wheel.h"

#include <algorithm>

namespace keepwarm {

namespace {

/// The number of the first tick at which `due` has passed.
std::int64_t tick_number(TimePoint due) noexcept {
  const auto tick = DeadlineWheel::kTick.count();
  const auto since = std::max<Duration::rep>(due.time_since_epoch().count(), 0);
  return (since + tick - 1) / tick;
}

TimePoint time_of_tick(std::int64_t number) noexcept {
  return TimePoint(DeadlineWheel::kTick * number);
}

/// The last tick that has passed at `now`.
std::int64_t passed_tick(TimePoint now) noexcept {
  return now.time_since_epoch().count() / DeadlineWheel::kTick.count();
}

}  // namespace

std::size_t DeadlineWheel::slot_of(TimePoint due) noexcept {
  return static_cast<std::size_t>(tick_number(due)) % kSlots;
}

void DeadlineWheel::insert(Deadline& deadline) noexcept {
  // What is already due would hang in a slot that was visited: it goes into the next one.
  const TimePoint soonest = time_of_tick(passed_tick(advanced_to_) + 1);
  deadline.slot_due_ = std::max(deadline.due_, soonest);
  slots_[slot_of(deadline.slot_due_)].push_back(deadline);
}

void DeadlineWheel::arm(Deadline& deadline, TimePoint due) {
  deadline.due_ = due;
  deadline.armed_ = true;
  if (deadline.linked() && deadline.slot_due_ <= due) return;
  if (deadline.linked()) List::remove(deadline);
  insert(deadline);
  const TimePoint tick = time_of_tick(tick_number(deadline.slot_due_));
  if (next_tick_ && *next_tick_ <= tick) return;
  next_tick_ = tick;
  next_tick_moved();
}

void DeadlineWheel::advance(TimePoint now) {
  const std::int64_t last = passed_tick(now);
  const std::int64_t first = std::max(passed_tick(advanced_to_) + 1, last - static_cast<std::int64_t>(kSlots) + 1);
  advanced_to_ = std::max(advanced_to_, now);
  for (std::int64_t number = first; number <= last; ++number) {
    fire_slot(slots_[static_cast<std::size_t>(number) % kSlots], now);
  }
  find_next_tick(now);
}

void DeadlineWheel::fire_slot(List& slot, TimePoint now) {
  List due;
  while (Deadline* deadline = slot.front()) {
    List::remove(*deadline);
    due.push_back(*deadline);
  }
  while (Deadline* deadline = due.front()) {
    List::remove(*deadline);
    if (!deadline->armed_) continue;
    if (deadline->due_ > now) {
      insert(*deadline);
      continue;
    }
    deadline->armed_ = false;
    deadline->on_deadline(now);
  }
}

void DeadlineWheel::find_next_tick(TimePoint now) noexcept {
  next_tick_.reset();
  const std::int64_t first = passed_tick(now) + 1;
  for (std::int64_t number = first; number < first + static_cast<std::int64_t>(kSlots); ++number) {
    if (!slots_[static_cast<std::size_t>(number) % kSlots].empty()) {
      next_tick_ = time_of_tick(number);
      return;
    }
  }
}

}  // namespace keepwarm
