#pragma once

#include <cstdint>

#include "core/base/clock.h"
#include "core/policy/idle_terms.h"
#include "core/policy/settings.h"

/// `keep_warm = N` (core/doc/idle-time.md): while a host is in use, N of its connections are open and trusted at any
/// time. Pure: what is there goes in, what is to be done comes out.
namespace keepwarm::policy {

/// How many connections of a host are to be open and trusted: never more than may lie idle, and none where none is
/// used again.
[[nodiscard]] std::uint32_t warm_wanted(const HostSettings& host) noexcept;

/// How long an idle connection counts as warm: until a margin before the server is expected to close it. Where the
/// timeout is only assumed, requests trust a connection no longer than was proved (idle_terms), but it still counts as
/// warm for this time: to replace it sooner would prove nothing, and cost a connection each 250 ms.
[[nodiscard]] Duration warm_for(const IdleSettings& settings, const ServerView& server) noexcept;

/// If connections count as warm for less than this, none is kept warm: it would take several new ones a second.
inline constexpr Duration kMinWarm = std::chrono::milliseconds(250);

/// How long before the end of `warm_for` the next connection is opened; `opening_cost` is what that takes.
[[nodiscard]] Duration warm_lead(Duration warm_for, Duration opening_cost) noexcept;

/// The pause after a prewarmed connection failed to open, or was closed at once: 1 s, doubled each time up to 60 s.
class WarmBackoff {
 public:
  /// `began`: when the attempt did. One that began clearly after the last pause follows a success: the pauses begin
  /// anew. Further failures during a pause have the same cause, and count as one.
  void failed(TimePoint began, TimePoint now) noexcept;
  /// A client's own connection could be opened: the pause ends, and what fails next doubles it.
  void lift(TimePoint now) noexcept;
  /// Nothing is opened before.
  [[nodiscard]] TimePoint until() const noexcept { return until_; }

 private:
  TimePoint until_{};
  Duration pause_{};
};

/// A host at one time. A connection is *expiring* when it lies idle and will not be trusted beyond warm_lead().
struct WarmView {
  std::uint32_t wanted = 0;         ///< warm_wanted()
  std::uint32_t open = 0;           ///< idle, leased, and being opened, at all workers
  std::uint32_t expiring = 0;       ///< of these
  std::uint32_t opening = 0;        ///< of `open`: not open yet, at this worker
  std::uint32_t prewarming = 0;     ///< of `opening`: those that no request waits for
  std::uint32_t idle_capacity = 0;  ///< so many more may lie idle, once the expiring ones of this worker are closed
  bool connections_full = false;    ///< max_connections are open
  bool idle_full = false;           ///< max_idle lie idle
  bool elsewhere = false;           ///< another worker opens what is missing
  TimePoint backoff_until{};
  TimePoint in_use_until{};
  TimePoint next_change = TimePoint::max();  ///< when the next idle one expires, or its time is over
};

struct WarmPlan {
  bool close_all = false;     ///< nobody uses the host any more: all idle connections are closed, nothing else is done
  std::uint32_t missing = 0;  ///< of `wanted`
  std::uint32_t open = 0;     ///< open so many now
  std::uint32_t close_expired = 0;  ///< close so many whose time is over, even if nothing replaces them
  bool replaced = false;            ///< enough others are open, so those whose time is over can be closed
  TimePoint check_again{};          ///< unless something happens before
};

/// What is to be done now. At most two connections are prewarmed at a time.
[[nodiscard]] WarmPlan warm_plan(const WarmView& view, TimePoint now) noexcept;

}  // namespace keepwarm::policy
