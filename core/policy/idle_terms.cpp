#include "core/policy/idle_terms.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

using namespace std::chrono_literals;

constexpr Duration kMinProof = 250ms;
constexpr std::uint64_t kLargeBody = 64 * 1024;
constexpr std::uint64_t kSocketBuffers = 4 * 1024 * 1024;

/// At least srtt + rttvar, even where that is more than half of the timeout: rttvar follows the spread of the round
/// trips, so adding it once covers by how much the last ones differed.
Duration margin_for(const IdleSettings& settings, Duration expected, const ServerView& server) noexcept {
  const Duration wanted = std::max(settings.idle_margin, server.round_trip);
  const Duration min_margin = server.srtt + (server.round_trip - server.srtt) / 4;
  return std::max(std::min(wanted, expected / 2), min_margin);
}

}  // namespace

IdleSettings idle_settings(const HostSettings& host) noexcept {
  return {host.idle_timeout, host.idle_margin, host.assumed_idle_timeout};
}

ExpectedIdle expected_idle(const IdleSettings& settings, const ServerView& server) noexcept {
  using Source = ExpectedIdle::Source;
  if (server.hint && (!server.learned || *server.hint <= *server.learned)) return {*server.hint, Source::Hint};
  if (server.learned) return {*server.learned, Source::Learned};
  if (server.survived > settings.assumed_idle_timeout) return {server.survived, Source::Learned};
  return {settings.assumed_idle_timeout, Source::Assumed};
}

std::string_view describe(ExpectedIdle::Source source) noexcept {
  switch (source) {
    case ExpectedIdle::Source::Hint: return "hint";
    case ExpectedIdle::Source::Learned: return "learned";
    case ExpectedIdle::Source::Assumed: return "assumed";
  }
  return "";
}

IdleTerms idle_terms(const IdleSettings& settings, const ServerView& server) noexcept {
  const Duration expected = expected_idle(settings, server).timeout;
  const Duration usable = std::max(expected - margin_for(settings, expected, server), Duration::zero());
  const Duration limit = std::min(settings.idle_timeout, usable);
  if (server.hint || server.learned) return {limit, limit};
  const Duration proof = std::max(server.proved - server.round_trip, kMinProof);
  return {settings.idle_timeout, std::min(proof, limit)};
}

bool hint_leaves_no_time(const IdleSettings& settings, const ServerView& server) noexcept {
  if (expected_idle(settings, server).source != ExpectedIdle::Source::Hint) return false;
  return *server.hint - margin_for(settings, *server.hint, server) <= Duration::zero();
}

TimePoint idle_since(const Arrival& arrival) noexcept {
  TimePoint since = arrival.last_byte;
  if (arrival.last_pause) since = std::min(since, *arrival.last_pause);
  if (arrival.body_bytes > kLargeBody) {
    const Duration transfer = arrival.last_byte - arrival.first_byte;
    const auto buffered = static_cast<double>(std::min(arrival.body_bytes, kSocketBuffers));
    const double share = buffered / static_cast<double>(arrival.body_bytes);
    since = std::min(
        since, arrival.last_byte - Duration(static_cast<Duration::rep>(static_cast<double>(transfer.count()) * share)));
  }
  return since;
}

}  // namespace keepwarm::policy
