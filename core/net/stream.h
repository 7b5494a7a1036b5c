#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/tls_failure.h"

namespace keepwarm::net {

/// What a stream tells its user. Whoever is told may destroy the stream, or hand it to another user, inside any of
/// these.
class StreamEvents {
 public:
  /// Bytes came. The view is valid during the call only.
  virtual void on_bytes(std::string_view bytes) = 0;
  /// The peer ended its direction (FIN). No more on_bytes; writing still works.
  virtual void on_end() = 0;
  /// Reading failed, or a write that was under way did (`error` is a negative errno, e.g. -ECONNRESET). Told once;
  /// afterwards the stream is only good for being destroyed.
  virtual void on_broken(int error) = 0;
  /// All that write() had to queue has gone out.
  virtual void on_drained() = 0;

 protected:
  ~StreamEvents() = default;
};

enum class WriteResult : std::uint8_t {
  Done,    ///< the kernel took everything
  Queued,  ///< the rest was copied and is being written; on_drained() follows. Stop the source until then.
  Failed,  ///< the kernel refused (peer gone); nothing is queued. Bytes that came before can still be read.
};

/// TCP's own measure of the path (RFC 6298), in microseconds; 0: not measured.
struct RoundTrip {
  std::uint32_t smoothed_us = 0;
  std::uint32_t variation_us = 0;

  [[nodiscard]] Duration smoothed() const noexcept { return std::chrono::microseconds(smoothed_us); }
  /// What a round trip takes at most, as TCP reckons.
  [[nodiscard]] Duration bound() const noexcept { return smoothed() + 4 * std::chrono::microseconds(variation_us); }
};

/// What TCP tells of the bytes that were written: whether the peer's kernel has them.
struct SendState {
  std::uint64_t acknowledged = 0;  ///< to be compared with what written_bytes() said
  bool peer_ended = false;         ///< its FIN has been read, whatever TLS made of it
  Duration least_round_trip{};     ///< the kernel's least of the last minutes, at each look so far; 0: not measured
  RoundTrip round_trip{};
};

class Stream;
class TlsClient;
class TlsTickets;

/// A connection between two loops: it belongs to neither, and so to no thread. Destroying it closes the connection.
class MovingStream {
 public:
  virtual ~MovingStream() = default;

  /// Makes it a stream of the loop of `client`, whose events are to be set before reading is resumed. `tickets` (which
  /// may be null) is where the sessions go that TLS is still sent. Once; nullptr: the kernel refused, it is closed.
  [[nodiscard]] virtual std::unique_ptr<Stream> arrive(TlsClient& client, std::shared_ptr<TlsTickets> tickets) = 0;
};

/// A connected byte stream as pool and proxy see it: a socket (TcpStream), or TLS over one (TlsStream). Destroying it
/// closes it (with what is still queued lost); no event comes afterwards.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Must be set before the first event can come; may be changed at any time. `events` must outlive its registration.
  virtual void set_events(StreamEvents& events) noexcept = 0;

  /// Writes at once what the kernel takes and queues a copy of the rest. Nothing is copied in the usual case.
  /// Precondition: pieces are not empty as a whole.
  [[nodiscard]] virtual WriteResult write(std::span<const std::string_view> pieces) = 0;
  /// Bytes taken by write() that the kernel does not have yet.
  [[nodiscard]] virtual std::size_t queued_bytes() const noexcept = 0;

  /// The same with what the kernel has and the peer has not acknowledged: what changes while a slow peer reads. One
  /// system call.
  [[nodiscard]] virtual std::size_t unacknowledged_bytes() const noexcept = 0;

  /// Reading is off until the first resume_reading(), then on for good. Pausing is for back-pressure only, since each
  /// change costs an epoll_ctl.
  virtual void pause_reading() noexcept = 0;
  virtual void resume_reading() noexcept = 0;

  /// Sends FIN after what is queued. Reading goes on.
  virtual void finish_writing() noexcept = 0;
  /// Makes the coming destruction send RST instead of FIN.
  virtual void reset_on_close() noexcept = 0;

  /// Looks whether something has arrived that was not read yet: true when there are neither bytes nor an end nor an
  /// error. What TLS sends for itself (session tickets) does not count. After false the stream is only good for being
  /// destroyed.
  [[nodiscard]] virtual bool quiet() noexcept = 0;
  /// The same as of a look at all sockets of the loop, not before `since`, that may be some milliseconds old.
  [[nodiscard]] virtual bool quiet_lately(TimePoint since) noexcept = 0;
  /// From TCP_INFO. One system call.
  [[nodiscard]] virtual RoundTrip round_trip() const noexcept = 0;
  /// Bytes that write() took since the connection opened, as TCP counts them: with TLS those of its records, and with
  /// what came before (a handshake, CONNECT). 0 where nobody counts.
  [[nodiscard]] virtual std::uint64_t written_bytes() const noexcept { return 0; }
  /// nullopt: it is no TCP, or the kernel does not tell. One system call.
  [[nodiscard]] virtual std::optional<SendState> send_state() const noexcept { return std::nullopt; }
  /// From here on TCP probes the peer when nothing was heard of it for 15 s, then each 4 s, and three that are not
  /// answered break the connection: an idle one whose peer has died ends within 30 s. Four system calls.
  virtual void probe_while_quiet() noexcept {}
  /// From here on the connection breaks (-ETIMEDOUT) when what was written has not been acknowledged for so long
  /// (TCP_USER_TIMEOUT); a peer whose window is closed counts as such, too. Not for any connection: it also replaces
  /// the number of probes that probe_while_quiet() allows. One system call.
  virtual void limit_unacknowledged(Duration) noexcept {}
  /// Acknowledges at once what was received, instead of waiting up to 40 ms for data to carry it (TCP_QUICKACK, once).
  virtual void acknowledge_now() noexcept = 0;
  /// Takes the connection out of its loop, for another loop's thread. Afterwards the stream is only good for being
  /// destroyed, which closes nothing. nullptr: it cannot be moved (something is buffered or has ended, or no descriptor
  /// is left), and nothing has changed.
  [[nodiscard]] virtual std::unique_ptr<MovingStream> depart() { return nullptr; }
  /// After on_broken(): what TLS found wrong; nullptr if the failure was not one of TLS.
  [[nodiscard]] virtual const TlsFailure* tls_failure() const noexcept { return nullptr; }
};

/// write() of one piece.
[[nodiscard]] inline WriteResult write_all(Stream& stream, std::string_view bytes) {
  return stream.write(std::span<const std::string_view>(&bytes, 1));
}

}  // namespace keepwarm::net
