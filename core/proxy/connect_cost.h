#pragma once

#include "core/base/clock.h"
#include "core/pool/opening_times.h"

/// What comes before the first request of an intercepted client.
namespace keepwarm::proxy {

/// What the client has waited for. It counts for one request: the first.
struct ConnectCost {
  Duration handshake{};          ///< of TLS with us
  pool::OpeningTimes opening{};  ///< of the connection that its CONNECT opened; zero: one was open
};

}  // namespace keepwarm::proxy
