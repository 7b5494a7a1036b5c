#include "core/pool/address_history.h"

#include <algorithm>

namespace keepwarm::pool {

namespace {

bool contains(std::span<const net::SocketAddress> addresses, const net::SocketAddress& address) {
  return std::any_of(addresses.begin(), addresses.end(),
                     [&address](const net::SocketAddress& each) { return each.same_host(address); });
}

}  // namespace

void AddressHistory::answered(std::span<const net::SocketAddress> addresses, TimePoint now) {
  answered_at_ = now;
  any_missing_ = false;
  for (Known& known : known_) {
    if (contains(addresses, known.address)) {
      known.missing_since.reset();
    } else if (!known.missing_since) {
      known.missing_since = now;
    }
    any_missing_ = any_missing_ || known.missing_since;
  }
  for (const net::SocketAddress& address : addresses) {
    const auto same = [&address](const Known& known) { return known.address.same_host(address); };
    if (std::none_of(known_.begin(), known_.end(), same)) known_.push_back({address, std::nullopt});
  }
  while (known_.size() > kMaxKnown) {
    const auto longest = std::min_element(known_.begin(), known_.end(), [](const Known& a, const Known& b) {
      return a.missing_since.value_or(TimePoint::max()) < b.missing_since.value_or(TimePoint::max());
    });
    known_.erase(longest);
  }
}

bool AddressHistory::missing_too_long(const net::SocketAddress& address) const {
  const auto same = [&address](const Known& known) { return known.address.same_host(address); };
  const auto known = std::find_if(known_.begin(), known_.end(), same);
  return known != known_.end() && known->missing_since && answered_at_ - *known->missing_since > kGoneAfter;
}

}  // namespace keepwarm::pool
