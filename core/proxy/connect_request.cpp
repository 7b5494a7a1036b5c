#include "core/proxy/connect_request.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/net/loop.h"
#include "core/proxy/access_entry.h"
#include "core/proxy/failure_text.h"

namespace keepwarm::proxy {

using policy::TunnelReason;

namespace {

/// A client that says nothing for so long, after the 200 or within its hello, waits for the server to speak first.
constexpr Duration kLongestSilence = std::chrono::seconds(1);

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
  if (!settings_.intercept) return connect();
  why_ = context_.interception.look_at(destination_, client_, started_at_);
  if (why_ != TunnelReason::None || refused_by_parent_rule()) return connect();
  verify();
}

// ---- Interception ----

/// Then the tunnel will say so.
bool ConnectRequest::refused_by_parent_rule() const {
  return hop_.via == policy::NextHop::Via::Parent &&
         context_.pool.refuse_for_parent(destination_, facts_.local).has_value();
}

void ConnectRequest::verify() {
  step_ = Step::Verifying;
  const pool::HostRef host(context_.pool.host(destination_));
  const pool::ServerProof proof = host->proof(facts_.local);
  if (proof != pool::ServerProof::None) return server_verified(proof == pool::ServerProof::WantsCertificate);
  waiter_.emplace(static_cast<pool::CheckoutEvents&>(*this));
  host->checkout(*waiter_, {.replayable = true, .local_client = facts_.local}, started_at_);
}

void ConnectRequest::on_lease(pool::Lease lease, const pool::OpeningTimes& times) {
  times_ = times;
  const bool wants_certificate = lease.connection().facts.certificate_requested;
  if (!lease.connection().reused()) {  // it has just been opened
    context_.hosts.answered(destination_.host, destination_.port, net::Loop::event_time());
  }
  lease.give_back({.unused = true});
  server_verified(wants_certificate);
}

void ConnectRequest::server_verified(bool wants_certificate) {
  if (!wants_certificate || !settings_.tls_client_certificate.empty()) {
    context_.interception.server_is_fit(destination_);
    return await_hello();
  }
  context_.interception.server_wants_certificate(destination_, net::Loop::event_time());
  tunnel_instead(TunnelReason::ClientCertificate);
}

void ConnectRequest::on_checkout_failed(const pool::CheckoutFailure& failure) {
  if (!failure.queue_timeout) {
    const auto why = context_.interception.server_failed(destination_, failure.dial, net::Loop::event_time());
    if (why != TunnelReason::None) return tunnel_instead(why);
  }
  times_ = failure.dial.times;
  refuse(explain(failure), failure.dial.tried);
}

void ConnectRequest::await_hello() {
  if (!answer()) return;
  step_ = Step::AwaitingHello;
  hello_due_ = net::Loop::event_time() + context_.mode.settings->client_header_timeout;
  early_.empty() ? await_more_of_hello() : look_at_hello();
}

void ConnectRequest::await_more_of_hello() {
  if (client_ended_) return give_up_on_hello();
  context_.deadlines.arm(*this, std::min(net::Loop::event_time() + kLongestSilence, hello_due_));
}

void ConnectRequest::look_at_hello() {
  net::ClientHello hello;
  switch (net::read_client_hello(early_, hello)) {
    case net::HelloProgress::Incomplete: return await_more_of_hello();
    case net::HelloProgress::NotTls: return tunnel_instead(TunnelReason::NotTls);
    case net::HelloProgress::Complete: break;
  }
  // More than a client sends that waits for an answer; or it will not go on, so that there can be no handshake.
  const bool odd = early_.size() > net::Loop::kReadBufferSize || client_ended_;
  if (odd) return tunnel_instead(TunnelReason::NotTls);
  const TimePoint now = net::Loop::event_time();
  const TunnelReason against = context_.interception.judge(hello, destination_, client_, hello_, now);
  if (against != TunnelReason::None) return tunnel_instead(against);
  DeadlineWheel::disarm(*this);
  step_ = Step::Handshaking;
  handshake_began_ = now;
  const std::string received = std::move(early_);
  if (events_.begin_handshake(received, hello_)) return;
  early_ = received;
  tunnel_instead(TunnelReason::Ca);
}

/// The client says nothing more: it may wait for the server to speak first.
void ConnectRequest::give_up_on_hello() {
  tunnel_instead(early_.empty() ? TunnelReason::Silent : TunnelReason::NotTls);
}

void ConnectRequest::tunnel_instead(TunnelReason why) {
  why_ = why;
  DeadlineWheel::disarm(*this);
  connect();
}

void ConnectRequest::on_secured() {
  ++context_.interception.stats.intercepted;
  const TimePoint now = net::Loop::event_time();
  auto client = std::make_unique<InterceptedClient>(
      InterceptedClient{.origin = destination_,
                        .authority = destination_.port == default_port(Scheme::Https)
                                         ? host_in_url(destination_.host)
                                         : host_and_port(destination_.host, destination_.port),
                        .hello = hello_,
                        .cost = {.handshake = now - handshake_began_, .opening = times_},
                        .connect_at = started_at_,
                        .secured_at = now});
  events_.on_intercepted(std::move(client));
}

void ConnectRequest::on_handshake_failed(const net::TlsFailure& failure) {
  std::string_view how = refusal_in(failure);
  if (how.empty() && failure.kind == net::TlsFailure::Kind::Closed) how = kLeftWithoutAlert;
  if (!how.empty()) {
    context_.interception.client_refused(destination_.host, hello_, how, net::Loop::event_time());
  }
  late_failure_ = explain(failure);
  events_.on_connect_ended(ExchangeOutcome::Client);
}

// ---- The tunnel ----

void ConnectRequest::connect() {
  step_ = Step::Dialing;
  dial_ = context_.pool.dial(
      {.hop = hop_, .local_client = facts_.local, .timeout = settings_.connect_timeout, .via = via_}, *this);
}

void ConnectRequest::give_up() noexcept {
  DeadlineWheel::disarm(*this);
  if (waiter_) waiter_->withdraw();
  dial_.reset();
}

void ConnectRequest::client_ended() {
  client_ended_ = true;
  if (step_ == Step::AwaitingHello) give_up_on_hello();
}

void ConnectRequest::client_bytes(std::string_view bytes) {
  early_.append(bytes);
  if (step_ == Step::AwaitingHello) return look_at_hello();
  if (early_.size() < kMaxEarly) return;
  client_.pause_reading();
  events_.on_early_bytes_paused();
}

void ConnectRequest::on_dialed(pool::Dialed dialed) {
  dial_.reset();
  upstream_address_ = dialed.address;
  times_ = dialed.times;
  context_.hosts.answered(destination_.host, destination_.port, net::Loop::event_time());
  if (!answer()) return;
  ++context_.stats.tunnels;
  ++context_.interception.stats.tunnels[static_cast<std::size_t>(why_)];
  --context_.stats.open_tunnels;
  tunnel_.emplace(context_.deadlines, client_, std::move(dialed.stream),
                  policy::tunnel_limits(settings_.tunnel_timeout), context_.stats.open_tunnels, *this);
  events_.on_connected();
  const std::string early = std::move(early_);
  tunnel_->start(early, dialed.early, client_ended_);
}

/// False: the client is gone, and the request may be.
bool ConnectRequest::answer() {
  if (answered_) return true;
  const net::WriteResult written = net::write_all(client_, "HTTP/1.1 200 Connection established\r\n\r\n");
  answered_ = written != net::WriteResult::Failed;
  if (!answered_) events_.on_client_lost();
  return written != net::WriteResult::Failed;
}

void ConnectRequest::on_dial_failed(const pool::DialFailure& failure) {
  const bool out = failure.connect.kind == net::ConnectFailure::Kind::OutOfDescriptors;
  if (out && !std::exchange(connected_again_, true) && context_.pool.free_a_descriptor()) return connect();
  times_ = failure.times;
  const ExplainedFailure explained = explain(failure);
  const std::vector<net::SocketAddress> tried = failure.tried;
  dial_.reset();
  refuse(explained, tried);
}

void ConnectRequest::refuse(const ExplainedFailure& explained, const std::vector<net::SocketAddress>& tried) {
  context_.hosts.failed(destination_.host, destination_.port, explained.kind, explained.text, net::Loop::event_time());
  if (answered_) {  // only a reset can tell the client
    late_failure_ = explained;
    client_.reset_on_close();
    return events_.on_connect_ended(ExchangeOutcome::Origin);
  }
  const std::string explanation = host_and_port(destination_.host, destination_.port) + ": " + explained.text;
  events_.on_connect_refused(explained.kind, explanation,
                             {.parameters = explained.parameters, .rule = explained.rule, .tried = tried});
}

// ---- The log ----

void ConnectRequest::log_end(ExchangeOutcome outcome) {
  AccessResult result{.status = static_cast<std::uint16_t>(answered_ ? 200 : 0), .outcome = outcome};
  result.failure.reason = describe_cut(outcome);
  if (outcome == ExchangeOutcome::Timeout) {
    result.failure.rule = step_ == Step::Handshaking ? "client_header_timeout" : "tunnel_timeout";
  }
  if (late_failure_) {
    result.failure.error = policy::answer_for(late_failure_->kind).proxy_status_error;
    result.failure.reason = late_failure_->text;
  }
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
  result.road = step_ == Step::Handshaking ? Road::Intercept : Road::Tunnel;
  result.why = policy::describe(why_);
  context_.access.write(access_record(facts_.address, name, upstream, times, result));
}

}  // namespace keepwarm::proxy
