#include "core/proxy/access_entry.h"

namespace keepwarm::proxy {

void KeptRequestName::assign(std::string_view method, std::string_view host_and_port, std::string_view path) {
  text_.assign(method).append(host_and_port).append(path);
  method_size_ = method.size();
  authority_size_ = host_and_port.size();
}

RequestName KeptRequestName::view() const noexcept {
  const std::string_view text = text_;
  if (text.empty()) return {};
  return {.method = text.substr(0, method_size_),
          .host_and_port = text.substr(method_size_, authority_size_),
          .path = text.substr(method_size_ + authority_size_)};
}

AccessTimes access_times(const ConnectCost& cost) noexcept {
  return {
      .dns = cost.opening.dns, .connect = cost.opening.connect, .tls = cost.opening.tls, .client_tls = cost.handshake};
}

AccessResult result_of(const OwnAnswer& answer, bool sent, std::span<const net::SocketAddress> tried) {
  AccessResult result;
  result.status = sent ? answer.status : std::uint16_t{0};
  result.bytes_sent = sent ? answer.body_bytes : 0;
  result.outcome = sent ? ExchangeOutcome::Ourselves : ExchangeOutcome::Client;
  result.failure = {.error = answer.error, .reason = answer.reason, .rule = answer.rule, .tried = tried};
  return result;
}

AccessRecord access_record(const net::SocketAddress& client, const RequestName& request, const UpstreamUse& upstream,
                           const AccessTimes& times, const AccessResult& result) noexcept {
  AccessRecord record;
  record.client = client;
  record.method = request.method;
  record.host_and_port = request.host_and_port;
  record.scheme = request.scheme;
  record.path = request.path;
  record.status = result.status;
  record.bytes_received = result.bytes_received;
  record.bytes_sent = result.bytes_sent;
  record.upstream_path = upstream.unix_path;
  if (upstream.reached()) {
    record.upstream = &upstream.address;
    record.reused = upstream.reused();
    record.requests_on_connection = upstream.requests;
    record.idle = upstream.idle;
    record.trusted = upstream.trust == ConnectionTrust::Fresh || upstream.trust == ConnectionTrust::Trusted;
    record.expected_idle = result.expected_idle;
  }
  record.retries = result.retries;
  record.queue = times.queue;
  record.dns = times.dns;
  record.connect = times.connect;
  record.tls = times.tls;
  record.first_byte = times.first_byte;
  record.total = times.total;
  record.ended = result.outcome;
  record.delivered = result.delivered;
  record.failure = result.failure;
  record.road = result.road;
  record.client_tls = times.client_tls;
  record.why = result.why;
  return record;
}

}  // namespace keepwarm::proxy
