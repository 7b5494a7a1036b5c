#pragma once

#include <cstdint>

#include "core/base/clock.h"

/// Whether a pool key may have one more connection: `max_connections`. Which request may go on an idle connection is
/// another question, which ServerModel::fit() answers (server_model.h).
namespace keepwarm::policy {

enum class Admission : std::uint8_t {
  Connect,      ///< there is room: open a connection
  ReplaceIdle,  ///< at the limit, but an idle connection that this exchange cannot use may give way
  Wait          ///< in order, until one is returned or closed
};

/// May a further connection be opened for a pool key (RFC 9112 §9.4)? `open` counts idle, leased and opening ones.
[[nodiscard]] constexpr Admission admit(std::uint32_t open, std::uint32_t idle,
                                        std::uint32_t max_connections) noexcept {
  if (open < max_connections) return Admission::Connect;
  return idle > 0 ? Admission::ReplaceIdle : Admission::Wait;
}

/// How much longer a connection keeps its place, at the limit, that NTLM or Negotiate has bound to one client and that
/// lies idle between two of its requests; 0: it gives way to others. Without credentials nothing is lost with it but
/// its warmth. With credentials its client would have to authenticate again, so it has as long as others have to wait
/// at most.
[[nodiscard]] constexpr Duration bound_stays(bool authenticated, Duration idle, Duration queue_timeout) noexcept {
  if (!authenticated || idle >= queue_timeout) return Duration::zero();
  return queue_timeout - idle;
}

}  // namespace keepwarm::policy
