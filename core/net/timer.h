#pragma once

#include <functional>
#include <memory>

#include "core/base/clock.h"
#include "core/net/loop.h"

/// The one way to be called when a time is up.
namespace keepwarm::net {

/// One-shot timer for engine-wide clocks and connection attempts: few of them, so a std::function is fine. After the
/// destructor `on_fire` never runs; the handle is freed in libuv's close callback. Safe to destroy inside `on_fire`,
/// which must own nothing whose destructor uses the timer.
///
/// It fires when all that had arrived by its time has been read (DueTimers). If it is more than kAway late, the process
/// was stopped (SIGSTOP, a freezer, a debugger) or starved: then it waits as long again, kGrace at most. For what is
/// under way may need several turns now, and a word from the peer in between: the rest of a TLS handshake, the next
/// address of a race, a request that waits for a connection that has just become free.
class Timer {
 public:
  static constexpr Duration kAway = std::chrono::milliseconds(200);
  static constexpr Duration kGrace = std::chrono::milliseconds(500);

  Timer(Loop& loop, std::function<void()> on_fire);

  /// Fires once, not earlier than `after` from now (rounded up to milliseconds). A second arm() replaces the first.
  void arm(Duration after);
  void disarm() noexcept;
  /// Whether run() goes on for its sake while it is armed: it does unless told otherwise.
  void keeps_loop_alive(bool yes) noexcept;

 private:
  struct Node;
  struct CloseThenDelete {
    void operator()(Node* node) const noexcept;
  };
  std::unique_ptr<Node, CloseThenDelete> node_;
};

}  // namespace keepwarm::net
