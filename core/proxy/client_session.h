#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/deadline_wheel.h"
#include "core/base/slab.h"
#include "core/http/head_parser.h"
#include "core/net/stream.h"
#include "core/policy/client_end.h"
#include "core/policy/failure.h"
#include "core/proxy/access_entry.h"
#include "core/proxy/bound_connection.h"
#include "core/proxy/client_facts.h"
#include "core/proxy/connect_request.h"
#include "core/proxy/downstream.h"
#include "core/proxy/exchange.h"
#include "core/proxy/intercepted_client.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/router.h"
#include "core/proxy/tunnel.h"

/// One client connection, from its first byte to its end.
namespace keepwarm::proxy {

/// Reads request heads, has exchanges carry out one request after the other, and ends the connection in the way that
/// the client will understand. Owned by the engine.
///
// clang-format off
///   AwaitingHead ◀──────▶ InExchange ──101──▶ Upgraded
///        └──CONNECT──▶ Connecting ──200──▶ Tunnelling
///        ▲                  └──▶ Handshaking
///        └────intercepted────────────┘
///
///   From each: ──▶ Flushing (our answer goes out) ──▶ Lingering (RFC 9112 §9.6) ──▶ Closed
// clang-format on
///
/// Lingering: to close while the client may still be sending would have its kernel throw our answer away.
class ClientSession final : public net::StreamEvents,
                            public Downstream,
                            public ConnectRequestEvents,
                            public TunnelEvents,
                            public Deadline,
                            public Slabbed<ClientSession> {
 public:
  ClientSession(ProxyContext& context, const ClientFacts& facts);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  /// Takes the connection over and begins to read.
  void start(std::unique_ptr<net::Stream> stream);
  /// Instead of serving: answers at once and closes (too many clients, a client that is not allowed).
  /// `rule`: the setting that says so.
  void reject(std::unique_ptr<net::Stream> stream, policy::FailureKind kind, std::string_view explanation,
              std::string_view rule);

  /// Shutting down: closes at once if no request is under way, else after it.
  void drain();
  /// Time is up: closes whatever is under way.
  void abort();

  std::uint32_t index = 0;  ///< in the engine's list of sessions; the engine's alone

 private:
  enum class State : std::uint8_t {
    AwaitingHead,
    InExchange,   ///< exchange_ has the request
    Connecting,   ///< CONNECT: the ConnectRequest has no connection yet, and keeps what the client sends meanwhile
    Handshaking,  ///< CONNECT: the client's TLS handshake is under way, with us
    Tunnelling,   ///< CONNECT: the ConnectRequest has a tunnel, which gets the events of the client's stream
    Upgraded,     ///< after a 101: the UpgradedTunnel gets them
    Flushing,
    Lingering,
    Closed
  };

  /// What a connection has become by a 101.
  struct UpgradedTunnel {
    std::string to;  ///< "host:port"
    Tunnel tunnel;
  };

  // Stream events
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override;
  // Downstream
  [[nodiscard]] ConnectCost take_connect_cost() noexcept override {
    return facts_.intercepted && intercepted() != nullptr ? intercepted()->take_cost() : ConnectCost{};
  }
  [[nodiscard]] net::Stream& client_stream() noexcept override { return *stream_; }
  [[nodiscard]] bool client_awaits_answer() override { return check_client(policy::ClientCheck::AtEvent); }
  void client_paused() override;
  void exchange_over(AfterExchange after) override;
  void upgraded(std::unique_ptr<net::Stream> upstream, std::string upstream_name, std::string_view early,
                Duration tunnel_timeout) override;
  void bind_connection(pool::HostRef host, pool::Lease lease) override;
  [[nodiscard]] pool::Lease take_bound_connection(const pool::HostPool& host) override;
  // CONNECT and tunnels
  void on_connected() override;
  void on_early_bytes_paused() override { client_paused(); }
  void on_client_lost() override { on_broken(0); }
  void on_connect_refused(policy::FailureKind kind, std::string_view explanation,
                          const FailureDetails& details) override;
  void on_connect_ended(ExchangeOutcome outcome) override;
  [[nodiscard]] bool begin_handshake(std::string_view received, const InterceptedHello& hello) override;
  void on_intercepted(std::unique_ptr<InterceptedClient> client) override;
  void on_tunnel_ended(ExchangeOutcome outcome) override;
  // Time
  void on_deadline(TimePoint now) override;

  void read_requests(std::string_view input);
  [[nodiscard]] std::string_view read_request(std::string_view input);
  void refuse_head(http::Fault fault, std::string_view input);
  [[nodiscard]] std::string_view begin_request(const http::RequestHead& head, std::string_view rest);
  void exchange_bytes(std::string_view bytes);
  [[nodiscard]] bool check_client(policy::ClientCheck why);
  void end_unless_awaited(policy::ClientCheck why);
  [[nodiscard]] bool waits_to_read() const noexcept;
  void begin_tunnel(const http::RequestHead& head, const http::Target& target, std::string_view early);
  void await_head();
  [[nodiscard]] Route route(const http::RequestHead& head);
  void left_without_request();
  void note_end(ExchangeOutcome outcome) noexcept;
  void log_unused_interception();
  void keep_for_later(std::string_view bytes);
  void keep_unclaimed(std::string_view input, std::string& earlier);
  void wait_or_read_on();
  /// Sends it and logs it. `name`: of the request, as far as that was understood.
  void answer(const OwnAnswer& answer, const RequestName& name);
  void answer_to(const OwnAnswer& own, const http::RequestHead& head, const http::Target& target);
  /// `head`: what has come of one that is not whole, or could not be parsed.
  void answer_to_half(const OwnAnswer& own, std::string_view head);
  void answer_inside(const OwnAnswer& own, std::string_view method);
  [[nodiscard]] bool send_answer(const OwnAnswer& answer);
  void after_answer(const OwnAnswer& answer);
  [[nodiscard]] ConnectRequest& connect_request() { return *std::get<std::unique_ptr<ConnectRequest>>(tunnel_); }
  /// nullptr: it is not, or has been upgraded.
  [[nodiscard]] InterceptedClient* intercepted() noexcept {
    const auto* const client = std::get_if<std::unique_ptr<InterceptedClient>>(&tunnel_);
    return client != nullptr ? client->get() : nullptr;
  }
  [[nodiscard]] UpgradedTunnel& upgraded_tunnel() { return *std::get<std::unique_ptr<UpgradedTunnel>>(tunnel_); }
  void close_after_flush(bool lingering);
  void linger(std::string_view bytes);
  void flushed();
  void cut(ExchangeOutcome outcome);
  void close();

  // In the order of their alignment, for there are thousands of sessions.
  std::uint32_t drained_ = 0;  ///< while lingering
  State state_ = State::AwaitingHead;
  bool reading_requests_ = false;  ///< read_requests() is on the stack
  bool resting_ = false;           ///< requests in pending_ wait for the deadline, since many were answered at once
  bool head_begun_ = false;
  bool has_asked_ = false;  ///< a request head came, and was whole or refused; of an intercepted client, within its TLS
  bool lingering_ = false;  ///< what Flushing leads to
  ClientFacts facts_;
  http::HeadScan head_scan_;
  ProxyContext& context_;
  std::unique_ptr<net::Stream> stream_;
  Exchange* exchange_ = nullptr;  ///< lent by the owner of sessions
  std::string pending_;           ///< bytes that no request has claimed yet
  std::size_t unsent_mark_ = 0;   ///< what the client had not acknowledged when the deadline last came
  /// The first from Connecting on; the second once the client is intercepted; the third from Upgraded on. The first and
  /// the last stay until the session is destroyed, or until their own last call, since they may be on the stack when
  /// they end.
  std::variant<std::monostate, std::unique_ptr<ConnectRequest>, std::unique_ptr<InterceptedClient>,
               std::unique_ptr<UpgradedTunnel>>
      tunnel_;
  std::unique_ptr<BoundConnection> bound_;
};

}  // namespace keepwarm::proxy
