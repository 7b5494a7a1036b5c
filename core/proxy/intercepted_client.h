#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "core/base/clock.h"
#include "core/base/origin.h"
#include "core/proxy/access_record.h"
#include "core/proxy/connect_cost.h"
#include "core/proxy/interception.h"

/// The client at the other end of a TLS connection that we answer in the place of a server.
namespace keepwarm::proxy {

/// What a session knows of its client once the handshake is over. Owned by the session.
struct InterceptedClient {
  Origin origin;          ///< what every request is for
  std::string authority;  ///< the same, for requests without a Host
  InterceptedHello hello{};
  ConnectCost cost{};      ///< zero once a request has paid for it
  TimePoint connect_at{};  ///< when CONNECT came
  TimePoint secured_at{};
  std::string_view refusal{};  ///< why it left without a request, if it refused our certificate
  /// Who ended the connection, if that comes without a request.
  ExchangeOutcome end = ExchangeOutcome::Client;

  [[nodiscard]] ConnectCost take_cost() noexcept { return std::exchange(cost, {}); }
};

}  // namespace keepwarm::proxy
