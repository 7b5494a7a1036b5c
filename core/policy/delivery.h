#pragma once

#include <cstdint>

#include "core/base/clock.h"

/// What TCP tells of a request that got no answer: could the server have executed it, and is anybody there at all? Pure
/// functions of what was asked of the socket once. Source: core/doc/design.md §6.5. RFC 9110 §9.2.2 lets a client
/// resend what is not idempotent when it can tell that the first one was never applied, and forbids it to a proxy;
/// hence the setting `retry_undelivered`.
namespace keepwarm::policy {

enum class Delivery : std::uint8_t {
  NotDelivered,  ///< certain: no byte of the request had reached the server's kernel when it closed the connection
  Unlikely,      ///< probably not delivered: enough to learn from, not enough to send a request twice
  MayBeExecuted  ///< anything else
};

/// How an attempt ended without an answer that counts.
enum class CloseKind : std::uint8_t {
  End,        ///< FIN (or the end of TLS) before a response byte
  Reset,      ///< RST before a response byte
  Answer408,  ///< a 408 that says that its connection closes
  Silent      ///< nothing came: the kernel gave the peer up, or the network said that it cannot be reached
};

struct DeliveryView {
  CloseKind kind{};
  std::uint64_t acknowledged = 0;  ///< bytes of this request (tcpi_bytes_acked beyond what was written before it)
  Duration until_end{};            ///< from the write of its first byte until the end was seen, or longer
  Duration min_round_trip{};       ///< tcpi_min_rtt; 0: not measured
  Duration variation{};            ///< of the round trip: tcpi_rttvar
};

/// A FIN, or a 408, carries the acknowledgement of all that had come by then: if no byte of the request is acknowledged
/// when it is here, the server closed before it had any. What arrives afterwards meets a server that reads no request
/// from this connection any more.
///
/// An RST's acknowledgement is not counted by the kernel, so that zero proves nothing by itself: a server that reads
/// and then resets looks the same. Only time tells the two apart: what came back in less than a round trip was sent
/// before the request arrived. But what is known is the shortest round trip of those that were measured, often no more
/// than two, and on a path with jitter the next may be quicker by as much as they vary. So four times TCP's own
/// estimate of that variation is subtracted. The estimate begins at half a round trip, so a connection that has hardly
/// been used proves nothing, and the answer is Unlikely; one whose round trips are alike soon proves it. Nothing is
/// concluded where a round trip takes less than kMeasurable.
[[nodiscard]] Delivery delivery(const DeliveryView& view) noexcept;

inline constexpr Duration kMeasurable = std::chrono::milliseconds(1);
/// One part in so many of the shortest round trip is subtracted, too, however little it varies.
inline constexpr int kRoundTripGuard = 32;

/// A missing acknowledgement means nothing for so long after a request: the receiver may delay it by 200 ms.
inline constexpr Duration kShortestSilence = std::chrono::milliseconds(250);

/// How long after a request a peer that has acknowledged no byte of it counts as silent. `round_trip`: srtt + 4 *
/// rttvar.
///
/// One lost packet must not look like a dead peer: TCP sends the request again after srtt + 200 ms at the earliest, and
/// the acknowledgement of that takes a round trip. Beyond 800 ms a slow path gets only its round trip added, so that
/// the client waits about a second and not more.
[[nodiscard]] Duration silence_limit(Duration round_trip) noexcept;

}  // namespace keepwarm::policy
