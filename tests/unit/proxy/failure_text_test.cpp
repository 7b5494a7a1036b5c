#include "core/proxy/failure_text.h"

#include <string_view>

#include <doctest/doctest.h>
#include <uv.h>

namespace keepwarm::proxy::test {
namespace {

using policy::FailureKind;
using Failed = net::ConnectFailure::Kind;

TEST_CASE("every way not to get a connection has its kind and its words") {
  const auto address = net::SocketAddress::parse("192.0.2.1", 80);
  const auto address6 = net::SocketAddress::parse("2001:db8::1", 8080);
  REQUIRE(address);
  REQUIRE(address6);
  struct Case {
    net::ConnectFailure failure;
    FailureKind kind;
    std::string_view text;
  };
  const Case cases[] = {
      {{Failed::Dns, UV_EAI_NONAME, {}}, FailureKind::DnsError, "the name does not resolve: unknown node or service"},
      {{Failed::DnsTimeout, UV_ETIMEDOUT, {}}, FailureKind::DnsTimeout, "the name look-up took too long"},
      {{Failed::Timeout, UV_ETIMEDOUT, *address}, FailureKind::ConnectTimeout, "connecting took too long"},
      {{Failed::Refused, UV_ECONNREFUSED, *address},
       FailureKind::ConnectionRefused,
       "cannot connect (192.0.2.1:80): connection refused"},
      {{Failed::Unroutable, UV_ENETUNREACH, *address6},
       FailureKind::Unroutable,
       "cannot connect ([2001:db8::1]:8080): network is unreachable"},
      {{Failed::Denied, 0, *address}, FailureKind::DestinationDenied, "this destination may not be reached"},
      {{Failed::Ourselves, 0, *address},
       FailureKind::NotForAProxy,
       "this is the proxy itself: a request through it to itself would never end"},
      {{Failed::OutOfDescriptors, UV_EMFILE, {}}, FailureKind::OutOfResources, "cannot connect: too many open files"},
      {{Failed::Other, UV_EIO, *address}, FailureKind::ConnectionRefused, "cannot connect (192.0.2.1:80): i/o error"},
      {{Failed::Other, 0, {}}, FailureKind::ConnectionRefused, "cannot connect"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const ExplainedFailure explained = explain(c.failure);
    CHECK(explained.kind == c.kind);
    CHECK(explained.text == c.text);
    const ExplainedFailure of_checkout =
        explain(pool::CheckoutFailure{.queue_timeout = false, .dial = {.connect = c.failure}});
    CHECK(of_checkout.kind == c.kind);
    CHECK(of_checkout.text == c.text);
  }
}

TEST_CASE("each step of opening a connection has its kind and its words") {
  using Step = pool::DialFailure::Step;
  using Tls = net::TlsFailure::Kind;
  const net::ConnectFailure late{.kind = Failed::Timeout, .error = 0, .address = {}};
  struct Case {
    pool::DialFailure failure;
    FailureKind kind;
    std::string_view text, parameters;
  };
  const Case cases[] = {
      {{.step = Step::Tls, .tls = {Tls::Certificate, 0, "expired"}}, FailureKind::TlsCertificate, "expired", ""},
      {{.step = Step::Tls, .tls = {Tls::Alert, 40, "alert"}}, FailureKind::TlsAlert, "alert", "; alert-id=40"},
      {{.step = Step::Tls, .tls = {Tls::Protocol, 0, "no TLS"}}, FailureKind::TlsProtocol, "no TLS", ""},
      {{.step = Step::Tls, .tls = {Tls::Closed, 0, "closed"}}, FailureKind::ConnectionTerminated, "closed", ""},
      {{.step = Step::Tls, .connect = late}, FailureKind::ConnectTimeout, "the TLS handshake took too long", ""},
      {{.step = Step::Parent, .connect = late},
       FailureKind::ConnectTimeout,
       "the parent proxy took too long to open a tunnel",
       ""},
      {{.step = Step::Parent, .parent_status = 503},
       FailureKind::ParentRefused,
       "the parent proxy refused the tunnel with status 503",
       ""},
      {{.step = Step::Parent, .parent_status = 407},
       FailureKind::Misconfigured,
       "the parent proxy wants other credentials than those of the key parent (407)",
       ""},
      {{.step = Step::Parent, .parent_status = 407, .parent_schemes = "Digest, BASIC"},
       FailureKind::Misconfigured,
       "the parent proxy wants other credentials than those of the key parent (407)",
       ""},
      {{.step = Step::Parent, .parent_status = 407, .parent_schemes = "Negotiate, NTLM"},
       FailureKind::Misconfigured,
       "the parent proxy offers only Negotiate, NTLM (407), which keepwarm does not speak: point the key parent at a "
       "helper that does, such as px or cntlm",
       ""},
      {{.step = Step::Parent}, FailureKind::ParentRefused, "the parent proxy gave no valid answer to CONNECT", ""},
      {{.connect = {.kind = Failed::Dns, .error = UV_EAI_NONAME, .address = {}}, .text = "the parent proxy p:3128"},
       FailureKind::DnsError,
       "the parent proxy p:3128: the name does not resolve: unknown node or service",
       ""},
      {{.step = Step::Settings, .text = "ca_file /x: gone"},
       FailureKind::Misconfigured,
       "its TLS settings cannot be used: ca_file /x: gone",
       ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const ExplainedFailure explained = explain(c.failure);
    CHECK(explained.kind == c.kind);
    CHECK(explained.text == c.text);
    CHECK(explained.parameters == c.parameters);
  }
}

TEST_CASE("a queue that was too long is explained by its setting") {
  const ExplainedFailure explained = explain(pool::CheckoutFailure{.queue_timeout = true});
  CHECK(explained.kind == FailureKind::QueueTimeout);
  CHECK(explained.text.find("max_connections") != std::string::npos);
}

}  // namespace
}  // namespace keepwarm::proxy::test
