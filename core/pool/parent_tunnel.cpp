#include "core/pool/parent_tunnel.h"

#include <utility>

#include "core/http/fields.h"
#include "core/net/base64.h"
#include "core/net/loop.h"

namespace keepwarm::pool {

std::string basic_authorization(std::string_view credentials) {
  return credentials.empty() ? std::string() : "Basic " + net::base64(credentials);
}

ParentTunnel::ParentTunnel(std::unique_ptr<net::TcpStream> stream, const http::HeadLimits& limits,
                           ParentTunnelEvents& events)
    : stream_(std::move(stream)), limits_(limits), events_(events) {}

void ParentTunnel::start(std::string_view authority, std::string_view authorization, std::string_view via) {
  std::string head = "CONNECT ";
  head.append(authority).append(" HTTP/1.1\r\nHost: ").append(authority).append("\r\n");
  if (!authorization.empty()) head.append("Proxy-Authorization: ").append(authorization).append("\r\n");
  if (!via.empty()) head.append("Via: ").append(via).append("\r\n");
  head += "\r\n";
  stream_->set_events(*this);
  stream_->resume_reading();
  // If it fails, the end of the stream is reported.
  static_cast<void>(net::write_all(*stream_, head));
}

void ParentTunnel::refuse(std::uint16_t status, std::string schemes) {
  stream_.reset();
  events_.on_tunnel_refused(status, std::move(schemes));
}

void ParentTunnel::on_bytes(std::string_view bytes) {
  received_.append(bytes);
  std::string_view rest = received_;
  while (true) {
    http::ResponseHead head;
    switch (parser_.parse_response(rest, scan_, limits_, head, http::AnswerTo::Connect)) {
      case http::HeadProgress::Incomplete: received_.erase(0, received_.size() - rest.size()); return;
      case http::HeadProgress::Broken: return refuse(0);
      case http::HeadProgress::Complete: break;
    }
    scan_ = {};
    const std::uint16_t status = head.status;
    if (status >= 200 && status < 300) {
      // Neither Content-Length nor Transfer-Encoding mean anything here (RFC 9110 §9.3.6): what follows is the
      // tunnel's.
      return events_.on_tunnel_open(std::move(stream_), std::string(rest.substr(head.size)));
    }
    if (status == 407) return refuse(status, http::challenge_schemes(head.fields, http::FieldId::ProxyAuthenticate));
    if (status >= 200 || status == 101) return refuse(status);
    if (!interims_.take(net::Loop::event_time(), head.size, limits_.max_size)) return refuse(0);
    rest.remove_prefix(head.size);
  }
}

}  // namespace keepwarm::pool
