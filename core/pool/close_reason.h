#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace keepwarm::pool {

/// Why an upstream connection was closed: each close has exactly one reason (core/doc/design.md §6.9). A new one goes
/// before Shutdown, with its text in describe(); it is passed to close() where the connection ends.
enum class CloseReason : std::uint8_t {
  IdleTimeout,        ///< its idle time was over; we closed first
  ServerClosedIdle,   ///< FIN, RST or a 408 that nobody asked for came while it was idle
  ServerSaidClose,    ///< Connection: close, HTTP/1.0, or a body that ends with the connection
  HintMax,            ///< Keep-Alive: max=0 or timeout=0
  Lifetime,           ///< max_lifetime
  RequestLimit,       ///< max_requests
  StrayBytes,         ///< other bytes while idle, or bytes after the framed end of a response
  StaleFailure,       ///< a reused connection died before a response byte came
  Unacknowledged,     ///< its peer is gone without an end: it took no byte of a request, or answered no probe of TCP
  SuspectedStale,     ///< idle as long as one that had just died
  RequestTimeout408,  ///< answered 408
  ClosedBeforeWrite,  ///< found dead when it was about to be used
  ClientLeft,         ///< the client left midway
  CutResponse,        ///< the response ended before its framing said so
  ProtocolError,      ///< the response was not valid HTTP, or the server broke the rules of TLS
  ResponseTimeout,    ///< response_timeout or stall_timeout
  RequestUnfinished,  ///< the response ended before the request was sent whole
  ReuseOff,           ///< reuse = false
  PoolFull,           ///< max_idle, or an idle one made room for a new one
  AddressGone,        ///< the name has not had this address for a while, or new settings forbid the address
  NetworkChanged,     ///< this machine's address of it is gone, or packets take another way than before
  Slept,              ///< the machine has slept since: nobody knows what became of it
  ClockStepped,       ///< the clock was set forward since, as for a snapshot that was restored
  BoundToClient,      ///< connection-bound authentication: its client is gone
  TunnelEnded,        ///< it was used by a tunnel (CONNECT, Upgrade), which has ended
  Unused,             ///< opened for an exchange that then needed none
  HostUnused,         ///< nobody has used the host for keep_warm_for
  Reconfigured,       ///< its settings changed so that it may not be shared any more
  OutOfDescriptors,   ///< given up so that others can be served
  Shutdown,
};
inline constexpr std::size_t kCloseReasonCount = static_cast<std::size_t>(CloseReason::Shutdown) + 1;

[[nodiscard]] constexpr std::string_view describe(CloseReason reason) noexcept {
  switch (reason) {
    case CloseReason::IdleTimeout: return "idle timeout";
    case CloseReason::ServerClosedIdle: return "server closed idle";
    case CloseReason::ServerSaidClose: return "server said close";
    case CloseReason::HintMax: return "hint max";
    case CloseReason::Lifetime: return "lifetime";
    case CloseReason::RequestLimit: return "request limit";
    case CloseReason::StrayBytes: return "stray bytes";
    case CloseReason::StaleFailure: return "stale failure";
    case CloseReason::Unacknowledged: return "peer silent";
    case CloseReason::SuspectedStale: return "suspected stale";
    case CloseReason::RequestTimeout408: return "answered 408";
    case CloseReason::ClosedBeforeWrite: return "closed before write";
    case CloseReason::ClientLeft: return "client left midway";
    case CloseReason::CutResponse: return "cut response";
    case CloseReason::ProtocolError: return "protocol error";
    case CloseReason::ResponseTimeout: return "response timeout";
    case CloseReason::RequestUnfinished: return "request unfinished";
    case CloseReason::ReuseOff: return "reuse off";
    case CloseReason::PoolFull: return "pool full";
    case CloseReason::AddressGone: return "address gone";
    case CloseReason::NetworkChanged: return "network changed";
    case CloseReason::Slept: return "machine slept";
    case CloseReason::ClockStepped: return "clock set forward";
    case CloseReason::BoundToClient: return "bound to client";
    case CloseReason::TunnelEnded: return "tunnel ended";
    case CloseReason::Unused: return "unused";
    case CloseReason::HostUnused: return "host not in use";
    case CloseReason::Reconfigured: return "reconfigured";
    case CloseReason::OutOfDescriptors: return "out of descriptors";
    case CloseReason::Shutdown: return "shutdown";
  }
  return "unknown";
}

}  // namespace keepwarm::pool
