#include "core/net/timer.h"

#include <algorithm>
#include <utility>

#include <uv.h>

#include "core/net/due_timers.h"

namespace keepwarm::net {

struct Timer::Node final : DueTimer {
  Node(Loop& loop, std::function<void()> fire) : on_fire(std::move(fire)) {
    uv_timer_init(&loop.uv(), &handle);
    handle.data = this;
  }

  void start(Duration after) noexcept;
  void time_is_up() noexcept;
  void forget() noexcept {
    unlink();
    up = false;
  }
  void act() override {
    Loop::begin_event();
    if (std::exchange(up, false)) on_fire();  // else it was disarmed in between
  }

  uv_timer_t handle{};
  std::function<void()> on_fire;
  TimePoint due;
  bool had_grace = false;
  bool up = false;  ///< its time is up, and was not acted on yet
};

void Timer::Node::start(Duration after) noexcept {
  uv_update_time(handle.loop);  // else the delay counts from the start of this turn of the loop
  // One more, since the loop's clock is cut off to whole milliseconds.
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(after) + std::chrono::milliseconds(1);
  const auto fire = [](uv_timer_t* timer) { static_cast<Node*>(timer->data)->time_is_up(); };
  uv_timer_start(&handle, fire, static_cast<std::uint64_t>(ms.count()), 0);
}

void Timer::Node::time_is_up() noexcept {
  const Duration late = Loop::now() - due;
  if (late >= kAway && !std::exchange(had_grace, true)) return start(std::min(late, kGrace));
  up = true;
  Loop::of(*handle.loop).due_timers().add(*this);
}

Timer::Timer(Loop& loop, std::function<void()> on_fire) : node_(new Node(loop, std::move(on_fire))) {}

void Timer::arm(Duration after) {
  const Duration delay = std::max(after, Duration::zero());
  node_->forget();
  node_->due = Loop::now() + delay;
  node_->had_grace = false;
  node_->start(delay);
}

void Timer::disarm() noexcept {
  node_->forget();
  uv_timer_stop(&node_->handle);
}

void Timer::keeps_loop_alive(bool yes) noexcept {
  auto* const handle = reinterpret_cast<uv_handle_t*>(&node_->handle);
  yes ? uv_ref(handle) : uv_unref(handle);
}

void Timer::CloseThenDelete::operator()(Node* node) const noexcept {
  node->forget();
  uv_close(reinterpret_cast<uv_handle_t*>(&node->handle),
           [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
}

}  // namespace keepwarm::net
