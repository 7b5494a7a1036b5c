#include "core/net/tls/tls_failure.h"

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/net/tls/tls_failure_text.h"
#include "tests/unit/net/tls/tls_fixture.h"

namespace keepwarm::net::test {
namespace {

using State = TlsSession::State;
using Kind = TlsFailure::Kind;

// 2020-01-01 and 2099-01-01
constexpr std::time_t kLongAgo = 1577836800, kFarAhead = 4070908800;

struct Refusal {
  std::string name = "server.example";  ///< that the client asks for
  CertificateSpec certificate{};
  std::string text;
};

/// What the client says to a server with this certificate, which must get no further.
TlsFailure failure_of(const CertificateSpec& spec, std::string_view name) {
  TlsFixture fixture;
  const Certificate certificate = make_certificate(spec);
  const TlsServerContext context({.certificate = &certificate});
  SessionPair pair(fixture, context, name);
  pair.talk();
  CHECK(pair.client.state() == State::Failed);
  CHECK_FALSE(pair.server.secured);
  CHECK(pair.server.alert > 0);  // the server is told why
  CHECK(fixture.tickets->count() == 0);
  return pair.failure();
}

TEST_CASE("a certificate that is refused is named, with the reason") {
  const Certificate stranger = make_authority("Stranger CA");
  const std::string ours = "the certificate 'CN=server.example' issued by 'CN=Test CA' is refused: ";
  const Refusal cases[] = {
      {"other.example", {.issuer = &authority()}, ours + "it is for 'server.example', not for 'other.example'"},
      {"a.server.example", {.issuer = &authority()}, ours + "it is for 'server.example', not for 'a.server.example'"},
      {"127.0.0.1", {.issuer = &authority()}, ours + "it is for 'server.example', not for '127.0.0.1'"},
      {"::1", {.issuer = &authority()}, ours + "it is for 'server.example', not for '0:0:0:0:0:0:0:1'"},
      {"wild.example",
       {.alternative_names = "DNS:a.example,DNS:b*.example,IP:10.0.0.1,IP:::2,DNS:c.example", .issuer = &authority()},
       ours + "it is for 'a.example', 'b*.example', '10.0.0.1' and 2 more, not for 'wild.example'"},
      {"bb.test.example",  // RFC 6125 lets a part of a label be a wildcard; nobody needs it
       {.alternative_names = "DNS:b*.test.example", .issuer = &authority()},
       ours + "it is for 'b*.test.example', not for 'bb.test.example'"},
      {"server.example",
       {.ends = kLongAgo, .issuer = &authority()},
       ours + "certificate has expired (2020-01-01 00:00:00 UTC)"},
      {"server.example",
       {.begins = kFarAhead, .ends = kFarAhead + 1000, .issuer = &authority()},
       ours + "certificate is not yet valid (2099-01-01 00:00:00 UTC)"},
      {"server.example",
       {.usage = "clientAuth", .issuer = &authority()},
       ours + "unsuitable certificate purpose (its extended key usage is not that of a server)"},
      {"server.example",
       {},
       "the certificate 'CN=server.example' issued by 'CN=server.example' is refused: self-signed certificate"},
      {"server.example",
       {.issuer = &stranger},
       "the certificate 'CN=server.example' issued by 'CN=Stranger CA' is refused: unknown CA (unable to get local "
       "issuer certificate)"},
      {"other.example",
       {.name = "", .issuer = &authority()},
       "the certificate for 'server.example' issued by 'CN=Test CA' is refused: it is for 'server.example', not for "
       "'other.example'"},
      {"server.example",  // a common name is no name of a host
       {.alternative_names = "", .issuer = &authority()},
       ours + "it is for no host that it names, not for 'server.example'"},
      {"other.example",
       {.name = "", .alternative_names = "", .issuer = &authority()},
       "the certificate '(no name)' issued by 'CN=Test CA' is refused: it is for no host that it names, not for "
       "'other.example'"},
  };
  for (const Refusal& c : cases) {
    CAPTURE(c.text);
    const TlsFailure failure = failure_of(c.certificate, c.name);
    CHECK(failure.kind == Kind::Certificate);
    CHECK(failure.text == c.text);
  }
}

TEST_CASE("a certificate with the right name, wildcard or address is accepted") {
  struct Case {
    const char* name;
    const char* alternative_names;
  };
  const Case cases[] = {{"server.example", "DNS:other.example,DNS:server.example"},
                        {"a.server.example", "DNS:*.server.example"},
                        {"127.0.0.1", "IP:127.0.0.1"},
                        {"::1", "IP:::1"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TlsFixture fixture;
    const Certificate certificate =
        make_certificate({.name = "x", .alternative_names = c.alternative_names, .issuer = &authority()});
    const TlsServerContext context({.certificate = &certificate});
    SessionPair pair(fixture, context, c.name);
    pair.talk();
    CHECK(pair.client.state() == State::Open);
  }
}

TEST_CASE("the issuer that has expired is the one that is named") {
  TlsFixture fixture;
  const Certificate old = make_certificate({.name = "Old CA",
                                            .alternative_names = "",
                                            .usage = "",
                                            .ends = kLongAgo,
                                            .authority = true,
                                            .issuer = &authority()});
  const Certificate certificate = make_certificate({.issuer = &old});
  const TlsServerContext context({.certificate = &certificate, .chain = {&old}});
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.failure().text ==
        "the certificate 'CN=Old CA' issued by 'CN=Test CA' is refused: certificate has expired (2020-01-01 00:00:00 "
        "UTC)");
}

TEST_CASE("what a server has written into its certificate cannot harm who reads the message") {
  const std::string nasty = "<script>alert(1)</script>&\"\t\x7f\x01 \xc3\xa9 ";
  for (const bool as_host : {false, true}) {
    CAPTURE(as_host);
    const std::string host = "DNS:" + nasty + std::string(300, 'x');
    const TlsFailure failure = failure_of({.name = as_host ? "x" : nasty + "\r\n",
                                           .alternative_names = as_host ? host : "DNS:x.example",
                                           .issuer = &authority()},
                                          "server.example");
    CAPTURE(failure.text);
    CHECK(std::all_of(failure.text.begin(), failure.text.end(), [](char c) { return c >= ' ' && c <= '~'; }));
    CHECK(failure.text.find_first_of("<>&\"") == std::string::npos);
    CHECK(failure.text.find("script") != std::string::npos);
    CHECK(failure.text.size() < 300);
  }
}

TEST_CASE("without verification every certificate does") {
  TlsFixture fixture;
  fixture.settings.verify = false;
  const Certificate certificate = make_certificate({.usage = "clientAuth", .ends = kLongAgo});
  const TlsServerContext context({.certificate = &certificate});
  SessionPair pair(fixture, context, "other.example");
  pair.talk();
  CHECK(pair.client.state() == State::Open);
  CHECK(pair.server.server_name() == "other.example");
}

TEST_CASE("an alert of the server is told with its name and number") {
  TlsFixture fixture;
  SUBCASE("no_application_protocol") {
    const TlsServerContext context({.refuse_alpn = true});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.failure().kind == Kind::Alert);
    CHECK(pair.failure().alert == 120);
    CHECK(pair.failure().text == "the server sent the TLS alert 'no application protocol' (120)");
  }
  SUBCASE("handshake_failure: a client certificate is missing in TLS 1.2") {
    const TlsServerContext context({.newest = TLS1_2_VERSION, .demand_certificate = true});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.failure().kind == Kind::Alert);
    CHECK(pair.failure().alert == 40);
    CHECK(pair.failure().text ==
          "the server sent the TLS alert 'handshake failure' (40), after it had asked for a client certificate");
  }
  SUBCASE("one that OpenSSL has no name for, or none at all") {
    for (const std::string_view record :
         {std::string_view("\x15\x03\x03\0\2\2\x6d", 7), {"\x15\x03\x03\0\2\2\xfa", 7}}) {
      const TlsServerContext context;
      SessionPair pair(fixture, context);
      pair.feed(record);
      CHECK(pair.failure().kind == Kind::Alert);
      CHECK(pair.failure().text == (record.back() == '\x6d' ? "the server sent the TLS alert 'missing extension' (109)"
                                                            : "the server sent the TLS alert 'unknown' (250)"));
    }
  }
}

