#include "core/pool/shared_pool.h"

#include <algorithm>

#include "core/pool/pool_context.h"

namespace keepwarm::pool {

SharedHost::SharedHost(SharedPool& shared_pool, Origin origin, std::shared_ptr<const policy::HostSettings> settings,
                       std::uint32_t workers)
    : shared_pool_(shared_pool), origin_(std::move(origin)), settings_(std::move(settings)), per_worker_(workers) {}

void SharedHost::leave(std::uint32_t worker, const SharedPeers& peers) noexcept {
  if (per_worker_[worker].peers != &peers) return;
  per_worker_[worker].peers = nullptr;
  idle_fell(worker, 0);
  show_expiring(worker, 0);
  resign_prewarming(worker);
}

bool SharedHost::reserve(std::uint32_t max) noexcept {
  std::uint32_t open = open_.load();
  while (open < max) {
    if (open_.compare_exchange_weak(open, open + 1)) return true;
  }
  return false;
}

std::uint32_t SharedHost::idle() const noexcept {
  std::uint32_t count = 0;
  for (const PerWorker& each : per_worker_) count += each.idle.load();
  return count;
}

std::uint32_t SharedHost::claim_excess(std::uint32_t worker, std::uint32_t max_idle, std::uint32_t max_connections) {
  const auto excess = [](std::uint32_t count, std::uint32_t max) { return count > max ? count - max : 0; };
  if (idle() <= max_idle && open() <= max_connections) return 0;
  const std::lock_guard lock(claiming_excess_);
  // Race: when max_connections is lowered, two workers may each close for the same excess of open ones, since these
  // are counted until they are closed. Benign: they are idle, and a reload is rare.
  const std::uint32_t own = per_worker_[worker].idle.load();
  const std::uint32_t count = std::min(own, std::max(excess(idle(), max_idle), excess(open(), max_connections)));
  idle_fell(worker, own - count);
  return count;
}

bool SharedHost::claim_prewarming(std::uint32_t worker) noexcept {
  std::uint32_t nobody = kNoWorker;
  return prewarmer_.compare_exchange_strong(nobody, worker) || nobody == worker;
}

void SharedHost::resign_prewarming(std::uint32_t worker) noexcept {
  prewarmer_.compare_exchange_strong(worker, kNoWorker);
}

std::optional<std::uint32_t> SharedHost::prewarmer() const noexcept {
  const std::uint32_t worker = prewarmer_.load();
  return worker == kNoWorker ? std::nullopt : std::optional(worker);
}

std::uint32_t SharedHost::expiring() const noexcept {
  std::uint32_t count = 0;
  for (const PerWorker& each : per_worker_) count += each.expiring.load();
  return count;
}

void SharedHost::used(TimePoint now) noexcept {
  std::int64_t last = last_used_.load(std::memory_order_relaxed);
  const std::int64_t latest = now.time_since_epoch().count();
  while (last < latest && !last_used_.compare_exchange_weak(last, latest, std::memory_order_relaxed)) {
  }
}

std::optional<std::uint32_t> SharedHost::most_idle(std::uint32_t not_this_one) const noexcept {
  std::optional<std::uint32_t> best;
  std::uint32_t most = 0;
  for (std::uint32_t worker = 0; worker < workers(); ++worker) {
    const std::uint32_t idle = per_worker_[worker].idle.load();
    if (worker == not_this_one || idle <= most) continue;
    most = idle;
    best = worker;
  }
  return best;
}

void SharedHost::await(std::uint32_t worker, TimePoint since) noexcept {
  // Counted first, so that claim() never subtracts what was not added yet.
  awaiting_.fetch_add(1);
  if (per_worker_[worker].waits_since.exchange(since.time_since_epoch().count()) != kNobody) awaiting_.fetch_sub(1);
}

void SharedHost::stop_awaiting(std::uint32_t worker) noexcept {
  if (per_worker_[worker].waits_since.exchange(kNobody) != kNobody) awaiting_.fetch_sub(1);
}

std::optional<std::uint32_t> SharedHost::claim(std::uint32_t not_this_one, TimePoint older_than) noexcept {
  while (anybody_waits()) {
    std::optional<std::uint32_t> oldest;
    std::int64_t since = older_than.time_since_epoch().count();
    for (std::uint32_t worker = 0; worker < workers(); ++worker) {
      const std::int64_t waits = per_worker_[worker].waits_since.load();
      if (worker == not_this_one || waits == kNobody || waits >= since) continue;
      since = waits;
      oldest = worker;
    }
    if (!oldest) return std::nullopt;
    if (!per_worker_[*oldest].waits_since.compare_exchange_strong(since, kNobody))
      continue;  // somebody else was faster
    awaiting_.fetch_sub(1);
    return oldest;
  }
  return std::nullopt;
}

std::shared_ptr<const policy::HostSettings> SharedPool::same(const policy::HostSettings& settings) {
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

std::shared_ptr<SharedHost> SharedPool::host(const Origin& origin, const policy::HostSettings& settings) {
  const std::lock_guard lock(mutex_);
  auto terms = same(settings);
  std::weak_ptr<SharedHost>& place = hosts_[{origin, terms.get()}];
  if (auto known = place.lock()) return known;
  auto made =
      std::make_shared<SharedHost>(*this, origin, std::move(terms), static_cast<std::uint32_t>(members_.size()));
  place = made;
  if (hosts_.size() >= sweep_at_) {
    std::erase_if(hosts_, [](const auto& each) { return each.second.expired(); });
    sweep_at_ = std::max(kFirstSweep, 2 * hosts_.size());
  }
  return made;
}

std::size_t SharedPool::host_count() {
  const std::lock_guard lock(mutex_);
  return hosts_.size();
}

void SharedPool::ask_for_descriptor(std::uint32_t worker) {
  for (std::uint32_t other = 0; other < members_.size(); ++other) {
    if (other == worker) continue;
    post(other, [this, other, worker] {
      HostPoolOwner* owner = context(other).owner;
      if (owner == nullptr || !owner->close_an_idle_one()) return;
      post(worker, [this, worker] {
        if (const auto& freed = context(worker).descriptor_freed) freed();
      });
    });
  }
}

}  // namespace keepwarm::pool
