#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/deadline_wheel.h"
#include "core/net/connector.h"
#include "core/net/tls_client.h"
#include "core/net/tls_stream.h"
#include "core/policy/next_hop.h"
#include "core/pool/dial_failure.h"
#include "core/pool/parent_tunnel.h"
#include "core/pool/pool_context.h"

namespace keepwarm::pool {

/// How long the steps of opening a connection took; zero on a reused one.
struct OpeningTimes {
  Duration dns{};
  Duration connect{};  ///< with the parent's tunnel, if there is one
  Duration tls{};

  [[nodiscard]] Duration total() const noexcept { return dns + connect + tls; }
};

/// A connection to the next hop, ready for use.
struct Dialed {
  std::unique_ptr<net::Stream> stream;  ///< its events are to be set before anything else happens
  net::SocketAddress address{};         ///< of what was connected to: the origin, connect_to, or the parent
  OpeningTimes times{};
  std::string early{};              ///< what came behind the parent's answer (client tunnels only)
  std::string_view tls_protocol{};  ///< "TLSv1.3"; empty: plain
  bool tls_resumed = false;
};

class DialEvents {
 public:
  /// The dialer may be destroyed inside each of these.
  virtual void on_dialed(Dialed dialed) = 0;
  virtual void on_dial_failed(const DialFailure& failure) = 0;
  /// See net::ConnectEvents.
  virtual void on_addresses(std::span<const net::SocketAddress>) {}

 protected:
  ~DialEvents() = default;
};

/// Opens one upstream connection as its next hop says: name look-up and TCP race or unix socket, then the tunnel of a
/// parent proxy, then the TLS handshake; one time limit over it all. Exactly one of the two final events, never inside
/// start(), unless destroyed before.
class Dialer final : public net::ConnectEvents,
                     public ParentTunnelEvents,
                     public net::TlsHandshakeEvents,
                     public Deadline {
 public:
  /// `local_client`: else destinations that the client chose may not be of this machine (DESIGN.md §9). What the
  /// operator chose (connect_to, parent) is not held against that rule. References must outlive the dialer.
  Dialer(PoolContext& context, const policy::NextHop& hop, bool local_client, DialEvents& events);
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  /// Once. `tickets`: sessions to resume, and where new ones go; may be null.
  /// `via`: what a parent is told as Via, with the names that a client's CONNECT had there; empty: our own name alone.
  void start(Duration timeout, std::shared_ptr<net::TlsTickets> tickets, std::string via = {});

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
  void on_tunnel_refused(std::uint16_t status) override;
  void on_secured() override;
  void on_handshake_failed(const net::TlsFailure& failure) override;
  void on_deadline(TimePoint now) override;

  [[nodiscard]] const net::AddressFilter& filter() const noexcept;
  void ask_parent(std::unique_ptr<net::TcpStream> stream);
  void secure(std::unique_ptr<net::TcpStream> stream);
  void done(Dialed dialed);
  void fail(const DialFailure& failure);
  void fail_soon(DialFailure failure);

  PoolContext& context_;
  const policy::NextHop& hop_;
  bool local_client_;
  bool resuming_ = false;  ///< the handshake offers a kept session
  DialEvents& events_;
  ParentFilter parent_filter_;
  TimePoint deadline_;
  TimePoint step_began_;
  std::shared_ptr<net::TlsTickets> tickets_;
  std::string via_;
  net::SocketAddress address_;
  OpeningTimes times_;
  std::optional<DialFailure> failure_;  ///< about to be told
  std::optional<net::Connector> connector_;
  std::unique_ptr<ParentTunnel> parent_;
  std::unique_ptr<net::TlsStream> tls_;
};

/// Whether a client may name this host to a parent proxy. Only literals, in every notation that others understand, and
/// localhost (RFC 6761 §6.3) are looked at: names are the parent's to resolve. nullopt: it may.
[[nodiscard]] std::optional<net::ConnectFailure> refuse_literal(const PoolContext& context, std::string_view host,
                                                                std::uint16_t port, bool local_client);

}  // namespace keepwarm::pool
