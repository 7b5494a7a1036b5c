#include "core/net/loop.h"

#include <system_error>

namespace keepwarm::net {

Loop::Loop() : buffer_(new char[kReadBufferSize]) {
  if (const int error = uv_loop_init(&uv_); error != 0) {
    throw std::system_error(-error, std::generic_category(), "cannot create an event loop");
  }
}

Loop::~Loop() {
  // Every owner has destroyed its handles by now: only their close callbacks are left to run.
  while (uv_loop_close(&uv_) == UV_EBUSY) uv_run(&uv_, UV_RUN_NOWAIT);
}

void Loop::run() {
  uv_run(&uv_, UV_RUN_DEFAULT);
}

}  // namespace keepwarm::net
