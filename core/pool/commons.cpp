#include "core/pool/commons.h"

#include <algorithm>

#include "core/pool/pool_context.h"

namespace keepwarm::pool {

CommonHost::CommonHost(Commons& commons, Origin origin, std::shared_ptr<const policy::HostSettings> settings,
                       std::uint32_t workers)
    : commons_(commons), origin_(std::move(origin)), settings_(std::move(settings)), seats_(workers) {}

void CommonHost::leave(std::uint32_t worker, const HostPool& pool) noexcept {
  if (seats_[worker].pool != &pool) return;
  seats_[worker].pool = nullptr;
  idle_fell(worker, 0);
  show_cold(worker, 0);
  resign_warming(worker);
}

bool CommonHost::reserve(std::uint32_t most) noexcept {
  std::uint32_t open = open_.load();
  while (open < most) {
    if (open_.compare_exchange_weak(open, open + 1)) return true;
  }
  return false;
}

std::uint32_t CommonHost::idle() const noexcept {
  std::uint32_t count = 0;
  for (const Seat& seat : seats_) count += seat.idle.load();
  return count;
}

bool CommonHost::claim_warming(std::uint32_t worker) noexcept {
  std::uint32_t nobody = kNoWorker;
  return warmer_.compare_exchange_strong(nobody, worker) || nobody == worker;
}

void CommonHost::resign_warming(std::uint32_t worker) noexcept {
  warmer_.compare_exchange_strong(worker, kNoWorker);
}

std::optional<std::uint32_t> CommonHost::warmer() const noexcept {
  const std::uint32_t worker = warmer_.load();
  return worker == kNoWorker ? std::nullopt : std::optional(worker);
}

std::uint32_t CommonHost::cold() const noexcept {
  std::uint32_t count = 0;
  for (const Seat& seat : seats_) count += seat.cold.load();
  return count;
}

void CommonHost::used(TimePoint moment) noexcept {
  std::int64_t last = last_used_.load(std::memory_order_relaxed);
  const std::int64_t latest = moment.time_since_epoch().count();
  while (last < latest && !last_used_.compare_exchange_weak(last, latest, std::memory_order_relaxed)) {
  }
}

std::optional<std::uint32_t> CommonHost::most_idle(std::uint32_t not_this_one) const noexcept {
  std::optional<std::uint32_t> best;
  std::uint32_t most = 0;
  for (std::uint32_t worker = 0; worker < workers(); ++worker) {
    const std::uint32_t idle = seats_[worker].idle.load();
    if (worker == not_this_one || idle <= most) continue;
    most = idle;
    best = worker;
  }
  return best;
}

void CommonHost::await(std::uint32_t worker, TimePoint since) noexcept {
  // Counted first, so that no claim can count below what is set.
  awaiting_.fetch_add(1);
  if (seats_[worker].waits_since.exchange(since.time_since_epoch().count()) != kNobody) awaiting_.fetch_sub(1);
}

void CommonHost::await_no_more(std::uint32_t worker) noexcept {
  if (seats_[worker].waits_since.exchange(kNobody) != kNobody) awaiting_.fetch_sub(1);
}

std::optional<std::uint32_t> CommonHost::claim(std::uint32_t not_this_one, TimePoint older_than) noexcept {
  while (anybody_waits()) {
    std::optional<std::uint32_t> oldest;
    std::int64_t since = older_than.time_since_epoch().count();
    for (std::uint32_t worker = 0; worker < workers(); ++worker) {
      const std::int64_t waits = seats_[worker].waits_since.load();
      if (worker == not_this_one || waits == kNobody || waits >= since) continue;
      since = waits;
      oldest = worker;
    }
    if (!oldest) return std::nullopt;
    if (!seats_[*oldest].waits_since.compare_exchange_strong(since, kNobody)) continue;  // somebody else was faster
    awaiting_.fetch_sub(1);
    return oldest;
  }
  return std::nullopt;
}

std::shared_ptr<const policy::HostSettings> Commons::same(const policy::HostSettings& settings) {
  std::shared_ptr<const policy::HostSettings> found;
  std::erase_if(known_, [&](const auto& each) {
    const auto held = each.lock();
    if (held && *held == settings) found = held;
    return !held;
  });
  if (found) return found;
  found = std::make_shared<const policy::HostSettings>(settings);
  known_.push_back(found);
  return found;
}

std::shared_ptr<CommonHost> Commons::host(const Origin& origin, const policy::HostSettings& settings) {
  const std::lock_guard lock(mutex_);
  auto terms = same(settings);
  std::weak_ptr<CommonHost>& place = hosts_[{origin, terms.get()}];
  if (auto known = place.lock()) return known;
  auto made =
      std::make_shared<CommonHost>(*this, origin, std::move(terms), static_cast<std::uint32_t>(members_.size()));
  place = made;
  if (hosts_.size() >= sweep_at_) {
    std::erase_if(hosts_, [](const auto& each) { return each.second.expired(); });
    sweep_at_ = std::max(kFirstSweep, 2 * hosts_.size());
  }
  return made;
}

std::size_t Commons::host_count() {
  const std::lock_guard lock(mutex_);
  return hosts_.size();
}

void Commons::ask_for_descriptor(std::uint32_t worker) {
  for (std::uint32_t other = 0; other < members_.size(); ++other) {
    if (other == worker) continue;
    post(other, [this, other, worker] {
      HostUse* use = context(other).use;
      if (use == nullptr || !use->close_an_idle_one()) return;
      post(worker, [this, worker] {
        if (const auto& freed = context(worker).descriptor_freed) freed();
      });
    });
  }
}

}  // namespace keepwarm::pool
