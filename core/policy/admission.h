#pragma once

#include <cstdint>

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

}  // namespace keepwarm::policy