TEST_CASE("a server that speaks no TLS, or one that is too old, is told so") {
  TlsFixture fixture;
  SUBCASE("plain text") {
    const TlsServerContext context;
    SessionPair pair(fixture, context);
    pair.feed("HTTP/1.1 400 Bad Request\r\n\r\n");
    CHECK(pair.failure().kind == Kind::Protocol);
    CHECK(pair.failure().text == "the server does not speak TLS");
  }
  SUBCASE("the ServerHello of TLS 1.1") {
    const TlsServerContext context;
    SessionPair pair(fixture, context);
    const std::string body = std::string("\x03\x02", 2) + std::string(32, 'r') + std::string("\0\0\x2f\0", 4);
    const std::string hello = std::string("\x02\0\0", 3) + static_cast<char>(body.size()) + body;
    pair.feed(std::string("\x16\x03\x02\0", 4) + static_cast<char>(hello.size()) + hello);
    CHECK(pair.failure().kind == Kind::Protocol);
    CHECK(pair.failure().text == "the server speaks no version of TLS from 1.2 on (unsupported protocol)");
  }
  SUBCASE("a server with nothing but TLS 1.1") {
    const TlsServerContext context({.oldest = TLS1_VERSION, .newest = TLS1_1_VERSION});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.failure().kind == Kind::Alert);
    CHECK(pair.failure().text == "the server sent the TLS alert 'protocol version' (70)");
  }
}

