#pragma once

#include "core/base/deadline_wheel.h"
#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// The deadline wheel of one loop with the one libuv timer that drives it. Sleeps when nothing is due.
class DeadlineClock {
 public:
  explicit DeadlineClock(Loop& loop) : timer_(loop, [this] { tick(); }) {}

  void arm(Deadline& deadline, TimePoint due) {
    if (wheel_.arm(deadline, due)) sleep_until_next();
  }
  static void disarm(Deadline& deadline) noexcept { DeadlineWheel::disarm(deadline); }

 private:
  void tick() {
    wheel_.advance(Loop::now());
    sleep_until_next();
  }
  void sleep_until_next() {
    if (const auto next = wheel_.next_tick()) timer_.arm(*next - Loop::now());
  }

  DeadlineWheel wheel_;
  Timer timer_;
};

}  // namespace keepwarm::net
