#include "core/pool/pool.h"

#include <algorithm>
#include <utility>

#include "core/pool/shared_pool.h"

namespace keepwarm::pool {

namespace {

PoolKey key_of(const policy::NextHop& hop, const policy::HostSettings& settings) {
  return {hop.origin, &settings};
}

}  // namespace

Pool::Pool(PoolContext& context, policy::HostTable table) : context_(context), table_(std::move(table)) {
  context_.owner = this;
}

Pool::~Pool() {
  context_.owner = nullptr;
  pools_.clear();
  former_.clear();
}

// ---- Hosts ----

HostPool& Pool::host(const OriginView& origin) {
  const auto known = routes_.find(origin);
  return known != routes_.end() ? *known->second : make_route(origin);
}

HostPool& Pool::make_route(const OriginView& origin) {
  sweep_former();
  if (unused_count_ >= kMaxUnusedHosts) forget_oldest_unused();
  if (shared_routes_ >= kMaxUnusedHosts) forget_shared_routes();
  Origin requested{origin.scheme, std::string(origin.host), origin.port};
  const policy::HostSettings& settings = settings_of(origin);
  policy::NextHop hop = policy::next_hop(origin, settings);
  PoolKey key = key_of(hop, settings);
  std::unique_ptr<HostPool>& pool = pools_[std::move(key)];
  if (pool) {
    pool->share();
    ++shared_routes_;
  } else {
    pool = std::make_unique<HostPool>(context_, requested, std::move(hop), settings);
  }
  return *routes_.emplace(std::move(requested), pool.get()).first->second;
}

void Pool::forget_shared_routes() {
  std::erase_if(routes_, [](const auto& route) { return route.first != route.second->requested_origin(); });
  shared_routes_ = 0;
}

const policy::HostSettings& Pool::settings_of(const OriginView& origin) {
  policy::HostSettings resolved = table_.resolve(origin.host, origin.port);
  const auto same = [&resolved](const auto& each) { return *each == resolved; };
  if (const auto known = std::find_if(distinct_.begin(), distinct_.end(), same); known != distinct_.end()) {
    return **known;
  }
  distinct_.push_back(std::make_unique<const policy::HostSettings>(std::move(resolved)));
  return *distinct_.back();
}

// ---- New settings ----

void Pool::reconfigure(policy::HostTable table) {
  const TimePoint now = net::Loop::event_time();
  table_ = std::move(table);
  auto old_settings = std::exchange(distinct_, {});
  Pools old = std::exchange(pools_, {});
  routes_.clear();
  shared_routes_ = 0;
  for (auto& [old_key, pool] : old) {
    const policy::HostSettings& settings = settings_of(pool->requested_origin());
    const policy::NextHop hop = policy::next_hop(pool->requested_origin(), settings);
    std::unique_ptr<HostPool>& place = pools_[key_of(hop, settings)];
    if (!place && hop == pool->hop()) {
      pool->set_settings(settings);
      routes_.emplace(pool->requested_origin(), pool.get());
      place = std::move(pool);
    } else {
      former_.push_back(std::move(pool));
    }
  }
  std::erase_if(pools_, [](const auto& each) { return !each.second; });
  std::move(old_settings.begin(), old_settings.end(), std::back_inserter(former_settings_));
  for (const auto& [key, pool] : pools_) pool->recheck(now);
  for (const auto& pool : former_) pool->retire(now);
  sweep_former();
}

void Pool::sweep_former() {
  if (former_settings_.empty()) return;
  std::erase_if(former_, [this](const std::unique_ptr<HostPool>& pool) {
    if (pool->in_use()) return false;
    if (pool->linked()) {
      UnusedList::remove(*pool);
      --unused_count_;
    }
    return true;
  });
  if (former_.empty()) former_settings_.clear();
}

std::uint32_t Pool::network_changed(const NetworkChange& change) {
  const TimePoint now = net::Loop::event_time();
  std::uint32_t closed = 0;
  for (const auto& [key, pool] : pools_) closed += pool->network_changed(change, now);
  return closed;
}

void Pool::tunnel_ended(std::string_view upstream) {
  record_close(context_, upstream, CloseReason::TunnelEnded, {});
}

void Pool::disrupted(CloseReason reason) {
  const TimePoint now = net::Loop::event_time();
  context_.disruption = {now, reason};
  for (const auto& [key, pool] : pools_) pool->close_all_idle(reason, now);
}

void Pool::drain() {
  context_.draining = true;
  const TimePoint now = net::Loop::event_time();
  for (const auto& [key, pool] : pools_) pool->close_all_idle(CloseReason::Shutdown, now);
}

void Pool::host_unused(HostPool& host) noexcept {
  if (host.linked()) {
    UnusedList::remove(host);
  } else {
    ++unused_count_;
  }
  unused_.push_back(host);
}

void Pool::forget_oldest_unused() {
  // A host that came into use again is still in the list: such ones are dropped from it on the way.
  while (HostPool* host = unused_.front()) {
    UnusedList::remove(*host);
    --unused_count_;
    if (host->in_use() || host->retired()) continue;  // sweep_former() takes those that are retired
    forget(*host);
    return;
  }
}

void Pool::forget(HostPool& pool) {
  if (pool.shared()) {
    const std::size_t gone = std::erase_if(routes_, [&pool](const auto& route) { return route.second == &pool; });
    shared_routes_ -= gone - 1;
  } else {
    routes_.erase(routes_.find(OriginView(pool.requested_origin())));
  }
  pools_.erase(key_of(pool.hop(), pool.settings()));
}

bool Pool::free_a_descriptor() {
  if (close_an_idle_one()) return true;
  if (context_.shared != nullptr) context_.shared->ask_for_descriptor(context_.worker);
  return false;
}

bool Pool::close_an_idle_one() {
  const TimePoint now = net::Loop::event_time();
  return std::any_of(pools_.begin(), pools_.end(), [now](const auto& each) {
    return each.second->close_oldest_idle(CloseReason::OutOfDescriptors, now);
  });
}

}  // namespace keepwarm::pool
