#include "core/proxy/connect_request.h"

#include <utility>
#include <vector>

#include "core/net/loop.h"
#include "core/proxy/access_entry.h"
#include "core/proxy/failure_text.h"

namespace keepwarm::proxy {

namespace {

/// Early bytes beyond this wait in the kernel.
constexpr std::size_t kMaxEarly = 64 * 1024;

Origin destination_of(ProxyContext& context, const http::Target& target) {
  http::normalize_host(target.host, context.scratch.target);
  return {Scheme::Https, context.scratch.target, target.port};
}

}  // namespace

ConnectRequest::ConnectRequest(ProxyContext& context, net::Stream& client, const ClientFacts& facts,
                               const http::Target& target, ConnectRequestEvents& events)
    : context_(context),
      client_(client),
      facts_(facts),
      destination_(destination_of(context, target)),
      settings_(context.pool.settings_of(destination_)),
      hop_(policy::tunnel_hop(destination_, settings_)),
      events_(events),
      client_ended_(facts.ended),
      started_at_(net::Loop::event_time()) {
  ++context_.stats.open_tunnels;  // it will need a descriptor; once there is a Tunnel, that is counted instead
}

ConnectRequest::~ConnectRequest() {
  if (!tunnel_) --context_.stats.open_tunnels;
}

void ConnectRequest::start(std::string_view early, std::string via) {
  via_ = std::move(via);
  client_bytes(early);
  connect();
}

void ConnectRequest::connect() {
  dial_ = context_.pool.dial(
      {.hop = hop_, .local_client = facts_.local, .timeout = settings_.connect_timeout, .via = via_}, *this);
}

void ConnectRequest::client_bytes(std::string_view bytes) {
  early_.append(bytes);
  if (early_.size() < kMaxEarly) return;
  client_.pause_reading();
  events_.on_early_bytes_paused();
}

void ConnectRequest::on_dialed(pool::Dialed dialed) {
  dial_.reset();
  upstream_address_ = dialed.address;
  times_ = dialed.times;
  context_.hosts.answered(destination_.host, destination_.port, net::Loop::event_time());
  const net::WriteResult answered = net::write_all(client_, "HTTP/1.1 200 Connection established\r\n\r\n");
  if (answered == net::WriteResult::Failed) return events_.on_client_lost();
  ++context_.stats.tunnels;
  --context_.stats.open_tunnels;
  tunnel_.emplace(context_.deadlines, client_, std::move(dialed.stream),
                  policy::tunnel_limits(settings_.tunnel_timeout), context_.stats.open_tunnels, *this);
  events_.on_connected();
  const std::string early = std::move(early_);
  tunnel_->start(early, dialed.early, client_ended_);
}

void ConnectRequest::on_dial_failed(const pool::DialFailure& failure) {
  const bool out = failure.connect.kind == net::ConnectFailure::Kind::OutOfDescriptors;
  if (out && !std::exchange(connected_again_, true) && context_.pool.free_a_descriptor()) return connect();
  const ExplainedFailure explained = explain(failure);
  times_ = failure.times;
  context_.hosts.failed(destination_.host, destination_.port, explained.kind, explained.text, net::Loop::event_time());
  const std::string explanation = host_and_port(destination_.host, destination_.port) + ": " + explained.text;
  const std::vector<net::SocketAddress> tried = failure.tried;
  dial_.reset();
  events_.on_connect_refused(explained.kind, explanation,
                             {.parameters = explained.parameters, .rule = explained.rule, .tried = tried});
}

void ConnectRequest::log_end(ExchangeOutcome outcome, std::uint16_t status) {
  AccessResult result{.status = status, .outcome = outcome};
  result.failure.reason = describe_cut(outcome);
  if (outcome == ExchangeOutcome::Timeout) result.failure.rule = "tunnel_timeout";
  log(result);
}

void ConnectRequest::log(AccessResult result) {
  const std::string destination = host_and_port(destination_.host, destination_.port);
  if (tunnel_) context_.pool.tunnel_ended(destination);
  if (!context_.access.enabled()) return;
  UpstreamUse upstream{.unix_path = hop_.unix_path};
  if (tunnel_) {
    upstream = {.address = upstream_address_, .unix_path = hop_.unix_path, .requests = 1};
    result.delivered = Delivered::Yes;
    result.bytes_received = tunnel_->bytes_from_client();
    result.bytes_sent = tunnel_->bytes_from_upstream();
  }
  const AccessTimes times{
      .dns = times_.dns, .connect = times_.connect, .tls = times_.tls, .total = net::Loop::event_time() - started_at_};
  const RequestName name{.method = "CONNECT", .host_and_port = destination};
  context_.access.write(access_record(facts_.address, name, upstream, times, result));
}

}  // namespace keepwarm::proxy
