#pragma once

#include <memory>
#include <string>

#include "core/base/origin.h"
#include "core/policy/next_hop.h"
#include "core/pool/checkout.h"
#include "core/pool/connection.h"
#include "core/pool/pool_context.h"

namespace keepwarm::pool {

/// Where the connections of one pool key lead, what is spoken on them, and which clients may be given them. Does not
/// change in the life of its HostPool, which owns it.
class UpstreamTarget {
 public:
  /// `requested`: the origin, as a client named it, that the pool was first made for. `context` must outlive it.
  UpstreamTarget(PoolContext& context, Origin requested, policy::NextHop hop);

  [[nodiscard]] const Origin& requested_origin() const noexcept { return requested_; }
  [[nodiscard]] const policy::NextHop& hop() const noexcept { return hop_; }
  /// Of absolute-form requests to a parent: the value of Proxy-Authorization; empty: none.
  [[nodiscard]] const std::string& proxy_authorization() const noexcept { return proxy_authorization_; }
  /// The TLS sessions to resume; nullptr for a plain host. Shared with its streams, see TlsTickets.
  [[nodiscard]] const std::shared_ptr<net::TlsTickets>& tls_tickets() const noexcept { return tls_tickets_; }
  /// "HOST:PORT", for logs and messages.
  [[nodiscard]] std::string name() const { return host_and_port(hop_.origin.host, hop_.origin.port); }

  /// Whether the client behind a request could have opened this connection itself (core/doc/design.md §9).
  [[nodiscard]] bool reachable(Connection& connection, bool local_client) const;
  /// Whether the rules in force allow a connection to this address at all.
  [[nodiscard]] bool may_lead_to(const net::SocketAddress& address) const;

 private:
  PoolContext& context_;
  Origin requested_;
  policy::NextHop hop_;
  std::string proxy_authorization_;
  std::shared_ptr<net::TlsTickets> tls_tickets_;
};

}  // namespace keepwarm::pool
