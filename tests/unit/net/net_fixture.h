#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <functional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <uv.h>

#include "core/net/address.h"
#include "core/net/loop.h"

/// What the tests of core/net share: a loop that is driven step by step, and plain sockets on the other side.
namespace keepwarm::net::test {

using namespace std::chrono_literals;

/// Bytes that are the same nowhere else, so that what is lost, doubled or out of order shows.
inline std::string numbered(std::size_t size) {
  std::string bytes;
  for (std::size_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i) + ',';
  bytes.resize(size);
  return bytes;
}

inline SocketAddress literal(std::string_view host, std::uint16_t port = 0) {
  const auto address = SocketAddress::parse(host, port);
  REQUIRE(address);
  return *address;
}

inline SocketAddress local_address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) == 0);
  const auto address = SocketAddress::from(reinterpret_cast<sockaddr*>(&storage));
  REQUIRE(address);
  return *address;
}

/// The loop is busy elsewhere: it does not come to its sockets.
inline void keep_busy_for(Duration time) {
  const TimePoint end = Loop::now() + time;
  while (Loop::now() < end) {
  }
}

/// A descriptor that is closed at the end.
class Fd {
 public:
  explicit Fd(int fd = -1) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool valid() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// A blocking peer: connects, and reads what there is. Never waits for more than what the test has already caused.
inline Fd connect_to(const SocketAddress& address) {
  Fd fd(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(fd.valid());
  REQUIRE(::connect(fd.get(), address.get(), address.size()) == 0);
  return fd;
}

/// Several of them.
inline std::vector<Fd> connect_to(const SocketAddress& address, std::size_t count) {
  std::vector<Fd> fds;
  fds.reserve(count);
  while (fds.size() < count) fds.push_back(connect_to(address));
  return fds;
}

/// A listening socket that only its test accepts from.
class Listening {
 public:
  explicit Listening(const SocketAddress& address, int backlog = 16)
      : fd_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    REQUIRE(fd_.valid());
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    REQUIRE(::bind(fd_.get(), address.get(), address.size()) == 0);
    REQUIRE(::listen(fd_.get(), backlog) == 0);
    address_ = local_address_of(fd_.get());
  }
  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return address_.port(); }
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// The next connection; not valid() if there is none yet.
  [[nodiscard]] Fd accept() { return Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC)); }

 private:
  Fd fd_;
  SocketAddress address_;
};

/// An address that never answers: a listener whose accept queue is full, so that the kernel drops each SYN.
class BlackHole {
 public:
  explicit BlackHole(const SocketAddress& address)
      : listening_(address, 0), filler_(connect_to(listening_.address())) {}
  [[nodiscard]] const SocketAddress& address() const noexcept { return listening_.address(); }
  [[nodiscard]] std::uint16_t port() const noexcept { return listening_.port(); }

 private:
  Listening listening_;
  Fd filler_;
};

/// A port of `host` on which nobody listens. It stays bound, so that nobody else is given it meanwhile.
class RefusedPort {
 public:
  explicit RefusedPort(const SocketAddress& address) : fd_(::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(::bind(fd_.get(), address.get(), address.size()) == 0);
    address_ = local_address_of(fd_.get());
  }
  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }
  [[nodiscard]] std::uint16_t port() const noexcept { return address_.port(); }

 private:
  Fd fd_;
  SocketAddress address_;
};

/// A loop that runs only as far as the test asks. Declare it first: at its end it checks that no handle was left open.
class LoopFixture {
 public:
  static constexpr std::chrono::milliseconds kPatience{
      300000};  // a failing test ends; a passing one never waits for it

  LoopFixture() : handles_of_loop_(handles()) {
    std::signal(SIGPIPE, SIG_IGN);  // as the daemon does: libuv writes without MSG_NOSIGNAL
  }
  ~LoopFixture() {
    turn();
    CHECK_MESSAGE(handles() == handles_of_loop_, "handles were left open");
  }
  LoopFixture(const LoopFixture&) = delete;
  LoopFixture& operator=(const LoopFixture&) = delete;

  /// Runs the loop until `done` holds; fails the test if it never does.
  void run_until(const std::function<bool()>& done) {
    struct Watch {
      uv_prepare_t prepare{};  // asked before each wait: a timer may have been what was awaited
      uv_timer_t patience{};
      const std::function<bool()>* done = nullptr;
      bool late = false;
      int open = 2;  // handles
    };
    auto* const watch = new Watch;
    watch->done = &done;
    uv_prepare_init(&loop.uv(), &watch->prepare);
    uv_timer_init(&loop.uv(), &watch->patience);
    watch->prepare.data = watch->patience.data = watch;
    uv_update_time(&loop.uv());
    uv_prepare_start(&watch->prepare, [](uv_prepare_t* prepare) {
      if ((*static_cast<Watch*>(prepare->data)->done)()) uv_stop(prepare->loop);
    });
    const auto give_up = [](uv_timer_t* timer) {
      static_cast<Watch*>(timer->data)->late = true;
      uv_stop(timer->loop);
    };
    uv_timer_start(&watch->patience, give_up, kPatience.count(), 0);
    loop.run();
    const bool late = watch->late;
    const auto free_last = [](uv_handle_t* handle) {
      auto* const closed = static_cast<Watch*>(handle->data);
      if (--closed->open == 0) delete closed;
    };
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->prepare), free_last);
    uv_close(reinterpret_cast<uv_handle_t*>(&watch->patience), free_last);
    REQUIRE_MESSAGE(!late, "the awaited event did not come");
  }
  /// Lets everything happen that can happen at once.
  void turn() {
    for (int i = 0; i < 3; ++i) uv_run(&loop.uv(), UV_RUN_NOWAIT);
  }

  Loop loop;

 private:
  [[nodiscard]] int handles() {
    int count = 0;
    uv_walk(
        &loop.uv(), [](uv_handle_t*, void* sum) { ++*static_cast<int*>(sum); }, &count);
    return count;
  }

  int handles_of_loop_;
};

}  // namespace keepwarm::net::test
