#include "daemon/next_hop_text.h"

#include <string_view>

#include "core/base/ip.h"

namespace keepwarm::daemon {
namespace {

/// What follows a name that nobody is asked for.
const char* here(std::string_view host) noexcept {
  return is_localhost(host) ? ", loopback without a look-up (RFC 6761)" : "";
}

}  // namespace

std::string leads_to(const policy::NextHop& hop) {
  if (!hop.unix_path.empty()) return "unix:" + hop.unix_path + " (connect_to)";
  const bool is_unread = hop.via == policy::NextHop::Via::Parent && hop.host.empty();
  std::string address = is_unread ? "that only the service knows (a credential)" : host_and_port(hop.host, hop.port);
  switch (hop.via) {
    case policy::NextHop::Via::Client: return address + here(hop.host);
    case policy::NextHop::Via::ConnectTo: return address + here(hop.host) + " (connect_to)";
    case policy::NextHop::Via::Parent: break;
  }
  const std::string way = hop.parent_tunnel ? ", through a tunnel of the parent proxy " : ", the parent proxy";
  if (hop.parent_tunnel) return host_and_port(hop.origin.host, hop.origin.port) + way + address;
  return is_unread ? "a parent proxy " + address : address + way;
}

std::string speaks(const policy::NextHop& hop) {
  if (!hop.tls) return hop.absolute_form() ? "plain HTTP, with the whole URL in the request" : "plain HTTP";
  const policy::TlsTerms& terms = *hop.tls;
  std::string text = "TLS with " + terms.server_name;
  if (!terms.verify) return text + ", whose certificate is not verified";
  text += ", verified by " + (terms.ca_file.empty() ? "the system's authorities" : "those of " + terms.ca_file);
  if (!terms.client_certificate.empty()) text += ", client certificate " + terms.client_certificate;
  return text;
}

std::string looked_up_by(std::string_view host, const net::SystemNames& names) {
  if (host.empty() || is_localhost(host) || net::SocketAddress::parse(host, 0)) return {};
  const net::ResolverChoice& choice = names.choice();
  if (!choice.cares) return "by the system's getaddrinfo, since " + choice.why;
  if (names.asks_system(host)) return "by the system's getaddrinfo, since c-ares cannot do such a name";
  if (names.hosts().has(host)) return "in /etc/hosts";
  std::string servers;
  for (const net::SocketAddress& server : names.conf().servers) {
    servers += (servers.empty() ? "" : ", ") + server.host_text();
  }
  return "by c-ares at " + servers + ", since " + choice.why;
}

}  // namespace keepwarm::daemon
