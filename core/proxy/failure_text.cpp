#include "core/proxy/failure_text.h"

#include <sys/socket.h>

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
    case Kind::DnsTimeout: return {FailureKind::DnsTimeout, "the name look-up took too long"};
    case Kind::Timeout: return {FailureKind::ConnectTimeout, "connecting took too long"};
    case Kind::Refused: return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
    case Kind::Unroutable: return {FailureKind::Unroutable, with_reason("cannot connect", failure)};
    case Kind::Denied: return {FailureKind::DestinationDenied, "this destination may not be reached"};
    case Kind::Ourselves:
      return {FailureKind::NotForAProxy, "this is the proxy itself: a request through it to itself would never end"};
    case Kind::OutOfDescriptors: return {FailureKind::OutOfResources, with_reason("cannot connect", failure)};
    case Kind::Other: return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
  }
  return {FailureKind::ConnectionRefused, with_reason("cannot connect", failure)};
}

ExplainedFailure explain(const pool::CheckoutFailure& failure) {
  if (failure.queue_timeout) {
    return {FailureKind::QueueTimeout, "all connections to it are busy (max_connections), and none came free in time"};
  }
  return explain(failure.connect);
}

}  // namespace keepwarm::proxy
