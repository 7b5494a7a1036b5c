#pragma once

#include <cstdint>
#include <string_view>

/// Everything that can make keepwarm answer by itself: one name for each, one table for what the client is told.
namespace keepwarm::policy {

enum class FailureKind : std::uint8_t {
  BadRequest,    ///< the request is malformed or ambiguous
  NotForAProxy,  ///< origin-form, or a target that is keepwarm itself
  TargetTooLong,
  HeadTooLarge,
  UnsupportedScheme,
  UnsupportedVersion,
  ClientTooSlow,      ///< a head or body that had begun did not end in time
  RequestDenied,      ///< connect_ports, bad_ports, allow_clients
  DestinationDenied,  ///< deny_destinations, or a local address for a client that is not local
  LoopDetected,
  TooManyClients,
  QueueTimeout,
  DnsError,
  DnsTimeout,
  ConnectTimeout,
  ConnectionRefused,
  Unroutable,
  ConnectionTerminated,
  TlsCertificate,  ///< the server's certificate is not to be trusted
  TlsAlert,        ///< the server refused the handshake
  TlsProtocol,     ///< the server does not speak TLS, or breaks it
  ParentRefused,   ///< the parent proxy opens no tunnel
  Misconfigured,   ///< our own settings: files of TLS, credentials for the parent
  ResponseTimeout,
  ResponseIncomplete,  ///< cut after its first byte
  ResponseHeadTooLarge,
  BadResponse,     ///< the origin does not speak HTTP, or ambiguously
  UpgradeFailed,   ///< a 101 that nobody asked for, or to another protocol
  OutOfResources,  ///< our own shortage of descriptors or memory
  InternalError,   ///< a bug of ours
};

/// What the client is told (RFC 9209 §2.3 names the errors).
struct FailureAnswer {
  std::uint16_t status;
  std::string_view proxy_status_error;
};
[[nodiscard]] FailureAnswer answer_for(FailureKind kind) noexcept;

}  // namespace keepwarm::policy
