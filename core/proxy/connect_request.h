#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/deadline_wheel.h"
#include "core/base/origin.h"
#include "core/net/tls/tls_stream.h"
#include "core/policy/failure.h"
#include "core/policy/interception.h"
#include "core/policy/next_hop.h"
#include "core/policy/settings.h"
#include "core/pool/dialing.h"
#include "core/pool/waiter_queue.h"
#include "core/proxy/access_entry.h"
#include "core/proxy/client_facts.h"
#include "core/proxy/failure_text.h"
#include "core/proxy/intercepted_client.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/tunnel.h"

/// A CONNECT request, from its head to the end of the tunnel, or until its client is intercepted.
namespace keepwarm::proxy {

class ConnectRequestEvents {
 public:
  /// The 200 has been written, and the tunnel is about to begin. It gets the events of the client's stream from now on.
  virtual void on_connected() = 0;
  /// So much came early that the client is not read from any more: its end would not be heard.
  virtual void on_early_bytes_paused() = 0;
  /// The 200 cannot be written: the client is gone. May destroy the request.
  virtual void on_client_lost() = 0;
  /// The destination was not reached: answer and close. May destroy the request.
  virtual void on_connect_refused(policy::FailureKind kind, std::string_view explanation,
                                  const FailureDetails& details) = 0;
  /// The tunnel is over, or never came to be though the 200 is out: close. May destroy the request.
  virtual void on_connect_ended(ExchangeOutcome outcome) = 0;
  /// The client's hello has come, and the 200 is out: makes its connection one of TLS, of which `received` has come.
  /// The request gets the events of the handshake. False: that is not possible, and nothing has changed.
  [[nodiscard]] virtual bool begin_handshake(std::string_view received, const InterceptedHello& hello) = 0;
  /// The handshake is over: requests follow. Destroys the request.
  virtual void on_intercepted(std::unique_ptr<InterceptedClient> client) = 0;

 protected:
  ~ConnectRequestEvents() = default;
};

/// One CONNECT (RFC 9110 §9.3.6): name look-up and connection race as for every upstream connection, the 200, then a
/// tunnel. Bytes that the client sends before that are kept (bounded by back-pressure) and go first. Owned by its
/// session.
///
/// To a host with `intercept = true` it is a tunnel, too, unless everything is as it should be (policy/interception.h):
///
// clang-format off
///   Verifying ──200──▶ AwaitingHello ──▶ Handshaking ──▶ on_intercepted()
///       └────────────────────┴──▶ Dialing ──▶ tunnel
// clang-format on
class ConnectRequest final : public pool::DialEvents,
                             public pool::CheckoutEvents,
                             public net::TlsHandshakeEvents,
                             public TunnelEvents,
                             public Deadline {
 public:
  ConnectRequest(ProxyContext& context, net::Stream& client, const ClientFacts& facts, const http::Target& target,
                 ConnectRequestEvents& events);

  ~ConnectRequest();
  ConnectRequest(const ConnectRequest&) = delete;
  ConnectRequest& operator=(const ConnectRequest&) = delete;

  /// `early`: what came behind the head. `via`: the value of Via for a parent proxy.
  void start(std::string_view early, std::string via);

  // Before the tunnel is there the session hands on what the client does:
  void client_bytes(std::string_view bytes);
  void client_ended();
  /// The session is closed: nothing is begun or reported any more.
  void give_up() noexcept;

  [[nodiscard]] const std::string& host() const noexcept { return destination_.host; }

  // Each writes the access log line: one of them once, when it is all over.
  void log(AccessResult result);
  void log_end(ExchangeOutcome outcome);

 private:
  enum class Step : std::uint8_t {
    Verifying,      ///< whether a connection to the server can be had, and its certificate is good
    AwaitingHello,  ///< the 200 is out; the client's first bytes decide
    Handshaking,    ///< with the client
    Dialing         ///< a connection for the tunnel, or there is one
  };

  [[nodiscard]] bool refused_by_parent_rule() const;
  void verify();
  void server_verified(bool wants_certificate);
  void await_hello();
  void look_at_hello();
  void await_more_of_hello();
  void give_up_on_hello();
  void tunnel_instead(policy::TunnelReason why);
  [[nodiscard]] bool answer();
  void connect();
  void on_lease(pool::Lease lease, const pool::OpeningTimes& times) override;
  void on_checkout_failed(const pool::CheckoutFailure& failure) override;
  void on_secured() override;
  void on_handshake_failed(const net::TlsFailure& failure) override;
  void on_deadline(TimePoint) override { give_up_on_hello(); }
  void refuse(const ExplainedFailure& explained, const std::vector<net::SocketAddress>& tried);
  void on_dialed(pool::Dialed dialed) override;
  void on_dial_failed(const pool::DialFailure& failure) override;
  void on_tunnel_ended(ExchangeOutcome outcome) override { events_.on_connect_ended(outcome); }

  ProxyContext& context_;
  net::Stream& client_;
  ClientFacts facts_;
  Origin destination_;
  policy::HostSettings settings_;
  policy::NextHop hop_;
  ConnectRequestEvents& events_;
  std::string early_;
  std::string via_;
  bool client_ended_;
  Step step_ = Step::Dialing;
  bool answered_ = false;  ///< the 200 is out
  policy::TunnelReason why_ = policy::TunnelReason::None;
  std::optional<pool::Waiter> waiter_;
  TimePoint hello_due_;
  InterceptedHello hello_;
  TimePoint handshake_began_;
  std::optional<ExplainedFailure> late_failure_;  ///< after the 200
  std::unique_ptr<pool::Dial> dial_;
  bool connected_again_ = false;  ///< once, when a descriptor was freed for it
  net::SocketAddress upstream_address_;
  pool::OpeningTimes times_{};
  TimePoint started_at_;
  std::optional<Tunnel> tunnel_;
};

}  // namespace keepwarm::proxy
