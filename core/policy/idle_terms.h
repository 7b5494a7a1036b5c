#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/base/clock.h"
#include "core/policy/settings.h"

/// How long an idle connection may be held, and how long trusted, given all that is known of its server. Pure: owns
/// nothing, reads no clock. Source: core/doc/design.md §6.3; RFC 9112 §9.5 (a close can cross a new request).
namespace keepwarm::policy {

/// The part of HostSettings that idle time depends on.
struct IdleSettings {
  Duration idle_timeout = std::chrono::seconds(60);
  Duration idle_margin = std::chrono::seconds(1);
  Duration assumed_idle_timeout = std::chrono::seconds(5);
};
[[nodiscard]] IdleSettings idle_settings(const HostSettings& host) noexcept;

/// What is known of the server behind a connection.
struct ServerView {
  std::optional<Duration> hint{};     ///< Keep-Alive: timeout= of the last response; nullopt: none
  std::optional<Duration> learned{};  ///< IdleHistory::learned(); nullopt: no history, or the host does not learn
  Duration survived{};                ///< IdleHistory::survived(); 0: nothing, or the host does not learn
  Duration proved{};                  ///< IdleHistory::proved()
  Duration round_trip{};              ///< srtt + 4 * rttvar of the connection; 0 where not measured
  Duration srtt{};                    ///< its smoothed round trip alone
};

/// What keepwarm believes the server's idle timeout is, and why.
struct ExpectedIdle {
  enum class Source : std::uint8_t {
    Hint,
    Learned,  ///< from closes, or from connections that outlived the assumption
    Assumed
  };
  Duration timeout;
  Source source;
};
[[nodiscard]] ExpectedIdle expected_idle(const IdleSettings& settings, const ServerView& server) noexcept;
/// "hint", "learned" or "assumed".
[[nodiscard]] std::string_view describe(ExpectedIdle::Source source) noexcept;

struct IdleTerms {
  Duration held_for;     ///< close the connection ourselves at this idle age
  Duration trusted_for;  ///< beyond it, only for replayable requests; never more than held_for
};

/// Where the server's timeout is known (hint, learned), both end a margin before it: we close first, and there is no
/// race. Where it is only assumed, the connection is held for replayable requests, and trusted as far as was proved;
/// the age that three connections survived replaces an assumption that is shorter.
///
/// Why the round trip counts: the server's FIN reaches us at exactly its timeout of idle age (both delays cancel), but
/// a request sent at age `a` reaches it at a + RTT. The last safe moment is timeout - RTT. So the margin is at most
/// half of the timeout, and yet never less than the round trip: a timeout that is shorter leaves no time at all.
[[nodiscard]] IdleTerms idle_terms(const IdleSettings& settings, const ServerView& server) noexcept;

/// Whether the server's hint is so short that a connection is over as soon as it is idle: every request opens its own.
[[nodiscard]] bool hint_leaves_no_time(const IdleSettings& settings, const ServerView& server) noexcept;

/// How a response came, as far as it tells when the server began to count.
struct Arrival {
  TimePoint first_byte;
  TimePoint last_byte;
  std::optional<TimePoint> last_pause;  ///< reading was stopped here for back-pressure, for the last time
  std::uint64_t body_bytes = 0;
};

/// When the server's idle timer began at the latest (core/doc/design.md §6.3). It counts from when *its kernel* took
/// the last byte. While we did not read, or while a large body was under way, the last bytes waited in socket buffers:
/// what those buffers hold (4 MiB, the usual ceiling of Linux) is charged at the rate at which the body came.
[[nodiscard]] TimePoint idle_since(const Arrival& arrival) noexcept;

}  // namespace keepwarm::policy
