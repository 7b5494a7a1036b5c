#include "core/policy/close_risk_estimator.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

using namespace std::chrono_literals;

constexpr std::size_t kBinsPerOctave = 32;
constexpr Duration kFirstEdge = 250ms;  ///< younger closes are no idle timeouts
/// When a bin has counted so many, all counts are halved.
constexpr std::uint16_t kMostHosts = 1000;
/// An age is trusted if at most one request in so many fails there.
constexpr std::uint32_t kOneIn = 100;

/// The ages at which the bins begin; the last one ends at the last edge.
template <std::size_t kCount>
constexpr std::array<Duration, kCount> make_edges() noexcept {
  constexpr double kStep = 1.0218971486541166;  // 2^(1/32)
  std::array<Duration, kCount> edges{};
  Duration octave = kFirstEdge;
  double factor = 1;
  for (std::size_t i = 0; i < kCount; ++i) {
    if (i > 0 && i % kBinsPerOctave == 0) {
      octave *= 2;
      factor = 1;
    }
    edges[i] = Duration(static_cast<Duration::rep>(static_cast<double>(octave.count()) * factor));
    factor *= kStep;
  }
  return edges;
}

template <std::size_t kBins>
constexpr auto kEdges = make_edges<kBins + 1>();

/// How many bins have begun at this age. The last of them is under way; those before it are over.
template <std::size_t kBins>
std::size_t begun(Duration age) noexcept {
  const auto& edges = kEdges<kBins>;
  return static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), age) - edges.begin());
}

}  // namespace

void CloseRiskEstimator::lived(HostSample& host, Duration age) noexcept {
  if (host.closed) return;
  for (const std::size_t bins = begun<kBins>(age); host.bins + 1U < bins; ++host.bins) ++bins_[host.bins].lived;
  if (bins_.front().lived >= kMostHosts) halve();
}

void CloseRiskEstimator::closed(HostSample& host, Duration age) noexcept {
  if (host.closed) return;
  lived(host, age);
  host.closed = true;
  const std::size_t bins = begun<kBins>(age);
  if (bins == 0 || bins > kBins) return;
  if (++bins_[bins - 1].closed >= kMostHosts) halve();
}

bool CloseRiskEstimator::may_trust(const HostSample& host, Duration age, Duration round_trip) const noexcept {
  const std::size_t first = begun<kBins>(age);
  const std::size_t last = begun<kBins>(age + round_trip);
  if (host.closed || first == 0 || last > kBins) return false;
  std::uint32_t closed = 0;
  for (std::size_t bin = first - 1; bin < last; ++bin) closed += bins_[bin].closed;
  const std::uint32_t hosts = bins_[last - 1].lived + closed;
  return kOneIn * (closed + 1) <= hosts + 2;
}

void CloseRiskEstimator::halve() noexcept {
  for (Bin& bin : bins_) {
    bin.lived /= 2;
    bin.closed /= 2;
  }
}

}  // namespace keepwarm::policy
