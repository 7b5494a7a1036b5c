#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <sys/uio.h>
#include <vector>

/// Sockets and HTTP messages, as simple as this tool's own two ends need them. Nothing here is shared with the proxy: a
/// bug in its parser must not hide itself.
namespace chaos {

/// Of one step of an exchange: beyond it the proxy hangs. So long that no stall of a busy machine comes near.
inline constexpr std::chrono::minutes kPatience{10};

using Deadline = std::chrono::steady_clock::time_point;

/// A message on its way out: small pieces that it owns, and views of bodies that it does not.
class Outgoing {
 public:
  Outgoing() = default;
  Outgoing(const Outgoing&) = delete;
  Outgoing& operator=(const Outgoing&) = delete;

  void add(std::string text);
  void add_view(std::string_view bytes);
  /// The body in its framing; `chunk_size` counts for chunked only.
  void add_body(std::string_view body, bool chunked, std::size_t chunk_size);

  [[nodiscard]] std::size_t left() const noexcept { return left_; }
  /// Drops everything behind the first `bytes` bytes that are left.
  void truncate(std::size_t bytes) noexcept { left_ = bytes < left_ ? bytes : left_; }
  /// Writes what the socket takes: the number of bytes, 0 when it is full, -1 when it is broken.
  long write_some(int fd) noexcept;

 private:
  static constexpr std::size_t kPieces = 64;

  std::deque<std::string> owned_;
  std::deque<std::string_view> pieces_;
  std::size_t left_ = 0;
};

/// Head of a request or a response, as far as this tool looks.
struct MessageHead {
  std::string start_line;
  std::string id;  ///< X-Chaos-Id
  std::optional<std::uint64_t> length;
  bool chunked = false;
  bool close = false;                         ///< Connection: close
  bool keep_alive = false;                    ///< Connection: keep-alive
  bool own_answer = false;                    ///< Proxy-Status: the proxy speaks for itself
  [[nodiscard]] int status() const noexcept;  ///< of a response; 0: none
};

/// Takes a byte stream apart into heads and bodies.
class MessageReader {
 public:
  enum class Step : std::uint8_t { NeedMore, Head, Body, Ended, Bad };

  void feed(std::string_view bytes);
  /// The next step in what was fed. After Head the caller says with expect_body() what follows.
  Step next();
  void expect_length(std::uint64_t bytes) noexcept;
  void expect_chunked() noexcept;
  void expect_close() noexcept;

  [[nodiscard]] const MessageHead& head() const noexcept { return head_; }
  /// The piece of a Body step; valid until the next call.
  [[nodiscard]] std::string_view piece() const noexcept { return piece_; }
  /// True between messages with nothing unread.
  [[nodiscard]] bool at_start() const noexcept { return state_ == State::Head && used_ == buffer_.size(); }
  [[nodiscard]] bool until_close() const noexcept { return state_ == State::Close; }

 private:
  enum class State : std::uint8_t { Head, Length, ChunkSize, ChunkData, ChunkEnd, Trailer, Close };

  Step read_head();
  Step read_sized(State after);
  Step read_chunk_size();
  Step read_chunk_end();
  Step read_trailer();
  std::optional<std::string_view> line();

  std::string buffer_;
  std::size_t used_ = 0;
  State state_ = State::Head;
  std::uint64_t remaining_ = 0;
  MessageHead head_;
  std::string_view piece_;
};

enum class Received : std::uint8_t { Bytes, Nothing, Fin, Reset };

/// Reads once what is there and feeds it; Nothing: the socket is empty.
Received receive(int fd, MessageReader& reader) noexcept;
[[nodiscard]] constexpr bool ended(Received received) noexcept {
  return received == Received::Fin || received == Received::Reset;
}
/// Waits for `events` (poll.h); the events that came, 0 at the deadline.
short wait_for(int fd, short events, Deadline deadline) noexcept;
/// Writes all of it, waiting where it must; false when the peer is gone or the deadline has passed.
bool write_all(int fd, Outgoing& out, Deadline deadline) noexcept;

/// A socket of this process that is connected to the port, non-blocking; -1: refused.
int connect_to(std::uint16_t port) noexcept;
/// A listener on loopback, and its port.
int listen_on_loopback(std::uint16_t& port) noexcept;
/// Closes by RST when `reset`, else by FIN (or as the kernel sees fit when bytes are unread).
void close_by(int fd, bool reset) noexcept;

}  // namespace chaos
