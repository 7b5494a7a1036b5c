#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include <uv.h>

#include "core/base/clock.h"
#include "core/base/clock_comparison.h"
#include "core/net/due_timers.h"
#include "core/net/next_turn.h"

namespace keepwarm::net {

class SockDiag;

/// One libuv event loop and what all its streams share. Not thread-safe: everything of one loop lives on one thread.
/// Must outlive every handle made on it; the destructor runs the loop until their close callbacks have come.
class Loop {
 public:
  /// Read buffer of the loop. Large, since big bodies cost one system call for each buffer; shared, since idle
  /// connections then own none.
  static constexpr std::size_t kReadBufferSize = std::size_t{256} * 1024;
  /// What one stream may take of one turn. What is left then waits for the next turn, so that no peer holds up the
  /// others, whatever it sends.
  static constexpr Duration kShare = std::chrono::milliseconds(2);

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] uv_loop_t& uv() noexcept { return uv_; }
  /// The one that `uv` is part of.
  [[nodiscard]] static Loop& of(uv_loop_t& uv) noexcept { return *static_cast<Loop*>(uv.data); }

  /// CLOCK_MONOTONIC through the vDSO: no system call.
  [[nodiscard]] static TimePoint now() noexcept { return TimePoint(Duration(uv_hrtime())); }

  /// When the event that this thread is handling began: the clock is read once, at the first use in each event. Never
  /// later than now(). It is for what is done many times an exchange; to measure something inside one event, use now().
  [[nodiscard]] static TimePoint event_time() noexcept {
    if (event_time_ == TimePoint{}) event_time_ = now();
    return event_time_;
  }
  /// Every callback that libuv is given calls this first, so that the clock is read anew. Each turn of the loop begins
  /// a new event, too. The first of a turn compares the clocks: see on_clock_jump().
  static void begin_event() noexcept {
    event_time_ = {};
    if (not_compared_ != nullptr) not_compared_->compare_clocks();
  }
  /// Begins an event of which the caller knows when it began, so that the clock need not be read.
  static void begin_event(TimePoint began) noexcept { event_time_ = began; }

  /// Whether the event that this thread is handling has had its share of the turn. Reads the clock: not to be asked for
  /// each message.
  [[nodiscard]] static bool share_is_spent() noexcept { return now() - event_time() >= kShare; }

  /// Whatever reached a socket before this time was reported before the event that this thread is handling. What has
  /// come since to another socket may be reported behind it. It is mostly a turn of the loop ago; long ago if the loop
  /// had nothing to do, or if the process was stopped. No system call. TimePoint{}: nothing was polled yet.
  [[nodiscard]] static TimePoint heard_until() noexcept { return heard_until_; }
  /// All that had come by then has been reported.
  static void set_heard_until(TimePoint time) noexcept { heard_until_ = time; }

  /// `handler` is called when time has passed that now() did not count: the machine slept, or was restored from a
  /// snapshot. It comes in the first event of a turn, before anything is made of that event: so before any connection
  /// is used, or its end is judged, on the strength of an idle time that is wrong. It may close whatever it likes, that
  /// which the event is about too. The clocks are compared once a turn, through the vDSO: no system call.
  void on_clock_jump(std::function<void(const ClockJump&)> handler);

  /// Counts the turns: the loop polls its sockets between one and the next.
  [[nodiscard]] std::uint32_t turn() const noexcept { return turn_; }

  enum class Input : std::uint8_t { None, Some, Unknown };
  /// A poll snapshot is used for so long: the time of some hundred exchanges.
  static constexpr Duration kSnapshotLife = std::chrono::milliseconds(5);
  /// Whether a socket that has been watched for reading since an earlier turn has something to be read, its end
  /// included. The answer is taken from a snapshot: one poll of all sockets that was made in this turn, not before
  /// `since`, and less than kSnapshotLife ago. So one system call serves many sockets. Unknown: there is no such
  /// snapshot, or taking one would cost more than to ask about this socket alone.
  [[nodiscard]] Input input_of(int fd, TimePoint since);

  /// Where streams ask who is at their other end.
  [[nodiscard]] SockDiag& sock_diag() noexcept { return *sock_diag_; }

  /// Valid until the callback that was handed bytes in it returns.
  [[nodiscard]] std::span<char> read_buffer() noexcept { return {buffer_.get(), kReadBufferSize}; }

  /// Has `continuation` go on in the next turn.
  void go_on_next_turn(Continuation& continuation) noexcept { next_turn_.add(continuation); }

  /// For Timer: where those go whose time is up.
  [[nodiscard]] DueTimers& due_timers() noexcept { return due_timers_; }

  /// Runs until stop(), or until nothing is left that could happen.
  void run();
  void stop() noexcept { uv_stop(&uv_); }

 private:
  void before_poll() noexcept;

  static inline thread_local TimePoint event_time_{};  ///< TimePoint{}: not read yet
  static inline thread_local TimePoint heard_until_{};
  /// The loop of this thread that has polled since it compared its clocks.
  static inline constinit thread_local Loop* not_compared_ = nullptr;

  struct PollSnapshot;

  static uv_loop_t& initialized(uv_loop_t& uv);
  void compare_clocks() noexcept;

  uv_loop_t uv_{};
  DueTimers due_timers_;
  NextTurn next_turn_;
  uv_prepare_t before_poll_{};
  TimePoint polled_from_{};  ///< the turn began then whose poll is the last
  std::uint32_t turn_ = 0;
  std::optional<ClockComparison> clocks_;  ///< once somebody wants to know
  std::function<void(const ClockJump&)> on_clock_jump_;
  std::unique_ptr<PollSnapshot> snapshot_;
  std::unique_ptr<SockDiag> sock_diag_;
  std::unique_ptr<char[]> buffer_;
};

}  // namespace keepwarm::net
