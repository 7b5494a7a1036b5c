#pragma once

#include <cstdint>

namespace keepwarm {

/// Whether somebody is at the other end of a connection, as far as this machine knows.
enum class PeerPresence : std::uint8_t {
  /// Its socket is on this machine, and a process has it that can still read.
  Present,
  /// Reset, closed by all who had it (an orphan), or closed to reading.
  Gone,
  /// This machine has no such socket: it is on another, in another network namespace, or closed for good.
  Unknown,
  /// Nobody asked: the peer is read from and has not ended. When it does, that will be heard.
  Heard,
  /// The kernel could not be asked at this moment (no memory or descriptor left).
  NotAnswered
};

struct PeerState {
  bool ended = false;  ///< its FIN has arrived, whether it was read or not
  PeerPresence presence = PeerPresence::Unknown;
};

}  // namespace keepwarm
