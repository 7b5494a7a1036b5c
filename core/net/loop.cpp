#include "core/net/loop.h"

#include <sys/epoll.h>
#include <system_error>
#include <vector>

namespace keepwarm::net {

/// What was ready to be read when all sockets were last looked at.
struct Loop::Look {
  // All that can be ready, mostly: the kernel puts what it has told behind what it has not, and who has waited longest
  // must not be put behind the others.
  static constexpr int kMost = 16384;

  // The cost of a look grows with the sockets that are ready: of more than so many there is one a turn.
  static constexpr int kFew = 256;

  [[nodiscard]] bool is_over(std::uint32_t now) const noexcept { return turn != now || event_time() - at >= kLookLife; }
  [[nodiscard]] bool worth_another(std::uint32_t now) const noexcept { return turn != now || ready < kFew; }
  void look(int epoll, std::uint32_t now) {
    turn = now;
    at = event_time();
    ++number;
    const int count = ::epoll_wait(epoll, events.get(), kMost, 0);
    complete = count >= 0 && count < kMost;
    ready = count;
    for (int i = 0; i < count; ++i) {
      const auto fd = static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.fd);
      if (fd >= ready_looks.size()) ready_looks.resize(2 * fd);
      ready_looks[fd] = number;
    }
  }
  [[nodiscard]] Input input_of(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    if (index < ready_looks.size() && ready_looks[index] == number) return Input::Some;
    return complete ? Input::None : Input::Unknown;
  }

  std::uint32_t turn = 0;
  int ready = 0;  ///< sockets that were
  bool complete = false;
  // Made beforehand: an exchange allocates nothing. What is not used of it costs no memory.
  std::unique_ptr<epoll_event[]> events = std::make_unique_for_overwrite<epoll_event[]>(kMost);
  TimePoint at{};
  std::uint32_t number = 0;  ///< of the look
  /// By descriptor: the last look in which it was ready; 0: none.
  std::vector<std::uint32_t> ready_looks = std::vector<std::uint32_t>(1024);
};

Loop::Loop() : look_(std::make_unique<Look>()), buffer_(new char[kReadBufferSize]) {
  if (const int error = uv_loop_init(&uv_); error != 0) {
    throw std::system_error(-error, std::generic_category(), "cannot create an event loop");
  }
  uv_.data = this;
  uv_prepare_init(&uv_, &before_poll_);
  before_poll_.data = this;
  uv_prepare_start(&before_poll_, [](uv_prepare_t* handle) {
    ++static_cast<Loop*>(handle->data)->turn_;
    begin_event();
  });
  uv_unref(reinterpret_cast<uv_handle_t*>(&before_poll_));  // it is no reason to go on
}

Loop::~Loop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&before_poll_), nullptr);
  // Every owner has destroyed its handles by now: only their close callbacks are left to run.
  while (uv_loop_close(&uv_) == UV_EBUSY) uv_run(&uv_, UV_RUN_NOWAIT);
}

Loop::Input Loop::input_of(int fd, TimePoint since) {
  // libuv polls with epoll, level-triggered, and keeps the descriptor as the data: what is taken here it is told again.
  // (Not in libuv 1.49.0 and 1.49.1, which CMakeLists.txt refuses.)
  if (look_->is_over(turn_)) {
    if (!look_->worth_another(turn_)) return Input::Unknown;
    look_->look(uv_backend_fd(&uv_), turn_);
  }
  return look_->at >= since ? look_->input_of(fd) : Input::Unknown;
}

void Loop::run() {
  uv_run(&uv_, UV_RUN_DEFAULT);
}

}  // namespace keepwarm::net
