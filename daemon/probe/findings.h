#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "core/http/fields.h"

/// What a probe has seen of a server, and what follows from it for the configuration. Pure: no I/O, no clock.
namespace keepwarm::daemon {

/// How a server ended an idle connection.
enum class CloseKind : std::uint8_t {
  Fin,
  Rst,
  RequestTimeout,  ///< an unsolicited 408
  StrayBytes,      ///< anything else that nobody asked for
};
/// "FIN", "RST", "408", "stray bytes".
[[nodiscard]] std::string_view describe(CloseKind kind) noexcept;

struct IdleClose {
  Duration age;  ///< from the last byte of the response to the end
  CloseKind kind;
};

/// What opening a connection cost. The look-up is done once for all, so it is the longest; of the rest the shortest is
/// kept, since connections that are opened at once wait for each other.
struct OpeningCost {
  Duration dns{};
  Duration connect{};
  Duration tls{};
};

struct ProbeFindings {
  std::size_t answered = 0;         ///< connections of which the first response came whole
  std::size_t ended_by_answer = 0;  ///< those that could not carry another request after it, as it said
  std::uint16_t status = 0;         ///< of the last response
  http::KeepAliveHint hint{};
  std::vector<IdleClose> closes;
  std::vector<Duration> still_answered;  ///< idle ages at which a connection was used again and answered
  std::optional<Duration> silent;        ///< the idle age at which one was used and no answer came
  Duration waited{};                     ///< how long the connections that only wait have been idle at the end
  bool interrupted = false;
  OpeningCost cost{};
  Duration min_round_trip{};  ///< 0: not measured
  Duration round_trip{};      ///< smoothed + 4 × its variation, as the margin has it; 0: not measured
};

struct Verdict {
  enum class Kind : std::uint8_t {
    Unknown,         ///< no whole answer, or none that tells anything yet
    ClosesEachTime,  ///< after each response, or so soon that reuse makes no sense
    ClosesIdle,      ///< between `min` and `max`
    DropsSilently,   ///< answers after `min` (0: after none), no more after `max`, and says nothing
    KeepsAtLeast     ///< answered after `min`, and then the probe ended
  };
  Kind kind = Kind::Unknown;
  Duration min{};
  Duration max{};
};
[[nodiscard]] Verdict verdict_on(const ProbeFindings& findings);

/// A measured age as a setting: rounded down to what a person would write, never to nothing.
[[nodiscard]] Duration as_setting(Duration measured) noexcept;

/// Does the server's hint promise more than it keeps? Only if it was seen to end connections.
[[nodiscard]] bool hint_is_wrong(const ProbeFindings& findings, const Verdict& verdict) noexcept;

/// The keys of [host."…"] that make keepwarm right for this server, with their values as TOML. Empty: nothing is known
/// that would change anything; `assumed`: the assumed_idle_timeout in force, which a server that keeps connections for
/// at least as long as the probe lasted does not contradict.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> advised_keys(const ProbeFindings& findings,
                                                                            const Verdict& verdict, Duration assumed);

}  // namespace keepwarm::daemon
