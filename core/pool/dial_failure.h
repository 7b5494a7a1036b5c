#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/net/connector.h"
#include "core/net/tls/tls_failure.h"
#include "core/pool/opening_times.h"

namespace keepwarm::pool {

/// Why an upstream connection could not be opened, and in which of its steps.
struct DialFailure {
  enum class Step : std::uint8_t {
    Connect,   ///< name look-up and connecting: `connect`
    Parent,    ///< the parent proxy did not open the tunnel: `parent_status`
    Tls,       ///< the handshake: `tls`
    Settings,  ///< the TLS settings of the host cannot be used: `text`
  };
  Step step = Step::Connect;
  net::ConnectFailure connect{};    ///< also for a time limit that passed in a later step (Kind::Timeout)
  std::uint16_t parent_status = 0;  ///< its answer to CONNECT; 0: it closed the connection, or sent no HTTP
  std::string parent_schemes{};     ///< of a 407: the authentication that it offers, "Negotiate, NTLM"
  net::TlsFailure tls{};
  bool tried_to_resume = false;  ///< the handshake offered a kept session
  /// Step::Settings: why. Step::Connect: whom it was that could not be connected to, if that is not the host itself:
  /// "the parent proxy proxy.corp:3128".
  std::string text{};
  std::vector<net::SocketAddress> tried{};  ///< the addresses that were connected to, or the one that is denied
  OpeningTimes times{};                     ///< until it failed
};

}  // namespace keepwarm::pool
