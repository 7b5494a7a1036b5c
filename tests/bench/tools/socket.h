#pragma once
#include <array>
#include <cstdint>
#include <netinet/in.h>
#include <span>
#include <string>
#include <string_view>
#include <sys/epoll.h>

namespace keepwarm::bench {

/// Ends the program with `what` and the text of errno: these tools have nobody to report an error to.
[[noreturn]] void die(const std::string& what);

/// Owns a descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) noexcept : number_(number) {}
  Fd(Fd&& other) noexcept : number_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  [[nodiscard]] int number() const noexcept { return number_; }
  [[nodiscard]] bool open() const noexcept { return number_ >= 0; }
  int release() noexcept;
  void reset() noexcept;

 private:
  int number_ = -1;
};

/// "127.0.0.1:80" as an IPv4 address; dies on anything else.
[[nodiscard]] sockaddr_in parse_address(std::string_view text);

/// A listening non-blocking socket with TCP_NODELAY, which accepted ones inherit.
[[nodiscard]] Fd listen_on(const sockaddr_in& address);
/// The same on ::1, which "localhost" may mean too; not open() where there is no IPv6.
[[nodiscard]] Fd listen_on_ipv6_loopback(std::uint16_t port);
/// A UDP socket.
[[nodiscard]] Fd receive_on(const sockaddr_in& address);
[[nodiscard]] std::uint16_t port_of(const Fd& socket);

/// A non-blocking accepted connection, or one that is not open() when nobody waits any more.
[[nodiscard]] Fd accept_from(const Fd& listener);

/// Epoll, edge-triggered for connections: one epoll_ctl in a connection's life.
class Poller {
 public:
  /// What a readable or writable descriptor wakes; wait() hands the pointer back.
  using Tag = void*;

  Poller();
  void add_connection(const Fd& fd, Tag tag) { add(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, tag); }
  /// Level-triggered, for listeners and UDP.
  void add_reader(const Fd& fd, Tag tag) { add(fd, EPOLLIN, tag); }

  /// Waits at most `nanoseconds` (negative: a second). The events are valid until the next call.
  std::span<epoll_event> wait(std::int64_t nanoseconds);

 private:
  void add(const Fd& fd, std::uint32_t events, Tag tag);

  Fd epoll_;
  std::array<epoll_event, 512> events_{};
};

/// Raises the limit of open descriptors to its maximum; SIGPIPE is ignored, timers fire without slack.
void prepare_process();

}  // namespace keepwarm::bench
