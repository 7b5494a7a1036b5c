#include "core/pool/pool.h"

#include <algorithm>

namespace keepwarm::pool {

Pool::Pool(PoolContext& context, policy::HostTable table) : context_(context), table_(std::move(table)) {
  context_.use = this;
}

Pool::~Pool() {
  context_.use = nullptr;
  hosts_.clear();
}

HostPool& Pool::host(const OriginView& origin) {
  if (const auto known = hosts_.find(origin); known != hosts_.end()) return *known->second;
  if (unused_count_ >= kMaxUnusedHosts) forget_oldest_unused();
  Origin key{origin.scheme, std::string(origin.host), origin.port};
  auto made = std::make_unique<HostPool>(context_, key, settings_of(origin));
  return *hosts_.emplace(std::move(key), std::move(made)).first->second;
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

void Pool::reconfigure(policy::HostTable table) {
  table_ = std::move(table);
  const auto old = std::exchange(distinct_, {});
  for (const auto& [origin, host] : hosts_) host->set_settings(settings_of(origin));
  for (const auto& [origin, host] : hosts_) host->recheck();
}

void Pool::tunnel_ended(std::string_view upstream) {
  record_close(context_, upstream, CloseReason::TunnelEnded, {});
}

void Pool::drain() {
  context_.draining = true;
  for (const auto& [origin, host] : hosts_) host->close_all_idle(CloseReason::Shutdown);
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
    if (host->in_use()) continue;
    hosts_.erase(hosts_.find(OriginView(host->origin())));
    return;
  }
}

bool Pool::free_a_descriptor() {
  return std::any_of(hosts_.begin(), hosts_.end(),
                     [](const auto& each) { return each.second->close_oldest_idle(CloseReason::OutOfDescriptors); });
}

}  // namespace keepwarm::pool
