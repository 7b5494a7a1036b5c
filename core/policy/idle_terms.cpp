#include "core/policy/idle_terms.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

using namespace std::chrono_literals;

constexpr Duration kLeastProof = 250ms;
constexpr std::uint64_t kLargeBody = 64 * 1024;
constexpr std::uint64_t kSocketBuffers = 4 * 1024 * 1024;

Duration margin_for(const IdleSettings& settings, Duration expected, Duration round_trip) noexcept {
  return std::min(std::max(settings.idle_margin, round_trip), expected / 2);
}

}  // namespace

IdleSettings idle_settings(const HostSettings& host) noexcept {
  return {host.idle_timeout, host.idle_margin, host.assumed_idle_timeout};
}

IdleTerms idle_terms(const IdleSettings& settings, const ServerView& server) noexcept {
  if (server.hint || server.learned) {
    const Duration expected = std::min(server.hint.value_or(Duration::max()), server.learned.value_or(Duration::max()));
    const Duration held = std::min(settings.idle_timeout, expected - margin_for(settings, expected, server.round_trip));
    return {held, held};
  }
  const Duration assumed = settings.assumed_idle_timeout;
  const Duration limit = assumed - margin_for(settings, assumed, server.round_trip);
  const Duration proof = std::max(server.proved - server.round_trip, kLeastProof);
  return {settings.idle_timeout, std::min({proof, limit, settings.idle_timeout})};
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
