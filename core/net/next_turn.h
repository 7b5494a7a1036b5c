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

/// Has each Continuation go on once: in the next turn, behind the events of its poll. So all others have had their turn
/// in between, and the loop does not sleep meanwhile.
///
/// Part of a Loop.
class NextTurn {
 public:
  explicit NextTurn(uv_loop_t& loop) noexcept;
  NextTurn(const NextTurn&) = delete;
  NextTurn& operator=(const NextTurn&) = delete;
  /// Before the destructor; the loop runs the close callbacks.
  void close() noexcept;

  /// No-op if it is in the list already.
  void add(Continuation& continuation) noexcept;
  /// A turn begins: before its poll.
  void begin_turn() noexcept {
    if (!waiting_.empty()) make_due();
  }

 private:
  void make_due() noexcept;
  void after_poll();

  IntrusiveList<Continuation, Continuation> waiting_;  ///< for the next turn
  IntrusiveList<Continuation, Continuation> due_;      ///< in this one
  uv_idle_t poll_at_once_{};                           ///< while there are any: the poll does not wait
  uv_check_t after_poll_{};
};

}  // namespace keepwarm::net
