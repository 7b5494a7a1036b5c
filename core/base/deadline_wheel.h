#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"

namespace keepwarm {

/// Something that is called when its time is up. Owned by whoever embeds it; leaves its wheel on destruction.
class Deadline : private ListHook<Deadline> {
 public:
  /// Called once when the deadline has passed (never early, at most one tick late). The deadline is disarmed before the
  /// call; it may be armed again, and its owner may be destroyed, inside.
  virtual void on_deadline(TimePoint now) = 0;

  [[nodiscard]] bool armed() const noexcept { return armed_; }
  [[nodiscard]] TimePoint due() const noexcept { return due_; }

 protected:
  Deadline() noexcept = default;
  ~Deadline() = default;

 private:
  friend class DeadlineWheel;
  template <typename, typename>
  friend class IntrusiveList;
  TimePoint due_{};
  TimePoint slot_due_{};  ///< the time under which it hangs in the wheel; never later than due_ while armed
  bool armed_ = false;
};

/// Coarse clock for thousands of deadlines: arming, moving and disarming cost O(1) and no system call. Pure: it has no
/// timer; whoever owns it calls advance() at next_tick(). Not for decisions that need exact times. A subclass may drive
/// it by a timer (net::DeadlineClock); tests advance it by hand.
class DeadlineWheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(50);

  DeadlineWheel() noexcept = default;
  virtual ~DeadlineWheel() = default;
  DeadlineWheel(const DeadlineWheel&) = delete;
  DeadlineWheel& operator=(const DeadlineWheel&) = delete;

  /// Sets `deadline` to fire at `due`, replacing what was set before. A time in the past fires at the next advance().
  /// To move a deadline later is one store: the entry stays where it is until its old time comes, and is then moved.
  void arm(Deadline& deadline, TimePoint due);
  /// Nothing fires any more. Cheap; the entry stays linked until its old time comes, or it is destroyed.
  static void disarm(Deadline& deadline) noexcept { deadline.armed_ = false; }

  /// Fires all that are due. Callbacks may arm, disarm and destroy any deadline.
  void advance(TimePoint now);

  /// When advance() should be called next; nullopt: nothing hangs in the wheel.
  [[nodiscard]] std::optional<TimePoint> next_tick() const noexcept { return next_tick_; }

 protected:
  /// next_tick() became earlier: whoever drives the wheel by a timer sets that anew.
  virtual void next_tick_moved() {}

 private:
  static constexpr std::size_t kSlots = 512;  // 25.6 s a round; longer deadlines stay for several rounds
  using List = IntrusiveList<Deadline, Deadline>;

  static std::size_t slot_of(TimePoint due) noexcept;
  void insert(Deadline& deadline) noexcept;
  void find_next_tick(TimePoint now) noexcept;
  void fire_slot(List& slot, TimePoint now);

  std::array<List, kSlots> slots_;
  std::optional<TimePoint> next_tick_;
  TimePoint advanced_to_{};
};

}  // namespace keepwarm
