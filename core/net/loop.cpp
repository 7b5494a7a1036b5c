#include "core/net/loop.h"

#include <chrono>
#include <ctime>
#include <sys/epoll.h>
#include <system_error>
#include <vector>

#include "core/net/sock_diag.h"

namespace keepwarm::net {

namespace {

Duration read_clock(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

/// Which sockets could be read when all of them were last polled.
struct Loop::PollSnapshot {
  // Nearly always more than are ready. A poll that reported only some would be unfair: the kernel puts the sockets that
  // it has reported behind the others, so that those which have waited longest would wait again.
  static constexpr int kMaxEvents = 16384;

  // A poll costs more the more sockets are ready: when there are more than this, only one snapshot is taken in a turn.
  static constexpr int kFew = 256;

  [[nodiscard]] bool is_outdated(std::uint32_t turn_now) const noexcept {
    return turn != turn_now || event_time() - at >= kSnapshotLife;
  }
  [[nodiscard]] bool worth_another(std::uint32_t turn_now) const noexcept { return turn != turn_now || ready < kFew; }
  void take(int epoll, std::uint32_t turn_now) {
    turn = turn_now;
    at = event_time();
    ++number;
    const int count = ::epoll_wait(epoll, events.get(), kMaxEvents, 0);
    complete = count >= 0 && count < kMaxEvents;
    ready = count;
    for (int i = 0; i < count; ++i) {
      const auto fd = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.fd);
      if (fd >= ready_in.size()) ready_in.resize(2 * fd);
      ready_in[fd] = number;
    }
  }
  [[nodiscard]] Input input_of(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index < ready_in.size() && ready_in[index] == number) return Input::Some;
    return complete ? Input::None : Input::Unknown;
  }

  std::uint32_t turn = 0;
  int ready = 0;  ///< how many sockets were
  bool complete = false;
  // Made beforehand, since an exchange must not allocate. Pages of it that are never used cost no memory.
  std::unique_ptr<epoll_event[]> events = std::make_unique_for_overwrite<epoll_event[]>(kMaxEvents);
  TimePoint at{};
  std::uint32_t number = 0;  ///< of the snapshot
  /// By descriptor: the last snapshot in which it was ready; 0: none.
  std::vector<std::uint32_t> ready_in = std::vector<std::uint32_t>(1024);
};

uv_loop_t& Loop::initialized(uv_loop_t& uv) {
  if (const int error = uv_loop_init(&uv); error != 0) {
    throw std::system_error(-error, std::generic_category(), "cannot create an event loop");
  }
  return uv;
}

Loop::Loop()
    : due_timers_(initialized(uv_)),
      next_turn_(uv_),
      snapshot_(std::make_unique<PollSnapshot>()),
      sock_diag_(std::make_unique<SockDiag>()),
      buffer_(new char[kReadBufferSize]) {
  uv_.data = this;
  uv_prepare_init(&uv_, &before_poll_);
  before_poll_.data = this;
  uv_prepare_start(&before_poll_, [](uv_prepare_t* handle) { static_cast<Loop*>(handle->data)->before_poll(); });
  uv_unref(reinterpret_cast<uv_handle_t*>(&before_poll_));  // it must not keep run() from ending
}

Loop::~Loop() {
  if (not_compared_ == this) not_compared_ = nullptr;
  clocks_.reset();
  due_timers_.close();
  next_turn_.close();
  uv_close(reinterpret_cast<uv_handle_t*>(&before_poll_), nullptr);
  // Every owner has destroyed its handles by now: only their close callbacks are left to run.
  while (uv_loop_close(&uv_) == UV_EBUSY) uv_run(&uv_, UV_RUN_NOWAIT);
}

void Loop::before_poll() noexcept {
  ++turn_;
  begin_event();
  // What came before the last poll began, that poll has found. (When it returned is no such time: the process may have
  // been stopped between that and the reading of the clock.)
  set_heard_until(polled_from_);
  polled_from_ = TimePoint(std::chrono::milliseconds(uv_now(&uv_)));
  if (clocks_) not_compared_ = this;
  next_turn_.begin_turn();
}

void Loop::on_clock_jump(std::function<void(const ClockJump&)> handler) {
  on_clock_jump_ = std::move(handler);
  const Duration boottime = read_clock(CLOCK_BOOTTIME);
  const Duration realtime = read_clock(CLOCK_REALTIME);
  clocks_.emplace(ClockComparison::Readings{boottime, realtime, now().time_since_epoch()});
}

void Loop::compare_clocks() noexcept {
  not_compared_ = nullptr;
  ClockComparison::Readings readings{read_clock(CLOCK_BOOTTIME), read_clock(CLOCK_REALTIME), {}};
  readings.monotonic = event_time().time_since_epoch();
  if (const auto jump = clocks_->compare(readings)) on_clock_jump_(*jump);
}

Loop::Input Loop::input_of(int fd, TimePoint since) {
  // libuv polls with epoll, level-triggered, and keeps the descriptor as the data: what is taken here is reported to it
  // again. (Not in libuv 1.49.0 and 1.49.1, which CMakeLists.txt refuses.)
  if (snapshot_->is_outdated(turn_)) {
    if (!snapshot_->worth_another(turn_)) return Input::Unknown;
    snapshot_->take(uv_backend_fd(&uv_), turn_);
  }
  return snapshot_->at >= since ? snapshot_->input_of(fd) : Input::Unknown;
}

void Loop::run() {
  uv_run(&uv_, UV_RUN_DEFAULT);
}

}  // namespace keepwarm::net
