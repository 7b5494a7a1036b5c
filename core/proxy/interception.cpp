#include "core/proxy/interception.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "core/net/endpoint.h"

namespace keepwarm::proxy {

namespace {

using policy::TunnelReason;

/// An address of all interfaces stands for each of them, of its own family, and port 0 for the one that the kernel
/// gave.
bool is_at(const ListenAddress& wanted, const net::Endpoint& accepted) {
  const net::Endpoint listener(wanted);
  if (listener.is_unix() || accepted.is_unix()) return listener == accepted;
  const bool port = wanted.port() == 0 || wanted.port() == accepted.address().port();
  if (!port || !wanted.ip().is_unspecified()) return port && wanted.ip() == accepted.address().ip();
  return listener.address().family() == accepted.address().family();
}

std::string_view way_out(TunnelReason reason) noexcept {
  switch (reason) {
    case TunnelReason::Certificate:
      return "if it is a server of your own, trust its authority with tls.ca_file, else set intercept = false for it";
    case TunnelReason::ClientCertificate:
      return "set intercept = false for it, or give keepwarm a certificate with tls.client_certificate";
    default: return "set intercept = false for it";
  }
}

std::string_view lasts(TunnelReason reason) noexcept {
  return reason == TunnelReason::Certificate ? "1 minute" : "10 minutes";
}

}  // namespace

void Interception::configure(const policy::InterceptSettings& settings, std::shared_ptr<const net::LocalCa> ca) {
  settings_ = settings;
  ca_ = std::move(ca);
  server_.set_ca(ca_);
  verdicts_.clear();
  refusals_.clear();
}

// ---- Before the 200 ----

std::optional<std::size_t> Interception::generation_for(std::string_view host) const {
  if (!ca_) return std::nullopt;
  return policy::signing_generation(ca_->generations(), host, std::chrono::system_clock::now());
}

bool Interception::came_over_our_listener(net::Stream& client) const {
  if (settings_.listen.empty()) return true;
  const auto accepted = client.path().accepted_at();
  return accepted && std::any_of(settings_.listen.begin(), settings_.listen.end(),
                                 [&](const ListenAddress& wanted) { return is_at(wanted, *accepted); });
}

TunnelReason Interception::look_at(const Origin& destination, net::Stream& client, TimePoint now) {
  if (!came_over_our_listener(client)) return TunnelReason::Listener;
  if (!generation_for(destination.host)) return TunnelReason::Ca;
  return verdicts_.find(host_and_port(destination.host, destination.port), now);
}

// ---- After the hello ----

TunnelReason Interception::judge(const net::ClientHello& hello, const Origin& destination, net::Stream& client,
                                 InterceptedHello& answer, TimePoint now) {
  const TunnelReason against = policy::judge_hello({.server_name = hello.server_name(),
                                                    .has_server_name = hello.has_server_name,
                                                    .http_1_1 = hello.offers_http_1_1 || !hello.has_alpn,
                                                    .version = hello.offers_usable_cipher,
                                                    .ecdsa_p256 = hello.accepts_ecdsa_p256},
                                                   destination.host);
  if (against != TunnelReason::None) return against;
  const auto generation = generation_for(destination.host);
  if (!generation) return TunnelReason::Ca;
  const bool tunnel_if_refused = settings_.refused == policy::InterceptSettings::Refused::Tunnel;
  if (tunnel_if_refused && refusals_.refused_lately(destination.host, hello.shape, now)) return TunnelReason::Refused;
  // Once it has refused, its socket may be gone already.
  answer = {.generation = *generation, .shape = hello.shape, .uid = client.path().peer_uid()};
  return TunnelReason::None;
}

// ---- Servers ----

void Interception::server_is_fit(const Origin& server) {
  verdicts_.forget(host_and_port(server.host, server.port));
}

void Interception::server_wants_certificate(const Origin& server, TimePoint now) {
  add_verdict(server, TunnelReason::ClientCertificate, "it asks for a certificate of the client", now);
}

TunnelReason Interception::server_failed(const Origin& server, const pool::DialFailure& failure, TimePoint now) {
  using Step = pool::DialFailure::Step;
  if (failure.step != Step::Tls && failure.step != Step::Settings) return TunnelReason::None;
  const bool late = failure.connect.kind == net::ConnectFailure::Kind::Timeout;
  TunnelReason reason = TunnelReason::UpstreamTls;
  if (!late && failure.step == Step::Tls && failure.tls.kind == net::TlsFailure::Kind::Certificate) {
    reason = TunnelReason::Certificate;
  } else if (!late && failure.tls.certificate_requested) {
    reason = TunnelReason::ClientCertificate;
  }
  const std::string_view why = failure.step == Step::Settings ? std::string_view(failure.text)
                               : late                         ? std::string_view("the TLS handshake took too long")
                                                              : std::string_view(failure.tls.text);
  add_verdict(server, reason, why, now);
  return reason;
}

void Interception::add_verdict(const Origin& server, TunnelReason reason, std::string_view why, TimePoint now) {
  const std::string name = host_and_port(server.host, server.port);
  if (!verdicts_.add(name, reason, now)) return;
  std::string line = name + " is not intercepted for " + std::string(lasts(reason)) + " (";
  line.append(describe(reason)).append("): ").append(why);
  line.append("; CONNECT to it is a tunnel, in which the client judges by itself. ").append(way_out(reason));
  log_.write(LogLevel::Warn, line);
}

// ---- Clients ----

void Interception::client_refused(std::string_view host, const InterceptedHello& hello, std::string_view how,
                                  TimePoint now) {
  ++stats.refusals;
  if (!refusals_.add(host, hello.shape, now)) return;
  const std::string who = hello.uid ? "client of uid " + std::to_string(*hello.uid) : std::string("a client");
  log_.write(LogLevel::Warn, who + " refused the certificate for " + std::string(host) + " (" + std::string(how) +
                                 "): keepwarm ca test");
}

std::string_view refusal_in(const net::TlsFailure& failure) noexcept {
  if (failure.kind != net::TlsFailure::Kind::Alert) return {};
  switch (failure.alert) {  // RFC 8446 §6
    case 42: return "bad_certificate";
    case 43: return "unsupported_certificate";
    case 45: return "certificate_expired";
    case 46: return "certificate_unknown";
    case 48: return "unknown_ca";
    default: return {};
  }
}

}  // namespace keepwarm::proxy
