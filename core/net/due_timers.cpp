#include "core/net/due_timers.h"

namespace keepwarm::net {

DueTimers::DueTimers(uv_loop_t& loop) noexcept {
  uv_idle_init(&loop, &poll_at_once_);
  uv_check_init(&loop, &after_poll_);
  after_poll_.data = this;
}

void DueTimers::close() noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_at_once_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&after_poll_), nullptr);
}

void DueTimers::add(DueTimer& timer) noexcept {
  due_.push_back(timer);
  uv_idle_start(&poll_at_once_, [](uv_idle_t*) {});
  uv_check_start(&after_poll_, [](uv_check_t* handle) { static_cast<DueTimers*>(handle->data)->act(); });
}

void DueTimers::act() {
  uv_idle_stop(&poll_at_once_);
  uv_check_stop(&after_poll_);
  // Ends: a timer that is armed inside is up in a later turn, however short its time.
  while (DueTimer* const timer = due_.front()) {
    timer->unlink();
    timer->act();
  }
}

}  // namespace keepwarm::net
