#include "core/proxy/router.h"

#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/proxy/request.h"

namespace keepwarm::proxy::test {
namespace {

using policy::FailureKind;

constexpr std::string_view kPseudonym = "keepwarm-0a1b2c3d";

/// A request line and the fields behind its Host field, as a whole head.
std::string with_host(std::string_view line, std::string_view fields = {}) {
  return std::string(line) + " HTTP/1.1\r\nHost: h\r\n" + std::string(fields) + "\r\n";
}

TEST_CASE("a request that may not go on is refused with its reason") {
  struct Case {
    std::string_view name;
    std::string wire;
    FailureKind failure;
    std::string_view explains;
    bool unframed = false;
  };
  const Case cases[] = {
      {"an unknown coding", with_host("POST http://a/", "Transfer-Encoding: gzip, chunked\r\n"),
       FailureKind::BadRequest, "other than exactly one chunked", true},
      {"two hosts", with_host("GET http://a/", "Host: a\r\n"), FailureKind::BadRequest, "repeated or malformed Host",
       true},
      {"no host", "GET http://a/ HTTP/1.1\r\n\r\n", FailureKind::BadRequest, "missing, repeated or malformed Host",
       true},
      {"CONNECT with a body", with_host("CONNECT a:443", "Content-Length: 3\r\n"), FailureKind::BadRequest,
       "CONNECT with a body", true},
      {"CONNECT with a chunked body", with_host("CONNECT a:443", "Transfer-Encoding: chunked\r\n"),
       FailureKind::BadRequest, "CONNECT with a body", true},
      {"userinfo", with_host("GET http://user:secret@a/"), FailureKind::BadRequest, "the request-target is refused"},
      {"a fragment", with_host("GET http://a/#part"), FailureKind::BadRequest, "the request-target is refused"},
      {"no host in the target", with_host("GET http:///x"), FailureKind::BadRequest, "the request-target is refused"},
      {"a port that is none", with_host("GET http://a:65536/"), FailureKind::BadRequest,
       "the request-target is refused"},
      {"CONNECT without a port", with_host("CONNECT a"), FailureKind::BadRequest, "the request-target is refused"},
      {"CONNECT to a URL", with_host("CONNECT http://a:443/"), FailureKind::BadRequest,
       "the request-target is refused"},
      {"another scheme", with_host("GET ftp://a/"), FailureKind::UnsupportedScheme, "the request-target is refused"},
      {"ws without Upgrade", with_host("GET ws://a/"), FailureKind::UnsupportedScheme, "the request-target is refused"},
      {"wss without Upgrade", with_host("GET wss://a/"), FailureKind::UnsupportedScheme,
       "the request-target is refused"},
      {"a bad port with https", with_host("GET https://a:25/"), FailureKind::RequestDenied,
       "requests to a:25 are refused: bad_ports"},
      {"origin-form", with_host("GET /status"), FailureKind::NotForAProxy, "send an absolute URL"},
      {"asterisk-form", with_host("OPTIONS *"), FailureKind::NotForAProxy, "send an absolute URL"},
      {"CONNECT to a port that is not listed", with_host("CONNECT [::1]:22"), FailureKind::RequestDenied,
       "CONNECT to [::1]:22 is refused: connect_ports has no such port"},
      {"a bad port", with_host("GET http://a:25/"), FailureKind::RequestDenied,
       "requests to a:25 are refused: bad_ports"},
      {"a loop", with_host("GET http://a/", "Via: 1.1 keepwarm-0a1b2c3d\r\n"), FailureKind::LoopDetected,
       "the request for a:80 has been here before"},
      {"a loop further back", with_host("GET http://a/", "Via: 1.0 x, 1.1 keepwarm-0a1b2c3d\r\nVia: 1.1 y\r\n"),
       FailureKind::LoopDetected, "Via names this proxy"},
      {"CONNECT in a loop", with_host("CONNECT a:443", "Via: 1.1 keepwarm-0a1b2c3d\r\n"), FailureKind::LoopDetected,
       "the request for a:443 has been here before"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Request request(c.wire);
    const Route route = route_request(request.head(), {}, kPseudonym);
    CHECK(route.kind == Route::Kind::Refuse);
    CHECK(route.failure == c.failure);
    CAPTURE(route.explanation);
    CHECK(route.explanation.find(c.explains) != std::string::npos);
    CHECK(route.unframed == c.unframed);
  }
}

TEST_CASE("framing that is ambiguous is refused, should the parser let it pass") {
  const http::Field fields[] = {{"Host", "h", http::FieldId::Host},
                                {"Content-Length", "3", http::FieldId::ContentLength},
                                {"Transfer-Encoding", "chunked", http::FieldId::TransferEncoding}};
  http::RequestHead head;
  head.method = "POST";
  head.target = "http://a/";
  head.fields = fields;
  const Route route = route_request(head, {}, kPseudonym);
  CHECK(route.kind == Route::Kind::Refuse);
  CHECK(route.unframed);
  CHECK(route.explanation == "the request is malformed: both Content-Length and Transfer-Encoding");
}

TEST_CASE("no refusal tells the path, the query or the userinfo") {
  for (const char* target : {"http://user:secret@a/secret?secret", "https://a:25/secret?secret", "http://a:25/secret",
                             "/secret?secret", "ftp://a/secret"}) {
    const Request request(with_host("GET " + std::string(target)));
    const Route route = route_request(request.head(), {}, kPseudonym);
    CAPTURE(route.explanation);
    CHECK(route.kind == Route::Kind::Refuse);
    CHECK(route.explanation.find("secret") == std::string::npos);
  }
}

TEST_CASE("an absolute URL is forwarded") {
  struct Case {
    std::string_view target;
    std::string_view host;
    std::uint16_t port;
    std::string_view path;
  };
  const Case cases[] = {{"http://a/", "a", 80, "/"},
                        {"http://a", "a", 80, ""},
                        {"http://a:8080/x?y=1", "a", 8080, "/x?y=1"},
                        {"http://a?q", "a", 80, "?q"},
                        {"http://[::1]:81/%41//..", "::1", 81, "/%41//.."}};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    const Request request(with_host("GET " + std::string(c.target)));
    const Route route = route_request(request.head(), {}, kPseudonym);
    CHECK(route.kind == Route::Kind::Forward);
    CHECK(route.target.host == c.host);
    CHECK(route.target.port == c.port);
    CHECK(route.target.path_and_query == c.path);
    CHECK_FALSE(route.upgrade);
    CHECK_FALSE(route.max_forwards);
  }
}

TEST_CASE("an https URL is forwarded as such") {
  for (const char* wire : {"GET https://a/x", "GET wss://a/x"}) {
    CAPTURE(wire);
    const Request request(with_host(wire, "Connection: upgrade\r\nUpgrade: websocket\r\n"));
    const Route route = route_request(request.head(), {}, kPseudonym);
    CHECK(route.kind == Route::Kind::Forward);
    CHECK(route.target.scheme == Scheme::Https);
    CHECK(route.target.port == 443);
    CHECK(route.upgrade);
  }
}

TEST_CASE("a parent proxy gets the whole URL") {
  struct Case {
    std::string_view request, sent;
  };
  const Case cases[] = {{"GET http://A.example/x?y=%41", "http://A.example/x?y=%41"},
                        {"GET http://a:8080/", "http://a:8080/"},
                        {"GET http://a", "http://a/"},
                        {"GET http://a?q", "http://a/?q"},
                        {"OPTIONS http://a", "http://a"},
                        {"OPTIONS http://a?q", "http://a/?q"},
                        {"OPTIONS http://a/", "http://a/"},
                        {"GET http://[::1]:81/", "http://[::1]:81/"}};
  for (const Case& c : cases) {
    CAPTURE(c.request);
    const Request request(with_host(c.request));
    const Route route = route_request(request.head(), {}, kPseudonym);
    std::string scratch;
    CHECK(target_for_parent(request.head(), route.target, scratch) == c.sent);
  }
}

TEST_CASE("an authority loses its port and nothing else") {
  struct Case {
    std::string_view target, authority;
  };
  const Case cases[] = {{"http://A.example:80/", "A.example"},
                        {"http://a./", "a."},
                        {"http://a:/", "a"},
                        {"http://[::1]:80/", "[::1]"},
                        {"http://[::1]/", "[::1]"}};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    const auto target = http::parse_target(c.target, false, false);
    REQUIRE(target);
    CHECK(authority_without_port(*target) == c.authority);
  }
}

TEST_CASE("a route carries the framing of the body, a refused one too, so that it can be read away") {
  const Request forwarded(with_host("POST http://a/", "Content-Length: 7\r\n"));
  CHECK(route_request(forwarded.head(), {}, kPseudonym).framing ==
        http::BodyFraming{http::BodyFraming::Kind::Length, 7});
  const Request refused(with_host("POST http://a:25/", "Transfer-Encoding: chunked\r\n"));
  const Route route = route_request(refused.head(), {}, kPseudonym);
  CHECK(route.kind == Route::Kind::Refuse);
  CHECK(route.framing.kind == http::BodyFraming::Kind::Chunked);
}

TEST_CASE("the settings say which ports CONNECT may reach") {
  policy::ProxySettings settings;
  settings.connect_ports = {{443, 443}, {8000, 8002}};
  for (const unsigned port : {442U, 443U, 444U, 7999U, 8000U, 8001U, 8002U, 8003U}) {
    CAPTURE(port);
    const Request request(with_host("CONNECT a:" + std::to_string(port)));
    const Route route = route_request(request.head(), settings, kPseudonym);
    const bool listed = port == 443 || (port >= 8000 && port <= 8002);
    CHECK(route.kind == (listed ? Route::Kind::Tunnel : Route::Kind::Refuse));
    if (listed) CHECK(route.target.port == port);
  }
}

TEST_CASE("a CONNECT whose length is 0 has no body") {
  const Request request(with_host("CONNECT a:443", "Content-Length: 0\r\n"));
  CHECK(route_request(request.head(), {}, kPseudonym).kind == Route::Kind::Tunnel);
}

TEST_CASE("bad ports are for absolute URLs, and may be allowed") {
  const Request request(with_host("GET http://a:25/"));
  policy::ProxySettings settings;
  settings.bad_ports = policy::BadPorts::Allow;
  CHECK(route_request(request.head(), settings, kPseudonym).kind == Route::Kind::Forward);
  settings.bad_ports = policy::BadPorts::Refuse;
  CHECK(route_request(request.head(), settings, kPseudonym).kind == Route::Kind::Refuse);
  settings.connect_ports = {{25, 25}};  // an explicit list
  const Request connect(with_host("CONNECT a:25"));
  CHECK(route_request(connect.head(), settings, kPseudonym).kind == Route::Kind::Tunnel);
}

TEST_CASE("Max-Forwards counts for OPTIONS and TRACE only") {
  struct Case {
    std::string_view method, value;
    Route::Kind kind;
    std::optional<std::uint64_t> sent_on;
  };
  const Case cases[] = {{"OPTIONS", "0", Route::Kind::AnswerOptions, std::nullopt},
                        {"TRACE", "0", Route::Kind::AnswerTrace, std::nullopt},
                        {"OPTIONS", "1", Route::Kind::Forward, 0},
                        {"TRACE", "17", Route::Kind::Forward, 16},
                        {"TRACE", "18446744073709551615", Route::Kind::Forward, 18446744073709551614U},
                        {"OPTIONS", "-1", Route::Kind::Forward, std::nullopt},
                        {"OPTIONS", "two", Route::Kind::Forward, std::nullopt},
                        {"GET", "0", Route::Kind::Forward, std::nullopt},
                        {"options", "0", Route::Kind::Forward, std::nullopt}};
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.value);
    const Request request(
        with_host(std::string(c.method) + " http://a/", "Max-Forwards: " + std::string(c.value) + "\r\n"));
    const Route route = route_request(request.head(), {}, kPseudonym);
    CHECK(route.kind == c.kind);
    CHECK(route.max_forwards == c.sent_on);
  }
}