TEST_CASE("a record that was tampered with breaks the session") {
  TlsFixture fixture;
  const TlsServerContext context;
  SessionPair pair(fixture, context);
  pair.talk();
  pair.server.write("one");
  pair.feed(pair.take_to_client());
  pair.server.write("two");
  std::string record = pair.take_to_client();
  record.back() ^= 1;
  pair.feed(record);
  CHECK(pair.got == "one");
  CHECK(pair.client.state() == State::Failed);
  CHECK(pair.failure().kind == Kind::Protocol);
  CHECK(pair.failure().text == "the TLS connection broke: decryption failed or bad record mac");
}

TEST_CASE("a connection that goes before the handshake is over is told so") {
  CHECK(closed_failure(0, false).text == "the connection was closed within the TLS handshake");
  CHECK(closed_failure(-ECONNRESET, false).text == "the connection was reset within the TLS handshake");
  CHECK(closed_failure(-ETIMEDOUT, false).text ==
        "the connection failed within the TLS handshake: connection timed out");
  CHECK(closed_failure(0, true).text ==
        "the connection was closed within the TLS handshake, after the server had asked for a client certificate");
  CHECK(closed_failure(0, true).kind == Kind::Closed);
}

TEST_CASE("a client certificate is given to who asks for it") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    WithIdentity fixture;
    const TlsServerContext context(
        {.newest = version, .demand_certificate = true, .client_authority = &fixture.issuer});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.server.secured);
    CHECK(pair.client.state() == State::Open);
    CHECK(pair.client.certificate_requested());
  }
}

TEST_CASE("in TLS 1.3 the verdict on the client's certificate is awaited") {
  SUBCASE("none was given") {
    TlsFixture fixture;
    const TlsServerContext context({.demand_certificate = true});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.failure().kind == Kind::Alert);
    CHECK(pair.failure().text ==
          "the server sent the TLS alert 'certificate required' (116), after it had asked for a client certificate");
  }
  SUBCASE("one that the server does not trust") {
    WithIdentity fixture;
    const TlsServerContext context({.demand_certificate = true, .client_authority = &authority()});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.failure().text ==
          "the server sent the TLS alert 'unknown CA' (48), after it had asked for a client certificate");
  }
  SUBCASE("nothing comes: it is for the owner to end the wait") {
    WithIdentity fixture;
    const TlsServerContext context({.tickets = 0, .demand_certificate = true, .client_authority = &fixture.issuer});
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.client.state() == State::AwaitingVerdict);
    pair.client.assume_accepted();
    pair.server.write("hello");
    pair.talk();
    CHECK(pair.got == "hello");
  }
  SUBCASE("bytes show that it is accepted") {
    WithIdentity fixture;
    const TlsServerContext context({.tickets = 0, .demand_certificate = true, .client_authority = &fixture.issuer});
    SessionPair pair(fixture, context);
    pair.talk();
    pair.server.write("hello");
    pair.talk();
    CHECK(pair.client.state() == State::Open);
    CHECK(pair.got == "hello");
  }
}

}  // namespace
}  // namespace keepwarm::net::test
