#pragma once

#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/network.h"
#include "core/base/origin.h"
#include "core/policy/host_table.h"
#include "core/pool/dialer.h"
#include "core/pool/host_pool.h"
#include "core/pool/pool_context.h"

namespace keepwarm::pool {

/// What makes two connections interchangeable: they lead to the same place, speak the same, and obey the same settings
/// (those of TLS among them). Requests for many origins share one key where a parent proxy takes them in absolute-form:
/// the settings say whether it does.
struct PoolKey {
  Origin origin;                                   ///< NextHop::origin
  const policy::HostSettings* settings = nullptr;  ///< equal settings are one object

  bool operator==(const PoolKey&) const = default;
};
struct PoolKeyHash {
  std::size_t operator()(const PoolKey& key) const noexcept {
    return OriginHash{}(key.origin) ^ std::hash<const void*>{}(key.settings);
  }
};

/// All upstream connections of one engine, by pool key; knows the host tables, so that a host's settings and its next
/// hop are worked out once, not for each request. Hosts without connections are remembered (what was proved of them
/// helps their next visit), but no more than kMaxUnusedHosts.
class Pool final : public HostPoolOwner {
 public:
  static constexpr std::size_t kMaxUnusedHosts = 16384;

  Pool(PoolContext& context, policy::HostTable table);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// `origin`: as the client named it. Never fails; valid while retained (HostRef).
  [[nodiscard]] HostPool& host(const OriginView& origin);

  /// The settings in force for a host, without making it known: for tunnels, which are not pooled. Valid until
  /// reconfigure().
  [[nodiscard]] const policy::HostSettings& settings_of(const OriginView& origin);

  /// Opens a connection that will not be pooled; see DialerFactory.
  [[nodiscard]] std::unique_ptr<Dial> dial(DialRequest request, DialEvents& events) {
    return context_.dialers.dial(std::move(request), events);
  }

  /// May a client name this host to a parent proxy? See refuse_literal().
  [[nodiscard]] std::optional<net::ConnectFailure> refuse_for_parent(const OriginView& origin,
                                                                     bool local_client) const {
    const net::AddressFilter& filter = local_client ? context_.local_filter : context_.remote_filter;
    return refuse_literal(filter, origin.host, origin.port);
  }

  /// New host tables: every host gets its new settings; connections in use go on. Hosts that are reached in another way
  /// now (connect_to, parent, upgrade, TLS) begin anew.
  void reconfigure(policy::HostTable table);

  /// Closes the connections that are affected by it, the leased ones when they end. Returns how many were idle.
  std::uint32_t network_changed(const NetworkChange& change);

  /// True: something of the network has changed, and network_changed() may follow. Until it is false again, idle
  /// connections serve only what can be sent again.
  void set_network_uncertain(bool uncertain) noexcept { context_.network_uncertain = uncertain; }

  /// An upstream connection that was never pooled, or left the pool for good, has ended with its tunnel: counted and
  /// logged like every other close. `upstream`: "host:port".
  void tunnel_ended(std::string_view upstream);

  /// All connections that are open, or being opened, have become useless: those that are idle close now, the others
  /// when they fall idle.
  void disrupted(CloseReason reason);

  /// Nothing is pooled any more; idle connections close now.
  void drain();

  /// Closes an idle connection of any host, so that another can be opened. False: none is idle here.
  bool free_a_descriptor() override;
  bool close_an_idle_one() override;

  [[nodiscard]] std::size_t route_count() const noexcept { return routes_.size(); }
  [[nodiscard]] std::size_t host_count() const noexcept { return pools_.size(); }

 private:
  void host_unused(HostPool& host) noexcept override;
  void forget_oldest_unused();
  [[nodiscard]] HostPool& make_route(const OriginView& origin);
  void forget(HostPool& pool);
  void forget_shared_routes();
  void sweep_former();

  using UnusedList = IntrusiveList<HostPool, HostPool>;
  using Pools = std::unordered_map<PoolKey, std::unique_ptr<HostPool>, PoolKeyHash>;

  PoolContext& context_;
  policy::HostTable table_;
  std::vector<std::unique_ptr<const policy::HostSettings>> distinct_;  ///< few: one for each combination of tables
  UnusedList unused_;  ///< front: unused for longest; may hold hosts that are in use again
  std::size_t unused_count_ = 0;
  Pools pools_;
  /// From what clients name to its pool: a cache. Each pool has the route of its requested_origin(); further ones are
  /// shared.
  std::unordered_map<Origin, HostPool*, OriginHash, OriginEqual> routes_;
  std::size_t shared_routes_ = 0;
  /// Retired by reconfigure() while in use, with the settings that they go on under.
  std::vector<std::unique_ptr<HostPool>> former_;
  std::vector<std::unique_ptr<const policy::HostSettings>> former_settings_;
};

/// Keeps a host from being forgotten. Movable, not copyable.
class HostRef {
 public:
  HostRef() noexcept = default;
  explicit HostRef(HostPool& host) noexcept : host_(&host) { host.retain(); }
  HostRef(HostRef&& other) noexcept : host_(std::exchange(other.host_, nullptr)) {}
  HostRef& operator=(HostRef&& other) noexcept {
    if (this != &other) {
      reset();
      host_ = std::exchange(other.host_, nullptr);
    }
    return *this;
  }
  ~HostRef() { reset(); }

  void reset() noexcept {
    if (HostPool* host = std::exchange(host_, nullptr)) host->release();
  }
  explicit operator bool() const noexcept { return host_ != nullptr; }
  [[nodiscard]] HostPool* operator->() const noexcept { return host_; }
  [[nodiscard]] HostPool& operator*() const noexcept { return *host_; }

 private:
  HostPool* host_ = nullptr;
};

}  // namespace keepwarm::pool
