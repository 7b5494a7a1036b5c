// A client's connection that is more than requests in the clear: CONNECT and tunnels, and what is intercepted.

#include <utility>

#include "core/net/loop.h"
#include "core/net/tcp_stream.h"
#include "core/proxy/client_session.h"

namespace keepwarm::proxy {

using policy::FailureKind;

namespace {

/// An intercepted client that leaves so soon without a request has refused our certificate.
constexpr Duration kRefusesWithin = std::chrono::seconds(1);

}  // namespace

// ---- Tunnels ----

void ClientSession::begin_tunnel(const http::RequestHead& head, const http::Target& target, std::string_view early) {
  state_ = State::Connecting;
  tunnel_ = std::make_unique<ConnectRequest>(context_, *stream_, facts_, target, *this);
  connect_request().start(early, http::via_value(head.fields, head.version, context_.mode.via()));
}

void ClientSession::on_connected() {
  DeadlineWheel::disarm(*this);
  state_ = State::Tunnelling;
}

void ClientSession::on_connect_refused(FailureKind kind, std::string_view explanation, const FailureDetails& details) {
  if (state_ == State::Closed) return;  // aborted in the same turn of the loop
  const OwnAnswer answer = context_.own_answers.failure(
      {.kind = kind, .explanation = explanation, .parameters = details.parameters, .rule = details.rule});
  const bool sent = send_answer(answer);
  connect_request().log(result_of(answer, sent, details.tried));
  after_answer(answer);
}

void ClientSession::on_connect_ended(ExchangeOutcome outcome) {
  if (state_ == State::Closed) return;  // both streams may end in one turn of the loop
  connect_request().log_end(outcome);
  close();
}

void ClientSession::upgraded(std::unique_ptr<net::Stream> upstream, std::string upstream_name, std::string_view early,
                             Duration tunnel_timeout) {
  exchange_ = nullptr;
  DeadlineWheel::disarm(*this);
  state_ = State::Upgraded;
  ++context_.stats.tunnels;
  // By `new`, since a Tunnel cannot be moved.
  tunnel_ = std::unique_ptr<UpgradedTunnel>(new UpgradedTunnel{
      std::move(upstream_name), Tunnel(context_.deadlines, *stream_, std::move(upstream),
                                       policy::tunnel_limits(tunnel_timeout), context_.stats.open_tunnels, *this)});
  const std::string from_client = std::exchange(pending_, {});
  upgraded_tunnel().tunnel.start(from_client, early, facts_.ended);
}

void ClientSession::on_tunnel_ended(ExchangeOutcome) {
  if (state_ == State::Closed) return;
  context_.pool.tunnel_ended(upgraded_tunnel().to);
  close();
}

// ---- Interception ----

bool ClientSession::begin_handshake(std::string_view received, const InterceptedHello& hello) {
  auto* const tcp = dynamic_cast<net::TcpStream*>(stream_.get());
  if (tcp == nullptr) return false;
  static_cast<void>(stream_.release());
  std::unique_ptr<net::TcpStream> transport(tcp);
  stream_ = context_.interception.accept(transport, received, connect_request().host(), hello, connect_request());
  if (stream_ == nullptr) {
    stream_ = std::move(transport);
    return false;
  }
  state_ = State::Handshaking;
  context_.deadlines.arm(*this, net::Loop::event_time() + context_.mode.settings->client_header_timeout);
  return true;
}

void ClientSession::on_intercepted(std::unique_ptr<InterceptedClient> client) {
  if (state_ == State::Closed) return;  // aborted in the same turn of the loop
  tunnel_ = std::move(client);          // destroys the CONNECT request, whose last call this is
  facts_.intercepted = true;
  has_asked_ = false;
  // In TLS 1.3 we send nothing behind the client's Finished. A client with Nagle's algorithm holds its request back
  // until that is acknowledged, which the kernel does only after 40 ms.
  stream_->path().acknowledge_now();
  stream_->set_events(*this);
  stream_->resume_reading();
  await_head();
  if (context_.mode.draining) drain();
}

Route ClientSession::route(const http::RequestHead& head) {
  const InterceptedClient* const inside = facts_.intercepted ? intercepted() : nullptr;
  if (inside == nullptr) return route_request(head, *context_.mode.settings, context_.mode.pseudonym);
  const FixedOrigin fixed{inside->origin, inside->authority};
  return route_request(head, *context_.mode.settings, context_.mode.pseudonym, &fixed);
}

/// An intercepted client that says that it does not trust us, or goes at once, has refused our certificate (TLS 1.3: we
/// have finished the handshake before it says so).
void ClientSession::left_without_request() {
  InterceptedClient* const client = facts_.intercepted && !has_asked_ ? intercepted() : nullptr;
  if (client == nullptr || head_begun_ || !pending_.empty()) return;
  const net::TlsFailure* const failure = stream_->tls_failure();
  const TimePoint now = net::Loop::event_time();
  if (failure != nullptr) client->refusal = refusal_in(*failure);
  if (failure == nullptr && now - client->secured_at <= kRefusesWithin) {
    client->refusal = kLeftWithoutAlert;
  }
  if (client->refusal.empty()) return;
  context_.interception.client_refused(client->origin.host, client->hello, client->refusal, now);
}

/// We end the connection. Of an intercepted CONNECT without a request that is what its line will say.
void ClientSession::note_end(ExchangeOutcome outcome) noexcept {
  if (InterceptedClient* const client = facts_.intercepted ? intercepted() : nullptr) client->end = outcome;
}

/// Of an intercepted CONNECT that ended without a request.
void ClientSession::log_unused_interception() {
  const InterceptedClient* const client = intercepted();
  if (client == nullptr || !context_.access.enabled()) return;
  const std::string authority = host_and_port(client->origin.host, client->origin.port);
  AccessResult result{.status = 200, .outcome = facts_.ended ? ExchangeOutcome::Completed : client->end};
  result.failure.reason = describe_cut(result.outcome);
  if (result.outcome == ExchangeOutcome::Timeout) result.failure.rule = "client_idle_timeout";
  if (!client->refusal.empty()) {
    result.outcome = ExchangeOutcome::Client;
    result.failure = {.error = policy::answer_for(FailureKind::TlsAlert).proxy_status_error, .reason = client->refusal};
  }
  result.road = Road::Intercept;
  AccessTimes times = access_times(client->cost);
  times.total = net::Loop::event_time() - client->connect_at;
  context_.access.write(
      access_record(facts_.address, {.method = "CONNECT", .host_and_port = authority}, {}, times, result));
}

/// Of an intercepted client, whose paths no log shows.
void ClientSession::answer_inside(const OwnAnswer& own, std::string_view method) {
  const InterceptedClient& client = *intercepted();
  const std::string authority = host_and_port(client.origin.host, client.origin.port);
  answer(own,
         {.method = method, .host_and_port = authority, .scheme = name_of(client.origin.scheme), .path = kHiddenPath});
}

}  // namespace keepwarm::proxy
