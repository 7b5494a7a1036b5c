#pragma once

#include <memory>
#include <unordered_map>
#include <vector>

#include "core/base/origin.h"
#include "core/policy/host_table.h"
#include "core/pool/host_pool.h"
#include "core/pool/pool_context.h"

namespace keepwarm::pool {

/// All upstream connections of one engine, by pool key; knows the host tables, so that a host's settings are worked out
/// once, not for each request. Hosts without connections are remembered (what was proved of them helps their next
/// visit), but no more than kMaxUnusedHosts.
///
/// The pool key is the origin today: two connections to one origin are interchangeable.
class Pool final : public HostUse {
 public:
  static constexpr std::size_t kMaxUnusedHosts = 16384;

  Pool(PoolContext& context, policy::HostTable table);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// Never fails; valid while retained (HostRef).
  [[nodiscard]] HostPool& host(const OriginView& origin);

  /// The settings in force for a host, without making it known: for tunnels, which are not pooled. Valid until
  /// reconfigure().
  [[nodiscard]] const policy::HostSettings& settings_of(const OriginView& origin);

  /// New host tables: every host gets its new settings; connections in use go on.
  void reconfigure(policy::HostTable table);

  /// An upstream connection that was never pooled, or left the pool for good, has ended with its tunnel: counted and
  /// logged like every other close. `upstream`: "host:port".
  void tunnel_ended(std::string_view upstream);

  /// Nothing is pooled any more; idle connections close now.
  void drain();

  /// Closes an idle connection of any host, so that another can be opened. False: none is idle.
  bool free_a_descriptor() override;

  [[nodiscard]] std::size_t host_count() const noexcept { return hosts_.size(); }

 private:
  void host_unused(HostPool& host) noexcept override;
  void forget_oldest_unused();

  using UnusedList = IntrusiveList<HostPool, HostPool>;

  PoolContext& context_;
  policy::HostTable table_;
  std::vector<std::unique_ptr<const policy::HostSettings>> distinct_;  ///< few: one for each combination of tables
  UnusedList unused_;  ///< front: unused for longest; may hold hosts that are in use again
  std::size_t unused_count_ = 0;
  std::unordered_map<Origin, std::unique_ptr<HostPool>, OriginHash, OriginEqual> hosts_;
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
