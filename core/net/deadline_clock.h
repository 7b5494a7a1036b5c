#pragma once

#include "core/base/deadline_wheel.h"
#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// The deadline wheel of one loop, driven by one libuv timer. Sleeps when nothing is due.
class DeadlineClock final : public DeadlineWheel {
 public:
  explicit DeadlineClock(Loop& loop) : timer_(loop, [this] { tick(); }) {}

 private:
  void next_tick_moved() override { sleep_until_next(); }
  void tick() {
    advance(Loop::now());
    sleep_until_next();
  }
  void sleep_until_next() {
    if (const auto next = next_tick()) timer_.arm(*next - Loop::now());
  }

  Timer timer_;
};

}  // namespace keepwarm::net
