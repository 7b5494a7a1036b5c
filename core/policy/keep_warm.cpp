#include "core/policy/keep_warm.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

using namespace std::chrono_literals;

constexpr Duration kMinLead = 100ms;
constexpr Duration kFirstPause = 1s;
constexpr Duration kLongestPause = 60s;
constexpr std::uint32_t kAtATime = 2;
/// How soon it is tried again where a limit is reached, and where another worker is to open what is missing. Nobody
/// announces that a limit is no longer reached, or that the other worker has left.
constexpr Duration kRetryForCapacity = 1s;
constexpr Duration kRetryForRole = 5s;

constexpr std::uint32_t excess(std::uint32_t value, std::uint32_t over) noexcept {
  return value > over ? value - over : 0;
}

}  // namespace

std::uint32_t warm_wanted(const HostSettings& host) noexcept {
  return host.reuse ? std::min({host.keep_warm, host.max_idle, host.max_connections}) : 0;
}

Duration warm_for(const IdleSettings& settings, const ServerView& server) noexcept {
  ServerView known = server;  // what is expected, taken for certain
  known.hint = expected_idle(settings, server).timeout;
  return idle_terms(settings, known).held_for;
}

Duration warm_lead(Duration warm_for, Duration opening_cost) noexcept {
  return std::min(std::max(2 * opening_cost, kMinLead), warm_for / 2);
}

void WarmBackoff::failed(TimePoint began, TimePoint now) noexcept {
  if (now < until_) return;
  const bool again = pause_ > Duration::zero() && began <= until_ + kFirstPause;
  pause_ = again ? std::min(2 * pause_, kLongestPause) : kFirstPause;
  until_ = now + pause_;
}

void WarmBackoff::lift(TimePoint now) noexcept {
  until_ = std::min(until_, now);
}

WarmPlan warm_plan(const WarmView& view, TimePoint now) noexcept {
  if (now >= view.in_use_until) return {.close_all = true};
  const std::uint32_t warm = excess(view.open, view.expiring);
  WarmPlan plan{.missing = excess(view.wanted, warm),
                .replaced = excess(warm, view.opening) >= view.wanted,
                .check_again = std::min(view.in_use_until, view.next_change)};
  if (view.elsewhere) plan.check_again = std::min(plan.check_again, now + kRetryForRole);
  if (plan.missing == 0) return plan;
  const bool at_capacity = view.connections_full || view.idle_capacity == 0;
  if (view.connections_full || view.idle_full) plan.close_expired = plan.missing;
  if (view.elsewhere) return plan;
  if (now < view.backoff_until) {
    plan.check_again = std::min(plan.check_again, view.backoff_until);
  } else if (at_capacity) {
    plan.check_again = std::min(plan.check_again, now + kRetryForCapacity);
  } else {
    plan.open = std::min({plan.missing, excess(kAtATime, view.prewarming), view.idle_capacity});
  }
  return plan;
}

}  // namespace keepwarm::policy
