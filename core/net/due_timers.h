#pragma once

#include <uv.h>

#include "core/base/intrusive_list.h"

/// The timers of a loop whose time is up, and when they are acted on.
namespace keepwarm::net {

/// What acts when its time is up. Leaves the list of those that are due on destruction.
class DueTimer : public ListHook<DueTimer> {
 public:
  /// May destroy itself and any other.
  virtual void act() = 0;

 protected:
  ~DueTimer() = default;
};

/// Holds each timer that is up until the loop has polled its sockets once more and their events have been handled.
///
/// libuv runs timers before sockets. So after the process had been stopped, or had not been given the CPU, a time limit
/// would be acted on though the answer lay in the socket: we would be late, and blame the peer. Here whatever has
/// arrived is read before anything is made of the time that has passed. libuv reads up to 48 times 1,024 sockets in one
/// poll. A loop that is busy polls anyway; one that has only waited for the timer polls once more.
///
/// Part of a Loop.
class DueTimers {
 public:
  explicit DueTimers(uv_loop_t& loop) noexcept;
  DueTimers(const DueTimers&) = delete;
  DueTimers& operator=(const DueTimers&) = delete;
  /// Before the destructor; the loop runs the close callbacks.
  void close() noexcept;

  void add(DueTimer& timer) noexcept;

 private:
  void act();

  IntrusiveList<DueTimer, DueTimer> due_;
  uv_idle_t poll_at_once_{};  ///< while some are due: the poll that comes does not wait
  uv_check_t after_poll_{};
};

}  // namespace keepwarm::net
