#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/net/after_turn.h"
#include "core/net/deadline_clock.h"
#include "core/net/listener.h"
#include "core/net/loop.h"
#include "core/net/network_watch.h"
#include "core/net/tls/local_ca.h"
#include "core/net/tls/tls_client.h"
#include "core/policy/host_table.h"
#include "core/policy/settings.h"
#include "core/pool/pool.h"
#include "core/proxy/client_session.h"
#include "core/proxy/destination_filter.h"
#include "core/proxy/exchange_store.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/worker_group.h"

/// One event loop as a whole proxy: its listeners, clients, exchanges and upstream connections.
namespace keepwarm::proxy {

/// The part of the configuration that an engine works by.
struct EngineSettings {
  policy::ProxySettings proxy;
  policy::HostTable hosts;
  policy::DnsSettings dns;
  policy::InterceptSettings intercept{};
  std::shared_ptr<const net::LocalCa> ca{};  ///< nullptr: nothing is intercepted
  net::TrustStore authorities{};             ///< of the system
};

/// One event loop's proxy: owner of listeners, client sessions, exchanges, the pool and the resolver. Nothing in it is
/// global, so that several can run side by side, each on its own thread (Workers). Not thread-safe, unless said.
class Engine final : public net::AcceptEvents, public SessionOwner {
 public:
  /// `pseudonym`: our name in Via, the same for all engines of the process. References must outlive the engine.
  /// Exceptions: std::bad_alloc only.
  Engine(net::Loop& loop, EngineSettings settings, Log& log, AccessSink& access, std::string pseudonym,
         const WorkerSlot& slot = {});
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  /// Listens on exactly these endpoints from now on: those that are open already stay as they are, the others are
  /// opened or closed. On failure nothing has changed.
  [[nodiscard]] std::optional<net::ListenFailure> listen(const std::vector<net::Endpoint>& endpoints);
  /// A socket that listens already (systemd). It is not touched by listen().
  [[nodiscard]] std::optional<net::ListenFailure> adopt(int fd);
  [[nodiscard]] std::vector<net::Endpoint> listening_on() const;
  /// All endpoints where the process listens: requests for them are refused. listen() and adopt() do this for their own
  /// engine.
  void set_own_endpoints(const std::vector<net::Endpoint>& endpoints);
  /// Descriptors were freed: goes on accepting, if that had to pause.
  void room_returned();

  /// Serves a client that was accepted, or answers why it is not served. `clients`: how many the process had then.
  void serve(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients);

  /// New settings for everything but the listeners. Exchanges under way go on.
  void reconfigure(EngineSettings settings);

  /// Open descriptors allowed for the process: when nearly all are in use no client is accepted, so that
  /// those who are connected can be served.
  void set_descriptor_limit(std::uint64_t limit) noexcept { descriptor_limit_ = limit; }

  /// Stops accepting, closes idle clients, answers with `Connection: close`, lets exchanges end; what is left after
  /// shutdown_grace is aborted. `on_drained` is called once, from the loop.
  void drain(std::function<void()> on_drained);

  /// Thread-safe.
  [[nodiscard]] Savings savings() const noexcept { return context_.stats.savings(); }
  /// Thread-safe: clients that have left since the start.
  [[nodiscard]] std::uint64_t clients_gone() const noexcept { return clients_gone_; }
  /// Thread-safe: descriptors in use but for those of clients.
  [[nodiscard]] std::uint64_t upstream_descriptors() const noexcept {
    return pool_stats_.connections + pool_stats_.attempts + context_.stats.open_tunnels;
  }

 private:
  struct BoundListener {
    std::optional<net::Endpoint> asked;  ///< nullopt: adopted
    std::unique_ptr<net::Listener> listener;

    /// A listener that was opened with port 0 serves the port that it got as well.
    [[nodiscard]] bool serves(const net::Endpoint& endpoint) const noexcept {
      return asked == endpoint || listener->endpoint() == endpoint;
    }
  };

  // AcceptEvents
  void on_accepted(int fd, const net::SocketAddress& peer) override;
  // SessionOwner
  [[nodiscard]] Exchange* take_exchange() override;
  void retire_exchange(Exchange* exchange) noexcept override;
  void retire_session(ClientSession& session) noexcept override;

  [[nodiscard]] bool has_room();
  [[nodiscard]] bool client_allowed(const net::SocketAddress& peer) const;
  void network_changed(const NetworkChange& change);
  void apply_rules();
  void clocks_jumped(const ClockJump& jump);
  void turn_ended();
  void shrink_lists();
  void abort_all();

  net::Loop& loop_;
  WorkerSlot slot_;
  policy::ProxySettings settings_;
  net::DeadlineClock deadlines_;
  net::Resolver resolver_;
  net::TlsClient tls_;
  DestinationRules rules_;
  DestinationFilter local_filter_;
  DestinationFilter remote_filter_;
  pool::DialContext dial_context_;
  pool::NetworkDialers dialers_;
  pool::PoolStats pool_stats_;
  policy::CloseRiskEstimator all_hosts_;
  pool::PoolContext pool_context_;
  pool::Pool pool_;
  Interception interception_;
  ProxyContext context_;
  net::AfterTurn after_turn_;
  net::NetworkWatch network_;
  net::HeapTrimmer trimmer_;
  ExchangeStore exchanges_;
  std::vector<std::unique_ptr<ClientSession>> sessions_;
  std::vector<std::unique_ptr<ClientSession>> retired_sessions_;
  std::vector<BoundListener> listeners_;
  Gauge clients_gone_;
  std::uint64_t descriptor_limit_ = 1024;
  std::function<void()> on_drained_;
  net::Timer grace_;
};

}  // namespace keepwarm::proxy
