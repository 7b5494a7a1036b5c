#include "core/proxy/exchange_store.h"

#include <functional>

namespace keepwarm::proxy {

namespace {

/// Memory of a buffer beyond which a free exchange does not keep it.
constexpr std::size_t kKeptCapacity = 16 * 1024;

}  // namespace

ExchangeStore::ExchangeStore(ProxyContext& context, net::Loop& loop, net::HeapTrimmer& trimmer)
    : context_(context), trimmer_(trimmer), timer_(loop, [this] { check_surplus(); }) {}

Exchange* ExchangeStore::make() {
  min_free_ = 0;
  exchanges_.push_back(std::make_unique<Exchange>(context_));
  exchanges_.back()->index = exchanges_.size() - 1;
  return exchanges_.back().get();
}

void ExchangeStore::turn_ended() {
  for (Exchange* exchange : retired_) exchange->trim(kKeptCapacity);
  free_.insert(free_.end(), retired_.begin(), retired_.end());
  retired_.clear();
  if (watching_ || free_.size() <= kKept) return;
  watching_ = true;
  min_free_ = free_.size();
  timer_.arm(kLately);
}

void ExchangeStore::check_surplus() {
  // Only if most were not needed: a load that goes up and down a little must not make and destroy them all the time.
  if (min_free_ > kKept && min_free_ > exchanges_.size() / 2) release(min_free_ - kKept);
  min_free_ = free_.size();
  watching_ = free_.size() > kKept;
  if (watching_) timer_.arm(kLately);
}

void ExchangeStore::release(std::size_t count) {
  // Those stay that lie side by side, at the lowest addresses, so that whole pages become free.
  const auto end = free_.begin() + static_cast<std::ptrdiff_t>(count);
  std::nth_element(free_.begin(), end, free_.end(), std::greater<>());
  std::for_each(free_.begin(), end, [this](const Exchange* exchange) { destroy(*exchange); });
  free_.erase(free_.begin(), end);
  for (Exchange* exchange : free_) exchange->trim(0);
  exchanges_.shrink_to_fit();
  free_.shrink_to_fit();
  retired_.shrink_to_fit();
  if (count >= kKept) trimmer_.trim();
}

void ExchangeStore::destroy(const Exchange& exchange) noexcept {
  const std::size_t index = exchange.index;
  std::swap(exchanges_[index], exchanges_.back());
  exchanges_[index]->index = index;
  exchanges_.pop_back();
}

}  // namespace keepwarm::proxy
