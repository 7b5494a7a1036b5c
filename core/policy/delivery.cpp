#include "core/policy/delivery.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

constexpr Duration kLongestSilence = std::chrono::milliseconds(800);

}  // namespace

Delivery delivery(const DeliveryView& view) noexcept {
  if (view.acknowledged > 0) return Delivery::MayBeExecuted;
  switch (view.kind) {
    case CloseKind::End:
    case CloseKind::Answer408: return Delivery::NotDelivered;
    case CloseKind::Reset: {
      const Duration counted_on = view.min_round_trip - view.min_round_trip / kRoundTripGuard;
      if (view.min_round_trip < kMeasurable || view.until_end >= counted_on) break;
      const bool steady = view.until_end < view.min_round_trip - 4 * view.variation;
      return steady ? Delivery::NotDelivered : Delivery::Unlikely;
    }
    case CloseKind::Silent: break;
  }
  return Delivery::MayBeExecuted;
}

Duration silence_limit(Duration round_trip) noexcept {
  const Duration usual = std::min(kShortestSilence + 2 * round_trip, kLongestSilence);
  return std::max(usual, kShortestSilence + round_trip);
}

}  // namespace keepwarm::policy
