#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "core/base/network.h"
#include "core/base/origin.h"
#include "core/policy/connect_pacing.h"
#include "core/policy/server_model.h"
#include "core/policy/settings.h"
#include "core/pool/address_history.h"
#include "core/pool/connect_attempts.h"
#include "core/pool/connection_set.h"
#include "core/pool/idle_keeper.h"
#include "core/pool/lease.h"
#include "core/pool/peers.h"
#include "core/pool/pool_context.h"
#include "core/pool/settling.h"
#include "core/pool/upstream_target.h"
#include "core/pool/waiter_queue.h"
#include "core/pool/warmer.h"

/// The pool of one pool key: where connections, the exchanges that wait for one, and what policy says come together.
namespace keepwarm::pool {

/// All connections of one pool key, and the exchanges that wait for one. Owned by the Pool.
///
/// Each of its parts holds one idea: ConnectionSet the connections, WaiterQueue who waits, ConnectAttempts what is
/// being opened, ServerModel what is believed of the server, IdleKeeper what is done with idle connections, Peers the
/// other workers, Warmer keep_warm. HostPool joins them. Whatever happens enters by one of its methods, which changes
/// the parts; when the outermost of them ends (SettleScope), settle() serves whoever can be served. So nobody has to
/// think of the waiters anywhere else, and no method calls itself by way of another.
class HostPool final : public ListHook<HostPool>,
                       private LeaseEvents,
                       private WaiterEvents,
                       private ConnectEvents,
                       private PeerPool,
                       private Settling,
                       private WarmPool {
 public:
  /// `requested`: the origin, as a client named it, that this pool is first made for. `settings` must live until
  /// set_settings(), `context` longer than the pool.
  HostPool(PoolContext& context, Origin requested, policy::NextHop hop, const policy::HostSettings& settings);
  ~HostPool();
  HostPool(const HostPool&) = delete;
  HostPool& operator=(const HostPool&) = delete;

  [[nodiscard]] const Origin& requested_origin() const noexcept { return target_.requested_origin(); }
  [[nodiscard]] const policy::NextHop& hop() const noexcept { return target_.hop(); }
  /// Of absolute-form requests to a parent: the value of Proxy-Authorization; empty: none.
  [[nodiscard]] const std::string& proxy_authorization() const noexcept { return target_.proxy_authorization(); }

  /// Gives a lease at once, or later; exactly one event unless `waiter` is withdrawn.
  void checkout(Waiter& waiter, const CheckoutRequirements& requirements, TimePoint now);

  /// After a stale failure or a 408: whatever has been idle since the same moment or longer met the same end.
  /// `age`: how long the failed one had been idle when it was leased.
  void close_idle_since(TimePoint since, Duration age, TimePoint now);
  void close_all_idle(CloseReason reason, TimePoint now);
  bool close_oldest_idle(CloseReason reason, TimePoint now);                  ///< false: none is idle
  void hold_bound(BoundHolder& holder, TimePoint now);                        ///< may have it give way at once
  std::uint32_t network_changed(const NetworkChange& change, TimePoint now);  ///< as Pool::network_changed()

  // ---- New settings ----

  [[nodiscard]] const policy::HostSettings& settings() const noexcept override { return *settings_; }
  /// `settings` must live until the next call (they are shared by many hosts). recheck() follows.
  void set_settings(const policy::HostSettings& settings);
  /// Closes idle connections that may not be used any more, and the leased ones when they end.
  void recheck(TimePoint now);
  /// Nothing is pooled here any more: its way to the next hop has changed.
  void retire(TimePoint now);
  [[nodiscard]] bool retired() const noexcept { return life_.retired; }

  // ---- What is there ----

  [[nodiscard]] std::uint32_t idle() const noexcept override { return connections_.idle(); }
  [[nodiscard]] std::uint32_t open() const noexcept override { return connections_.size() + attempts_.count(); }
  [[nodiscard]] std::uint32_t waiting() const noexcept { return waiters_.size(); }
  /// Mean time that opening a connection took lately: what each reuse saves.
  [[nodiscard]] Duration opening_cost() const noexcept { return attempts_.opening_cost(); }
  [[nodiscard]] policy::ExpectedIdle expected_idle() const noexcept { return server_.expected(); }  ///< of the server
  [[nodiscard]] ServerProof proof(bool local_client) const;  ///< by connections that such a client could have opened

  // ---- Lifetime ----

  /// Held by exchanges (HostRef): a host in use is not forgotten.
  void retain() noexcept { ++life_.users; }
  void release() noexcept;
  [[nodiscard]] bool in_use() const noexcept;
  void share() noexcept { life_.shared = true; }  ///< other origins than requested_origin() lead here, too
  [[nodiscard]] bool shared() const noexcept { return life_.shared; }

 private:
  // LeaseEvents
  void give_back(Connection& connection, const GiveBack& how, TimePoint now) override;
  [[nodiscard]] bool keep_bound(Connection& connection, const GiveBack& how, TimePoint now) override;
  void close(Connection& connection, CloseReason reason, TimePoint now) override;
  [[nodiscard]] std::unique_ptr<net::Stream> detach(Connection& connection, TimePoint now) override;
  // WaiterEvents
  void waiter_left(ConnectAttempt* attempt, TimePoint now) noexcept override;
  void waiter_timed_out(Waiter& waiter, TimePoint now) override;
  // ConnectEvents
  void connected(ConnectAttempt& attempt, Dialed dialed, TimePoint now) override;
  void connect_failed(ConnectAttempt& attempt, const DialFailure& failure, TimePoint now) override;
  void addresses_seen(std::span<const net::SocketAddress> addresses, TimePoint now) override;
  // PeerPool
  [[nodiscard]] Gift give_to_peer(const CheckoutRequirements& requirements, bool or_place, TimePoint now) override;
  void received_from_peer(std::unique_ptr<TransferredConnection> connection, TimePoint now) override;
  // PeerPool and WarmPool
  void check_warmth(TimePoint now) override;
  // WarmPool
  [[nodiscard]] bool prewarm(TimePoint now) override;

  [[nodiscard]] std::optional<CloseReason> answered(Connection& connection, const GiveBack& how, TimePoint now);
  void offer_or_pool(Connection& connection, const OpeningTimes& times, TimePoint now);
  void keep_warm(TimePoint now);
  [[nodiscard]] Connection* take_idle(const CheckoutRequirements& requirements, TimePoint now);
  [[nodiscard]] std::unique_ptr<Connection> remove(Connection& connection, TimePoint now);
  [[nodiscard]] std::unique_ptr<TransferredConnection> transfer(Connection& connection, TimePoint now);

  // Settling
  void settle(TimePoint now) override;
  void settled() noexcept override;
  [[nodiscard]] bool serve_from_idle(TimePoint now);
  [[nodiscard]] bool find_sources(TimePoint now);
  [[nodiscard]] bool offer(Connection& connection, const OpeningTimes& times, TimePoint now);
  void serve(Waiter& waiter, Connection& connection, const OpeningTimes& times);

  struct LastRequest {
    TimePoint at{};
    bool local_client = false;
  };
  struct Life {
    std::uint32_t users = 0;  ///< exchanges that hold it
    bool retired = false;
    bool shared = false;
    bool fell_idle = false;  ///< a connection has, since settle() looked for another worker that needs one
  };

  PoolContext& context_;
  const policy::HostSettings* settings_;
  UpstreamTarget target_;
  policy::ServerModel server_;
  AddressHistory addresses_;
  ConnectionSet connections_;
  WaiterQueue waiters_;
  ConnectAttempts attempts_;
  policy::ConnectPacing pacing_;
  std::unique_ptr<Peers> peers_;
  IdleKeeper idle_;
  std::unique_ptr<Warmer> warmer_;  ///< nullptr: keep_warm is 0, or nobody has come yet
  LastRequest last_request_;
  Life life_;
};

}  // namespace keepwarm::pool
