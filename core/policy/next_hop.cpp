#include "core/policy/next_hop.h"

#include <utility>

namespace keepwarm::policy {

namespace {

TlsTerms tls_terms(const Origin& origin, const HostSettings& settings) {
  return {.verify = settings.tls_verify,
          .ca_file = settings.tls_ca_file,
          .client_certificate = settings.tls_client_certificate,
          .client_key = settings.tls_client_key,
          .server_name = settings.tls_server_name.empty() ? origin.host : settings.tls_server_name,
          .file_mark = settings.tls_file_mark};
}

/// Where to connect for an origin: to it, or as connect_to or parent say.
NextHop hop_to(Origin origin, const HostSettings& settings) {
  NextHop hop;
  hop.origin = std::move(origin);
  if (settings.parent) {
    hop.via = NextHop::Via::Parent;
    hop.host = settings.parent->host;
    hop.port = settings.parent->port;
    hop.credentials = settings.parent->credentials;
  } else if (settings.connect_to) {
    hop.via = NextHop::Via::ConnectTo;
    hop.host = settings.connect_to->host;
    hop.port = settings.connect_to->port;
    hop.unix_path = settings.connect_to->unix_path;
  } else {
    hop.host = hop.origin.host;
    hop.port = hop.origin.port;
  }
  return hop;
}

}  // namespace

NextHop next_hop(const OriginView& asked, const HostSettings& settings) {
  Origin origin{asked.scheme, std::string(asked.host), asked.port};
  if (settings.upgrade && origin.scheme == Scheme::Http) {
    origin.scheme = Scheme::Https;
    if (origin.port == default_port(Scheme::Http)) origin.port = default_port(Scheme::Https);
  }
  NextHop hop = hop_to(std::move(origin), settings);
  if (hop.origin.scheme == Scheme::Https) {
    hop.tls = tls_terms(hop.origin, settings);
    hop.parent_tunnel = hop.via == NextHop::Via::Parent;
  }
  if (hop.absolute_form()) hop.origin = {Scheme::Http, hop.host, hop.port};
  return hop;
}

NextHop tunnel_hop(const OriginView& destination, const HostSettings& settings) {
  NextHop hop = hop_to({destination.scheme, std::string(destination.host), destination.port}, settings);
  hop.parent_tunnel = hop.via == NextHop::Via::Parent;
  return hop;
}

}  // namespace keepwarm::policy
