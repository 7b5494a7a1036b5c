#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/clock.h"
#include "core/policy/failure.h"

/// Which hosts fail, and when that is worth a line in the log.
namespace keepwarm::policy {

/// Whether such a failure is the host's, or of the way to it; else it is the client's, or our own.
[[nodiscard]] bool blames_host(FailureKind kind) noexcept;

/// Knows the hosts that fail, by the name "host:port". Most requests succeed on hosts of which it knows nothing: ask
/// any_failing() before answered(), and they cost nothing.
///
/// Each host gets a line when it begins to fail and one when it answers again; while it goes on failing one a minute.
/// One that changes to and fro gets one pair in kQuiet. When many hosts begin to fail at once (the network is gone),
/// kMostAtOnce of them get a line each, and the others are a number in a later one. It remembers at most kMaxHosts,
/// and each for kForget after its last failure; what is forgotten begins anew.
class HostHealth {
 public:
  static constexpr Duration kQuiet = std::chrono::seconds(10);
  static constexpr Duration kRemind = std::chrono::minutes(1);
  static constexpr Duration kForget = std::chrono::minutes(10);
  static constexpr std::uint32_t kMostAtOnce = 20;
  static constexpr std::size_t kMaxHosts = 256;

  /// What a line is to say.
  struct Notice {
    std::uint64_t failures = 0;     ///< of this host since its last line, this one included
    Duration lasted{};              ///< since it began to fail
    std::uint64_t other_hosts = 0;  ///< that began to fail in the meantime, without a line
    bool operator==(const Notice&) const = default;
  };

  /// A request to `host` failed so. nullopt: no line.
  [[nodiscard]] std::optional<Notice> failed(std::string_view host, FailureKind kind, TimePoint now);
  /// `host` has answered a request. nullopt: no line.
  [[nodiscard]] std::optional<Notice> answered(std::string_view host, TimePoint now);
  [[nodiscard]] bool any_failing() const noexcept { return failing_ > 0; }

 private:
  struct Host {
    bool failing = false;
    bool told = false;  ///< that it fails
    FailureKind kind{};
    std::uint64_t failures = 0;  ///< since the last line
    TimePoint failing_since{};
    TimePoint last_failure{};
    TimePoint told_at{};
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>{}(text); }
  };
  using Hosts = std::unordered_map<std::string, Host, Hash, std::equal_to<>>;

  [[nodiscard]] Host& host_of(std::string_view name, TimePoint now);
  [[nodiscard]] bool may_begin(TimePoint now);
  void forget_old(TimePoint now);
  Hosts::iterator forget(Hosts::iterator host);

  Hosts hosts_;
  std::size_t failing_ = 0;  ///< of hosts_
  TimePoint swept_at_{};
  TimePoint window_began_{};
  std::uint32_t begun_in_window_ = 0;
  std::uint64_t untold_ = 0;  ///< hosts that began to fail without a line
};

}  // namespace keepwarm::policy
