#pragma once

#include <functional>
#include <memory>

#include <uv.h>

#include "core/base/clock.h"
#include "core/net/loop.h"

namespace keepwarm::net {

/// One-shot timer for engine-wide clocks and connection attempts: few of them, so a std::function is fine. After the
/// destructor `on_fire` never runs; the handle is freed in libuv's close callback. Safe to destroy inside `on_fire`,
/// which must own nothing whose destructor uses the timer.
class Timer {
 public:
  Timer(Loop& loop, std::function<void()> on_fire) : node_(new Node{{}, std::move(on_fire)}) {
    uv_timer_init(&loop.uv(), &node_->handle);
    node_->handle.data = node_.get();
  }

  /// Fires once, not earlier than `after` from now (rounded up to milliseconds). A second arm() replaces the first.
  void arm(Duration after) {
    uv_update_time(node_->handle.loop);  // else the delay counts from the start of this turn of the loop
    // One more, since the loop's clock is cut off to whole milliseconds.
    const auto ms =
        std::chrono::ceil<std::chrono::milliseconds>(std::max(after, Duration::zero())) + std::chrono::milliseconds(1);
    const auto fire = [](uv_timer_t* handle) {
      Loop::begin_event();
      static_cast<Node*>(handle->data)->on_fire();
    };
    uv_timer_start(&node_->handle, fire, static_cast<std::uint64_t>(ms.count()), 0);
  }
  void disarm() noexcept { uv_timer_stop(&node_->handle); }

 private:
  struct Node {
    uv_timer_t handle;
    std::function<void()> on_fire;
  };
  struct CloseThenDelete {
    void operator()(Node* node) const noexcept {
      uv_close(reinterpret_cast<uv_handle_t*>(&node->handle),
               [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
    }
  };
  std::unique_ptr<Node, CloseThenDelete> node_;
};

}  // namespace keepwarm::net
