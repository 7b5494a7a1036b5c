#include "core/pool/upstream_target.h"

#include <utility>

#include "core/pool/dialer.h"
#include "core/pool/parent_tunnel.h"

namespace keepwarm::pool {

using Verdict = net::AddressFilter::Verdict;

UpstreamTarget::UpstreamTarget(PoolContext& context, Origin requested, policy::NextHop hop)
    : context_(context),
      requested_(std::move(requested)),
      hop_(std::move(hop)),
      proxy_authorization_(hop_.absolute_form() ? basic_authorization(hop_.credentials) : std::string()),
      tls_tickets_(hop_.tls ? context.dialers.make_tickets() : nullptr) {}

bool UpstreamTarget::reachable(Connection& connection, bool local_client) const {
  if (local_client || hop_.via != policy::NextHop::Via::Client) return true;
  if (!connection.open_to_remote_clients) {
    connection.open_to_remote_clients = context_.remote_filter.verdict(connection.address()) == Verdict::Allowed;
  }
  return *connection.open_to_remote_clients;
}

bool UpstreamTarget::may_lead_to(const net::SocketAddress& address) const {
  if (hop_.via != policy::NextHop::Via::Parent) return context_.local_filter.verdict(address) == Verdict::Allowed;
  return hop_.absolute_form() || !refuse_literal(context_.local_filter, hop_.origin.host, hop_.origin.port);
}

}  // namespace keepwarm::pool
