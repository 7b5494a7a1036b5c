#pragma once

#include <uv.h>

#include "core/base/intrusive_list.h"

/// What has had its share of a turn of the loop, and goes on in the next one.
namespace keepwarm::net {

/// Leaves the list of those that go on on destruction.
class Continuation : public ListHook<Continuation> {
 public:
  /// Begins an event (Loop::begin_event()). May destroy itself and any other, and may ask for another turn.
  virtual void go_on() = 0;

 protected:
  ~Continuation() = default;
};

/// Has each Continuation go on once: in the next turn, before the sockets are polled. So all others have had their turn
/// in between, and the loop does not sleep meanwhile.
///
/// Part of a Loop.
class NextTurn {
 public:
  explicit NextTurn(uv_loop_t& loop) noexcept { uv_idle_init(&loop, &poll_at_once_); }
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;
  /// Before the destructor; the loop runs the close callbacks.
  void close() noexcept { uv_close(reinterpret_cast<uv_handle_t*>(&poll_at_once_), nullptr); }

  /// No-op if it is in the list already.
  void add(Continuation& continuation) noexcept;
  /// Once a turn, before the poll.
  void run() {
    if (!waiting_.empty()) run_all();
  }

 private:
  void run_all();

  IntrusiveList<Continuation, Continuation> waiting_;
  uv_idle_t poll_at_once_{};  ///< while some are waiting: the poll does not wait
};

}  // namespace keepwarm::net
