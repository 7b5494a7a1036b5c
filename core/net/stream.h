#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/tcp_path.h"
#include "core/net/tls/tls_failure.h"

/// What pool and proxy see of a connection: a stream of bytes (Stream) with its events, and the same between two loops.
namespace keepwarm::net {

/// What a stream reports to its user, who may destroy the stream, or hand it to another user, inside any of these.
class StreamEvents {
 public:
  /// Bytes came. The view is valid during the call only.
  virtual void on_bytes(std::string_view bytes) = 0;
  /// The peer ended its direction (FIN). No more on_bytes; writing still works.
  virtual void on_end() = 0;
  /// Reading failed, or a write that was under way did (`error` is a negative errno, e.g. -ECONNRESET). It is reported
  /// once; afterwards the stream is only good for being destroyed.
  virtual void on_broken(int error) = 0;
  /// All that write() had to queue has gone out.
  virtual void on_drained() = 0;

 protected:
  ~StreamEvents() = default;
};

enum class WriteResult : std::uint8_t {
  Done,    ///< the kernel took everything
  Queued,  ///< the rest was copied and is being written; on_drained() follows. Stop the source until then.
  /// The kernel refused (mostly: the peer is gone); nothing is queued. Bytes that came before can still be read, and
  /// then the end of the stream is reported, or that it broke.
  Failed,
};

class Stream;
class TlsClient;
class TlsTickets;

/// A connection between two loops: it belongs to neither, and so to no thread. Destroying it closes the connection.
class DetachedStream {
 public:
  virtual ~DetachedStream() = default;

  /// Makes it a stream of the loop of `client`, whose events are to be set before reading is resumed. `tickets` (which
  /// may be null) is where the sessions go that TLS is still sent. Once; nullptr: the kernel refused, it is closed.
  [[nodiscard]] virtual std::unique_ptr<Stream> attach(TlsClient& client, std::shared_ptr<TlsTickets> tickets) = 0;
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

  /// Bytes taken by write() that the peer has not acknowledged: queued here, or in the kernel. It changes while a slow
  /// peer reads. One system call.
  [[nodiscard]] virtual std::size_t unacknowledged_bytes() const noexcept = 0;

  /// Reading is off until the first resume_reading(), then on for good. Pausing is for back-pressure only, since each
  /// change costs an epoll_ctl.
  virtual void pause_reading() noexcept = 0;
  virtual void resume_reading() noexcept = 0;

  /// Sends FIN after what is queued. Reading goes on.
  virtual void finish_writing() noexcept = 0;
  /// Makes the coming destruction send RST instead of FIN.
  virtual void reset_on_close() noexcept = 0;
  /// What was written is not all that there was to be: TLS then ends without close_notify, which shows the peer that it
  /// was cut (RFC 8446 §6.1), both by finish_writing() and by destruction. Without TLS an end says nothing.
  virtual void mark_cut() noexcept {}

  /// Whether an idle connection is still good: neither bytes nor an end nor an error has come that was not read yet.
  /// What TLS sends for itself (session tickets) does not count. After false the stream is only good for being
  /// destroyed. One system call.
  [[nodiscard]] virtual bool check_idle_alive() noexcept = 0;
  /// As check_idle_alive(), but answered from the loop's last poll of all its sockets if that was made after `since`
  /// and is at most some milliseconds old (Loop::input_of()).
  [[nodiscard]] virtual bool check_idle_alive_cached(TimePoint since) noexcept = 0;

  /// The TCP connection below.
  [[nodiscard]] virtual TcpPath& path() noexcept = 0;

  /// Takes the connection out of its loop, for another loop's thread. Afterwards the stream is only good for being
  /// destroyed, which closes nothing. nullptr: it cannot be moved (something is buffered or has ended, or no descriptor
  /// is left), and nothing has changed.
  [[nodiscard]] virtual std::unique_ptr<DetachedStream> detach() { return nullptr; }
  /// After on_broken(): what TLS found wrong; nullptr if the failure was not one of TLS.
  [[nodiscard]] virtual const TlsFailure* tls_failure() const noexcept { return nullptr; }
};

/// write() of one piece.
[[nodiscard]] inline WriteResult write_all(Stream& stream, std::string_view bytes) {
  return stream.write(std::span<const std::string_view>(&bytes, 1));
}

}  // namespace keepwarm::net
