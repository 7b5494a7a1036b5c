#include "tests/bench/tools/socket.h"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace keepwarm::bench {

void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = other.release();
  }
  return *this;
}

int Fd::release() noexcept {
  return std::exchange(number_, -1);
}

void Fd::reset() noexcept {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

sockaddr_in parse_address(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  std::uint16_t port = 0;
  const std::string host(text.substr(0, colon));
  errno = EINVAL;
  if (colon == std::string_view::npos || ::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1 ||
      std::from_chars(text.data() + colon + 1, text.data() + text.size(), port).ec != std::errc{}) {
    die("not an address: " + std::string(text));
  }
  address.sin_port = htons(port);
  return address;
}

namespace {

template <typename Address>
bool try_to_listen(const Fd& socket, const Address& address) {
  constexpr int kBacklog = 16384;
  const int on = 1;
  ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return ::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
         ::listen(socket.number(), kBacklog) == 0;
}

}  // namespace

Fd listen_on(const sockaddr_in& address) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!try_to_listen(socket, address)) die("listen");
  return socket;
}

Fd listen_on_ipv6_loopback(std::uint16_t port) {
  Fd socket(::socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(port);
  if (!socket.open() || !try_to_listen(socket, address)) socket.reset();
  return socket;
}

Fd receive_on(const sockaddr_in& address) {
  Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::bind(socket.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) die("bind");
  return socket;
}

std::uint16_t port_of(const Fd& socket) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(socket.number(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

Fd accept_from(const Fd& listener) {
  Fd socket(::accept4(listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!socket.open() && errno != EAGAIN && errno != ECONNABORTED) die("accept4");
  return socket;
}

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_.open()) die("epoll_create1");
}

void Poller::add(const Fd& fd, std::uint32_t events, Tag tag) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = tag;
  if (::epoll_ctl(epoll_.number(), EPOLL_CTL_ADD, fd.number(), &event) != 0) die("epoll_ctl");
}

std::span<epoll_event> Poller::wait(std::int64_t nanoseconds) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  const timespec limit{.tv_sec = nanoseconds / kSecond, .tv_nsec = nanoseconds % kSecond};
  const int room = static_cast<int>(events_.size());
  // valgrind does not know epoll_pwait2. Not for ever: a signal may have come just before.
  constexpr int kLongest = 1000;
  const int count = nanoseconds < 0 ? ::epoll_wait(epoll_.number(), events_.data(), room, kLongest)
                                    : ::epoll_pwait2(epoll_.number(), events_.data(), room, &limit, nullptr);
  if (count < 0 && errno != EINTR) die("epoll_wait");
  return {events_.data(), count < 0 ? 0 : static_cast<std::size_t>(count)};
}

void prepare_process() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::prctl(PR_SET_TIMERSLACK, 1UL);
  std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace keepwarm::bench
