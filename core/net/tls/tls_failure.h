#pragma once

#include <cstdint>
#include <string>

namespace keepwarm::net {

/// Why a TLS connection could not be made, or broke. The peer is a server, or the client of a TlsServer.
struct TlsFailure {
  enum class Kind : std::uint8_t {
    Certificate,  ///< we refuse the server's certificate
    Alert,        ///< the peer sent a fatal alert (RFC 8446 §6)
    Protocol,     ///< the peer does not speak TLS, or not as it must
    Closed,       ///< the connection ended or failed before the handshake did
  };
  Kind kind = Kind::Protocol;
  std::uint8_t alert = 0;  ///< Kind::Alert: its number
  std::string text{};      ///< what happened, for the client to read: which certificate and why, …; without the host
  bool certificate_requested = false;  ///< the server had asked for one of the client before
};

}  // namespace keepwarm::net
