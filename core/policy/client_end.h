#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/base/clock.h"
#include "core/base/peer_state.h"
#include "core/policy/settings.h"

/// What it means that a client has ended its direction (FIN) behind a whole request: that it goes on reading (a
/// half-close), or that it has left. TCP shows both alike, so the other end of the connection is looked at. Pure.
///
/// Where it fails. The FIN leaves a moment before the kernel takes the socket from the process that closes it, so a
/// client that has left may look present for some microseconds. And a half-close may become a close later, which sends
/// nothing any more. So whoever looks present is looked at again: soon after the FIN, and then now and then, for as
/// long as somebody works for it. A client on another machine that half-closes is taken for one that has left, as by
/// nginx and Squid. A client that is not read from, since upstream takes no more of its body, cannot show its end at
/// all, so it is looked at now and then, too; on another machine only an RST tells of such a one.
namespace keepwarm::policy {

/// Why the client is looked at.
enum class ClientCheck : std::uint8_t {
  AtEvent,  ///< its FIN came, or its request is about to begin
  ByClock   ///< what client_verdict() asked for
};

inline constexpr Duration kCheckAfterEvent = std::chrono::milliseconds(5);
/// A request is not begun before its client is looked at if it may have ended so long ago without being heard.
inline constexpr Duration kUnheardFor = std::chrono::milliseconds(10);
/// With what the clock and a busy machine may be late, somebody who has left is noticed within a second.
inline constexpr Duration kCheckEach = std::chrono::milliseconds(500);

struct ClientVerdict {
  bool left = false;
  std::optional<Duration> check_again{};  ///< after so long; nullopt: not by the clock

  bool operator==(const ClientVerdict&) const = default;
};

/// Whether client_verdict() depends on more than whether the client's FIN has been read.
[[nodiscard]] bool must_ask_kernel(ClientHalfClose rule, bool fin_was_read) noexcept;

/// `client` may also be one whose FIN has not come: such a one has left only if its socket is known to have no owner
/// any more.
[[nodiscard]] ClientVerdict client_verdict(ClientHalfClose rule, const PeerState& client, ClientCheck why) noexcept;

}  // namespace keepwarm::policy