TEST_CASE("a request that is refused anyway is not answered for its Max-Forwards") {
  const Request request(with_host("OPTIONS http://a:25/", "Max-Forwards: 0\r\n"));
  CHECK(route_request(request.head(), {}, kPseudonym).kind == Route::Kind::Refuse);
}

TEST_CASE("an upgrade is wanted when it may be passed on") {
  struct Case {
    std::string_view name;
    std::string wire;
    bool upgrade;
  };
  const Case cases[] = {
      {"websocket", with_host("GET http://a/", "Connection: upgrade\r\nUpgrade: websocket\r\n"), true},
      {"h2c", with_host("GET http://a/", "Connection: upgrade\r\nUpgrade: h2c\r\n"), false},
      {"not nominated", with_host("GET http://a/", "Upgrade: websocket\r\n"), false},
      {"HTTP/1.0", "GET http://a/ HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Request request(c.wire);
    const Route route = route_request(request.head(), {}, kPseudonym);
    CHECK(route.kind == Route::Kind::Forward);
    CHECK(route.upgrade == c.upgrade);
  }
}

TEST_CASE("ws with an Upgrade is taken as http") {
  const Request request(with_host("GET ws://a/chat", "Connection: upgrade\r\nUpgrade: websocket\r\n"));
  const Route route = route_request(request.head(), {}, kPseudonym);
  CHECK(route.kind == Route::Kind::Forward);
  CHECK(route.upgrade);
  CHECK(route.target.scheme == Scheme::Http);
  CHECK(route.target.port == 80);
  CHECK(route.target.path_and_query == "/chat");
}

TEST_CASE("another keepwarm in Via is no loop") {
  const Request request(with_host("GET http://a/", "Via: 1.1 keepwarm-00000000\r\n"));
  CHECK(route_request(request.head(), {}, kPseudonym).kind == Route::Kind::Forward);
}

TEST_CASE("the forwarded target is path and query byte for byte") {
  struct Case {
    std::string_view method, target, forwarded;
  };
  const Case cases[] = {{"GET", "http://a/x/../%7e?a=b&c", "/x/../%7e?a=b&c"},
                        {"GET", "http://a", "/"},
                        {"GET", "http://a:80", "/"},
                        {"GET", "http://a?q=1", "/?q=1"},
                        {"GET", "http://a/?", "/?"},
                        {"OPTIONS", "http://a", "*"},
                        {"OPTIONS", "http://a/", "/"},
                        {"OPTIONS", "http://a?q", "/?q"},
                        {"GET", "http://a//", "//"}};
  for (const Case& c : cases) {
    CAPTURE(c.method);
    CAPTURE(c.target);
    const Request request(with_host(std::string(c.method) + ' ' + std::string(c.target)));
    const Route route = route_request(request.head(), {}, kPseudonym);
    REQUIRE(route.kind == Route::Kind::Forward);
    std::string scratch = "what was there before";
    CHECK(forwarded_target(request.head(), route.target, scratch) == c.forwarded);
  }
}

}  // namespace
}  // namespace keepwarm::proxy::test
