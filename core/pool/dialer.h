#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/deadline_wheel.h"
#include "core/net/connector.h"
#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_stream.h"
#include "core/policy/next_hop.h"
#include "core/pool/dial_context.h"
#include "core/pool/dial_failure.h"
#include "core/pool/dialing.h"
#include "core/pool/parent_tunnel.h"

namespace keepwarm::pool {

/// Opens one upstream connection as its next hop says: name look-up and TCP race or unix socket, then the tunnel of a
/// parent proxy, then the TLS handshake; one time limit holds for all but the look-up, which has its own. Exactly one
/// of the two final events comes, never inside start(), unless the dialer is destroyed before. A new step is a class of
/// its own, as ParentTunnel is.
class Dialer final : public Dial,
                     public net::ConnectEvents,
                     public ParentTunnelEvents,
                     public net::TlsHandshakeEvents,
                     public Deadline {
 public:
  /// References must outlive the dialer.
  Dialer(DialContext& context, DialRequest request, DialEvents& events);
  ~Dialer() override;
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  /// To be called once.
  void start();

 private:
  /// A parent's address is the operator's choice: it must only not be ourselves.
  class ParentFilter final : public net::AddressFilter {
   public:
    explicit ParentFilter(const net::AddressFilter& filter) noexcept : filter_(filter) {}
    [[nodiscard]] Verdict verdict(const net::SocketAddress& address) const override {
      return filter_.verdict(address) == Verdict::Ourselves ? Verdict::Ourselves : Verdict::Allowed;
    }

   private:
    const net::AddressFilter& filter_;
  };

  void on_connected(net::Connected connected) override;
  void on_connect_failed(const net::ConnectFailure& failure) override;
  void on_addresses(std::span<const net::SocketAddress> addresses) override;
  void on_tunnel_open(std::unique_ptr<net::TcpStream> stream, std::string early) override;
  void on_tunnel_refused(std::uint16_t status, std::string schemes) override;
  void on_secured() override;
  void on_handshake_failed(const net::TlsFailure& failure) override;
  void on_deadline(TimePoint now) override;

  [[nodiscard]] const net::AddressFilter& filter() const noexcept;
  void ask_parent(std::unique_ptr<net::TcpStream> stream);
  void secure(std::unique_ptr<net::TcpStream> stream);
  void done(Dialed dialed);
  void fail(DialFailure failure);
  void add_way_so_far(DialFailure& failure) const;
  void fail_soon(DialFailure failure);

  [[nodiscard]] const policy::NextHop& hop() const noexcept { return request_.hop; }

  DialContext& context_;
  DialRequest request_;
  bool resuming_ = false;  ///< the handshake offers a kept session
  DialEvents& events_;
  ParentFilter parent_filter_;
  TimePoint deadline_;
  TimePoint step_began_;
  net::SocketAddress address_;
  OpeningTimes times_;
  std::optional<DialFailure> failure_;  ///< about to be reported
  std::optional<net::Connector> connector_;
  std::unique_ptr<ParentTunnel> parent_;
  std::unique_ptr<net::TlsStream> tls_;
};

/// Opens connections over the network.
class NetworkDialers final : public DialerFactory {
 public:
  /// `context` must outlive it.
  explicit NetworkDialers(DialContext& context) noexcept : context_(context) {}

  [[nodiscard]] std::unique_ptr<Dial> dial(DialRequest request, DialEvents& events) override;
  [[nodiscard]] std::shared_ptr<net::TlsTickets> make_tickets() override;
  [[nodiscard]] std::unique_ptr<net::Stream> attach(net::DetachedStream& stream,
                                                    std::shared_ptr<net::TlsTickets> tickets) override;

 private:
  DialContext& context_;
};

/// Whether a client may name this host to a parent proxy. Only literals, in every notation that others understand, and
/// localhost (RFC 6761 §6.3) are checked: names are the parent's to resolve. nullopt: it may. `filter`: that of the
/// client.
[[nodiscard]] std::optional<net::ConnectFailure> refuse_literal(const net::AddressFilter& filter, std::string_view host,
                                                                std::uint16_t port);

}  // namespace keepwarm::pool
