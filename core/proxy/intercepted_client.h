#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/clock.h"
#include "core/base/origin.h"
#include "core/proxy/access_record.h"
#include "core/proxy/interception.h"

/// The client at the other end of a TLS connection that we answer in the place of a server.
namespace keepwarm::proxy {

/// What a session knows of its client once the handshake is over. Owned by the session.
struct InterceptedClient {
  Origin origin;          ///< what every request is for
  std::string authority;  ///< the same, for requests without a Host
  InterceptedHello hello{};
  Duration handshake{};    ///< how long it took; zero once it was logged
  TimePoint connect_at{};  ///< when CONNECT came
  TimePoint secured_at{};
  std::string_view refusal{};  ///< why it left without a request, if it refused our certificate
  /// Who ended the connection, if that comes without a request.
  ExchangeOutcome end = ExchangeOutcome::Client;

  /// Of the handshake: for the first request after it, else zero.
  [[nodiscard]] Duration take_handshake() noexcept { return std::exchange(handshake, Duration::zero()); }
};

}  // namespace keepwarm::proxy
