#pragma once

#include <cstdint>
#include <optional>

#include "core/base/clock.h"
#include "core/base/round_trip.h"

namespace keepwarm::policy {

/// What policies ask about one upstream connection: a plain value that goes along when the connection moves from one
/// worker to another.
struct ConnectionFacts {
  TimePoint opened_at{};
  TimePoint idle_since{};          ///< the server's idle timer began here at the latest: policy::idle_since()
  TimePoint returned_at{};         ///< when it joined the pool, which is later if the client read slowly
  std::optional<Duration> hint{};  ///< Keep-Alive: timeout= of its last response; of an unused one, of the host's last
  RoundTrip round_trip{};
  std::uint32_t served = 0;            ///< requests whose response came whole
  bool certificate_requested = false;  ///< by the server, in the TLS handshake
  bool lapse_test = false;  ///< left for the server to close, so that its idle timeout is seen (idle_history.h)
};

}  // namespace keepwarm::policy
