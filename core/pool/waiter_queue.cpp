#include "core/pool/waiter_queue.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "core/net/loop.h"

namespace keepwarm::pool {

namespace {

constexpr std::size_t kReplayableBit = 1;
constexpr std::size_t kLocalBit = 2;
constexpr std::size_t kFreshBit = 4;

/// The bits of Waiter::since_.
constexpr std::uint64_t kTimeBits = (std::uint64_t{1} << 58U) - 1;

/// A bit of Waiter::order(): it is set for waiters that are not retries, so that they come after all retries.
constexpr std::uint64_t kAfterRetries = std::uint64_t{1} << 63U;

/// Whichever of the two is first in line; either may be nullptr.
Waiter* first_of(Waiter* one, Waiter* other) noexcept {
  if (one == nullptr || other == nullptr) return one != nullptr ? one : other;
  return one->order() < other->order() ? one : other;
}

}  // namespace

// ---- Waiter ----

CheckoutRequirements Waiter::requirements() const noexcept {
  return WaiterQueue::requirements_of(class_);
}

std::uint64_t Waiter::order() const noexcept {
  return since_ | ((class_ & kFreshBit) != 0 ? 0 : kAfterRetries);
}

void Waiter::withdraw() noexcept {
  if (queue_ == nullptr) return;
  WaiterQueue& queue = *queue_;
  ConnectAttempt* const attempt = queue.remove(*this);
  queue.events_.waiter_left(attempt, net::Loop::event_time());
}

void Waiter::on_deadline(TimePoint now) {
  queue_->events_.waiter_timed_out(*this, now);
}

// ---- Coming and going ----

std::size_t WaiterQueue::class_of(const CheckoutRequirements& requirements) noexcept {
  return (requirements.replayable ? kReplayableBit : 0) | (requirements.local_client ? kLocalBit : 0) |
         (requirements.fresh_only ? kFreshBit : 0);
}

CheckoutRequirements WaiterQueue::requirements_of(std::size_t of_class) noexcept {
  return {.replayable = (of_class & kReplayableBit) != 0,
          .fresh_only = (of_class & kFreshBit) != 0,
          .local_client = (of_class & kLocalBit) != 0};
}

void WaiterQueue::add(Waiter& waiter, const CheckoutRequirements& requirements, Duration limit, TimePoint now) {
  assert(!waiter.waiting());
  last_added_ = std::max(now, last_added_ + Duration(1));
  const std::size_t its_class = class_of(requirements);
  waiter.queue_ = this;
  waiter.since_ = static_cast<std::uint64_t>(last_added_.time_since_epoch().count()) & kTimeBits;
  waiter.class_ = its_class & (kClasses - 1);
  set_source(waiter, Waiter::Source::None);
  waiter.transfer_refused_ = false;
  all_[its_class].push_back(waiter);
  unsourced_[its_class].push_back(waiter);
  ++size_;
  deadlines_.arm(waiter, now + limit);
}

ConnectAttempt* WaiterQueue::remove(Waiter& waiter) noexcept {
  drop_source(waiter);
  AllList::remove(waiter);
  --size_;
  waiter.queue_ = nullptr;
  DeadlineWheel::disarm(waiter);
  return std::exchange(waiter.attempt_, nullptr);
}

// ---- Who is first ----

Waiter* WaiterQueue::front() noexcept {
  Waiter* first = nullptr;
  for (AllList& each : all_) first = first_of(first, each.front());
  return first;
}

Waiter* WaiterQueue::first_without_source() noexcept {
  return first_of(first_without_source_of(true), first_without_source_of(false));
}

Waiter* WaiterQueue::first_without_source_of(bool local_client) noexcept {
  Waiter* first = nullptr;
  for (std::size_t each = 0; each < kClasses; ++each) {
    if (((each & kLocalBit) != 0) == local_client) first = first_of(first, unsourced_[each].front());
  }
  return first;
}

TimePoint WaiterQueue::waiting_since() noexcept {
  TimePoint since = TimePoint::max();
  for (AllList& each : all_) {
    if (const Waiter* const front = each.front()) since = std::min(since, front->since());
  }
  return since;
}

TimePoint WaiterQueue::waiting_without_source_since() noexcept {
  TimePoint since = TimePoint::max();
  for (SourceList& each : unsourced_) {
    if (const Waiter* const front = each.front()) since = std::min(since, front->since());
  }
  return since;
}

// ---- Sources ----

/// Takes it out of the list of its source; attempt() is left to the caller.
void WaiterQueue::drop_source(Waiter& waiter) noexcept {
  if (waiter.source() == Waiter::Source::Transfer) --awaiting_transfer_;
  Waiter*& last = put_back_last_[waiter.class_];
  if (last == &waiter) last = unsourced_[waiter.class_].next(waiter);
  static_cast<ListHook<WaiterQueue>&>(waiter).unlink();
  set_source(waiter, Waiter::Source::None);
}

void WaiterQueue::connecting(Waiter& waiter, ConnectAttempt& attempt) noexcept {
  drop_source(waiter);
  set_source(waiter, Waiter::Source::Connect);
  waiter.attempt_ = &attempt;
}

void WaiterQueue::connect_lost(Waiter& waiter) noexcept {
  assert(waiter.source() == Waiter::Source::Connect);
  waiter.attempt_ = nullptr;
  put_back_unsourced(waiter);
}

void WaiterQueue::await_transfer(Waiter& waiter) noexcept {
  drop_source(waiter);
  set_source(waiter, Waiter::Source::Transfer);
  transfers_.push_back(waiter);
  ++awaiting_transfer_;
}

void WaiterQueue::refuse_transfer() noexcept {
  Waiter* const waiter = transfers_.front();
  if (waiter == nullptr) return;
  drop_source(*waiter);
  waiter->transfer_refused_ = true;
  put_back_unsourced(*waiter);
}

/// Those that lose their sources do so in order, or nearly: in the order in which connects end, or transfers are
/// refused. So the place of one is close to that of the one before, and is looked for from there.
void WaiterQueue::put_back_unsourced(Waiter& waiter) noexcept {
  set_source(waiter, Waiter::Source::None);
  SourceList& list = unsourced_[waiter.class_];
  Waiter* next = put_back_last_[waiter.class_] != nullptr ? put_back_last_[waiter.class_] : list.front();
  while (next != nullptr && next->order() < waiter.order()) next = list.next(*next);
  Waiter* previous = next != nullptr ? list.previous(*next) : list.back();
  while (previous != nullptr && previous->order() > waiter.order()) {
    next = std::exchange(previous, list.previous(*previous));
  }
  next != nullptr ? SourceList::insert_before(*next, waiter) : list.push_back(waiter);
  put_back_last_[waiter.class_] = &waiter;
}

}  // namespace keepwarm::pool
