#include "core/net/next_turn.h"

namespace keepwarm::net {

void NextTurn::add(Continuation& continuation) noexcept {
  if (continuation.linked()) return;
  waiting_.push_back(continuation);
  uv_idle_start(&poll_at_once_, [](uv_idle_t*) {});
}

void NextTurn::run_all() {
  // Who asks for another turn inside go_on() gets the next one.
  IntrusiveList<Continuation, Continuation> now;
  while (Continuation* const each = waiting_.front()) {
    each->unlink();
    now.push_back(*each);
  }
  uv_idle_stop(&poll_at_once_);
  while (Continuation* const each = now.front()) {
    each->unlink();
    each->go_on();
  }
}

}  // namespace keepwarm::net
