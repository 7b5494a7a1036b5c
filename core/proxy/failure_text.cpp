#include "core/proxy/failure_text.h"

#include <sys/socket.h>

#include "core/http/fields.h"
#include "core/net/error_text.h"

namespace keepwarm::proxy {

using Kind = net::ConnectFailure::Kind;
using policy::FailureKind;

namespace {

std::string with_reason(std::string_view what, const net::ConnectFailure& failure) {
  std::string text(what);
  if (failure.address.family() != AF_UNSPEC) text += " (" + failure.address.text() + ")";
  if (failure.error != 0) text.append(": ").append(net::error_text(failure.error));
  return text;
}

}  // namespace

ExplainedFailure explain(const net::ConnectFailure& failure) {
  switch (failure.kind) {
    case Kind::Dns: return {FailureKind::DnsError, with_reason("the name does not resolve", failure)};
    case Kind::DnsTimeout: return {FailureKind::DnsTimeout, "the name look-up took too long", {}, "dns_timeout"};
    case Kind::Timeout: return {FailureKind::ConnectTimeout, "connecting took too long", {}, "connect_timeout"};
    case Kind::Refused: return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
    case Kind::Unroutable: return {FailureKind::Unroutable, with_reason("cannot connect", failure)};
    case Kind::Denied:
      return {FailureKind::DestinationDenied, "this destination may not be reached", {}, "deny_destinations"};
    case Kind::Ourselves:
      return {FailureKind::NotForAProxy, "this is the proxy itself: a request through it to itself would never end"};
    case Kind::OutOfDescriptors: return {FailureKind::OutOfResources, with_reason("cannot connect", failure)};
    case Kind::Other: return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
  }
  return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
}

ExplainedFailure explain(const net::TlsFailure& failure) {
  switch (failure.kind) {
    case net::TlsFailure::Kind::Certificate: return {FailureKind::TlsCertificate, failure.text};
    case net::TlsFailure::Kind::Alert:
      return {FailureKind::TlsAlert, failure.text, "; alert-id=" + std::to_string(failure.alert)};
    case net::TlsFailure::Kind::Protocol: return {FailureKind::TlsProtocol, failure.text};
    case net::TlsFailure::Kind::Closed: return {FailureKind::ConnectionTerminated, failure.text};
  }
  return {FailureKind::TlsProtocol, failure.text};
}

ExplainedFailure explain_407(std::string_view schemes) {
  std::string text = "the parent proxy wants other credentials than those of the key parent (407)";
  http::ListElements offered(schemes);
  bool basic = schemes.empty();
  while (const auto scheme = offered.next()) basic = basic || http::equals_ignoring_case(*scheme, "basic");
  if (!basic) {
    text = "the parent proxy offers only " + std::string(schemes) +
           " (407), which keepwarm does not speak: point the key parent at a helper that does, such as px or cntlm";
  }
  return {FailureKind::Misconfigured, std::move(text), {}, "parent"};
}

namespace {

ExplainedFailure explain_parent(std::uint16_t status, std::string_view schemes) {
  if (status == 0) return {FailureKind::ParentRefused, "the parent proxy gave no valid answer to CONNECT"};
  if (status == 407) return explain_407(schemes);
  return {FailureKind::ParentRefused, "the parent proxy refused the tunnel with status " + std::to_string(status)};
}

std::string_view too_late(pool::DialFailure::Step step) noexcept {
  return step == pool::DialFailure::Step::Tls ? "the TLS handshake took too long"
                                              : "the parent proxy took too long to open a tunnel";
}

}  // namespace

ExplainedFailure explain(const pool::DialFailure& failure) {
  using Step = pool::DialFailure::Step;
  const bool in_time = failure.connect.kind != Kind::Timeout;
  switch (failure.step) {
    case Step::Connect: break;
    case Step::Settings:
      return {FailureKind::Misconfigured, "its TLS settings cannot be used: " + failure.text, {}, "tls"};
    case Step::Parent:
      if (in_time) return explain_parent(failure.parent_status, failure.parent_schemes);
      return {FailureKind::ConnectTimeout, std::string(too_late(failure.step)), {}, "connect_timeout"};
    case Step::Tls:
      if (in_time) return explain(failure.tls);
      return {FailureKind::ConnectTimeout, std::string(too_late(failure.step)), {}, "connect_timeout"};
  }
  ExplainedFailure explained = explain(failure.connect);
  if (!failure.text.empty()) explained.text = failure.text + ": " + explained.text;
  return explained;
}

ExplainedFailure explain(const pool::CheckoutFailure& failure) {
  if (failure.queue_timeout) {
    return {FailureKind::QueueTimeout,
            "all connections to it are busy (max_connections), and none came free in time",
            {},
            "max_connections"};
  }
  return explain(failure.dial);
}

std::string_view describe_cut(ExchangeOutcome outcome) noexcept {
  switch (outcome) {
    case ExchangeOutcome::Client: return "the client left";
    case ExchangeOutcome::Origin: return "the server broke it off";
    case ExchangeOutcome::Timeout: return "nothing was sent for too long";
    case ExchangeOutcome::Shutdown: return "keepwarm was stopped, and did not wait any longer";
    case ExchangeOutcome::Completed:
    case ExchangeOutcome::Ourselves: break;
  }
  return {};
}

void add_delivery(ExplainedFailure& failure, policy::Delivery delivery) {
  const std::string_view what =
      delivery == policy::Delivery::NotDelivered ? "not delivered, safe to retry" : "may have been executed";
  failure.text.append("; ").append(what);
  failure.parameters.append("; details=\"").append(what).append("\"");
}

}  // namespace keepwarm::proxy
