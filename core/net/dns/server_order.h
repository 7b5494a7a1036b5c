#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/base/clock.h"

namespace keepwarm::net {

/// In which order name servers are asked: as they stand in /etc/resolv.conf, but those that were found dead last. So a
/// dead first server costs one question its patience. It stays last until it answers anything: a late answer, or one to
/// a trial, which a question that goes to a living server makes beside that once in kTrialEvery. Pure.
class ServerOrder {
 public:
  static constexpr Duration kTrialEvery = std::chrono::minutes(1);

  /// `rotate`: who is first changes with each call of order().
  ServerOrder(std::size_t count, bool rotate) : dead_since_(count), tried_at_(count), rotate_(rotate) {}

  [[nodiscard]] std::vector<std::uint8_t> order() {
    std::vector<std::uint8_t> servers(dead_since_.size());
    for (std::size_t i = 0; i < servers.size(); ++i)
      servers[i] = static_cast<std::uint8_t>((first_ + i) % servers.size());
    if (rotate_) first_ = (first_ + 1) % servers.size();
    std::stable_partition(servers.begin(), servers.end(), [&](std::uint8_t server) { return !dead(server); });
    return servers;
  }
  /// A dead server that is to be tried now, in vain or not; nullopt: none, or nobody is alive, so that all are asked in
  /// their order.
  [[nodiscard]] std::optional<std::size_t> trial(TimePoint now) {
    bool somebody_lives = false;
    std::optional<std::size_t> due;
    for (std::size_t i = 0; i < dead_since_.size(); ++i) {
      if (!dead(i)) {
        somebody_lives = true;
      } else if (!due && now - tried_at_[i] >= kTrialEvery) {
        due = i;
      }
    }
    if (!somebody_lives) return std::nullopt;
    if (due) tried_at_[*due] = now;
    return due;
  }

  void died(std::size_t server, TimePoint now) noexcept { dead_since_[server] = tried_at_[server] = now; }
  /// An answer came from it then; TimePoint{}: none ever has.
  void answered(std::size_t server, TimePoint at) noexcept {
    if (at > dead_since_[server]) dead_since_[server] = {};
  }

 private:
  [[nodiscard]] bool dead(std::size_t server) const noexcept { return dead_since_[server] != TimePoint{}; }

  std::vector<TimePoint> dead_since_;  ///< TimePoint{}: it lives, for all that is known
  std::vector<TimePoint> tried_at_;    ///< of one that is dead
  std::size_t first_ = 0;
  bool rotate_;
};

}  // namespace keepwarm::net
