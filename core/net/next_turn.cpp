#include "core/net/next_turn.h"

namespace keepwarm::net {

NextTurn::NextTurn(uv_loop_t& loop) noexcept {
  uv_idle_init(&loop, &poll_at_once_);
  uv_check_init(&loop, &after_poll_);
  after_poll_.data = this;
}

void NextTurn::close() noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_at_once_), nullptr);
  uv_close(reinterpret_cast<uv_handle_t*>(&after_poll_), nullptr);
}

void NextTurn::add(Continuation& continuation) noexcept {
  if (continuation.linked()) return;
  waiting_.push_back(continuation);
  uv_idle_start(&poll_at_once_, [](uv_idle_t*) {});
  uv_check_start(&after_poll_, [](uv_check_t* handle) { static_cast<NextTurn*>(handle->data)->after_poll(); });
}

void NextTurn::make_due() noexcept {
  while (Continuation* const each = waiting_.front()) {
    each->unlink();
    due_.push_back(*each);
  }
}

void NextTurn::after_poll() {
  while (Continuation* const each = due_.front()) {
    each->unlink();
    each->go_on();
  }
  if (!waiting_.empty()) return;
  uv_idle_stop(&poll_at_once_);
  uv_check_stop(&after_poll_);
}

}  // namespace keepwarm::net
