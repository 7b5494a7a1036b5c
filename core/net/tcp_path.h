#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/base/clock.h"
#include "core/base/ip.h"
#include "core/base/peer_state.h"
#include "core/base/round_trip.h"
#include "core/net/endpoint.h"

/// What pool and proxy may ask of the TCP connection under a stream, and set on it.
namespace keepwarm::net {

using keepwarm::RoundTrip;

/// What TCP knows of the bytes that were written: whether the peer's kernel has them.
struct SendState {
  std::uint64_t acknowledged = 0;  ///< to be compared with what written_bytes() said
  bool peer_ended = false;         ///< its FIN has been read, whatever TLS made of it
  Duration min_round_trip{};       ///< the smallest that any sample of the kernel has shown; 0: not measured
  RoundTrip round_trip{};
  TimePoint taken_at{};  ///< when TCP was asked; not sooner, however long ago the event of the loop began
};

/// The TCP connection under a stream. Belongs to the stream and lives as long. As it stands here it is the path of a
/// stream that is no TCP connection (a fake of a test): nothing is known of it, and what it is asked to do has no
/// effect. A unix socket behaves the same way.
class TcpPath {
 public:
  TcpPath() = default;
  virtual ~TcpPath() = default;
  TcpPath(const TcpPath&) = delete;
  TcpPath& operator=(const TcpPath&) = delete;

  /// Bytes that the stream's write() took since the connection opened, as TCP counts them: with TLS those of its
  /// records, and with what came before (a handshake, CONNECT). 0 where nobody counts.
  [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_; }

  /// A sample of the kernel's estimate (TCP_INFO). One system call.
  [[nodiscard]] virtual RoundTrip round_trip() noexcept { return {}; }
  /// nullopt: it is not TCP, or the kernel does not say. One system call.
  [[nodiscard]] virtual std::optional<SendState> send_state() noexcept { return std::nullopt; }

  /// Whether the peer has ended its direction, and whether it is still there to read ours. Not to be asked once
  /// finish_writing() was called. Up to five system calls; one while it is read from and has not ended.
  [[nodiscard]] virtual PeerState peer_state() noexcept { return {}; }
  /// The address of this machine from which it was opened. nullopt: it is not TCP. One system call.
  [[nodiscard]] virtual std::optional<IpAddress> local_address() const noexcept { return std::nullopt; }

  /// Where a client's connection was accepted: the address that it connected to, or the path of the unix socket. One
  /// system call.
  [[nodiscard]] virtual std::optional<Endpoint> accepted_at() const { return std::nullopt; }
  /// The user whose process is at the other end; nullopt: that is on another machine, or gone. Up to four system calls.
  [[nodiscard]] virtual std::optional<std::uint32_t> peer_uid() noexcept { return std::nullopt; }

  /// From here on TCP asks the peer for a sign of life (keepalive) when nothing was heard of it for 15 s, then each
  /// 4 s. Three questions without an answer break the connection, so an idle one whose peer has died ends within 30 s.
  /// Four system calls.
  virtual void enable_keepalive() noexcept {}
  /// From here on the connection breaks (-ETIMEDOUT) when what was written has not been acknowledged for so long
  /// (TCP_USER_TIMEOUT); so it does when the peer's window has been closed for so long. Beware: it also replaces the
  /// number of questions that enable_keepalive() allows. One system call.
  virtual void limit_unacknowledged(Duration) noexcept {}
  /// Acknowledges at once what was received, instead of waiting up to 40 ms for data to carry it (TCP_QUICKACK, once).
  virtual void acknowledge_now() noexcept {}

 protected:
  std::uint64_t written_ = 0;
};

}  // namespace keepwarm::net
