// Requests of a client that is intercepted: there is one server that they can be for.

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/proxy/router.h"
#include "tests/unit/proxy/request.h"

namespace keepwarm::proxy::test {
namespace {

constexpr std::string_view kName = "keepwarm-0a1b2c3d";

const Origin kServer{Scheme::Https, "h.test", 8443};
const FixedOrigin kFixed{kServer, "h.test:8443"};

/// A head of these lines.
std::string head_of(std::string_view line, std::string_view fields) {
  return std::string(line) + "\r\n" + std::string(fields) + "\r\n";
}

}  // namespace

TEST_CASE("a request inside is for the server of its connection, with Host as it came") {
  struct Case {
    const char* name;
    std::string_view line, fields, authority, path;
  };
  const Case cases[] = {
      {"origin-form", "GET /a?b HTTP/1.1", "Host: h.test:8443\r\n", "h.test:8443", "/a?b"},
      {"another Host", "GET / HTTP/1.1", "Host: Other.test\r\n", "Other.test", "/"},
      {"an empty Host", "GET / HTTP/1.1", "Host:\r\n", "h.test:8443", "/"},
      {"HTTP/1.0 without Host", "GET / HTTP/1.0", "", "h.test:8443", "/"},
      {"absolute-form", "GET https://H.test.:8443/a HTTP/1.1", "Host: x\r\n", "H.test.:8443", "/a"},
      {"absolute-form of a WebSocket", "GET wss://h.test:8443/a HTTP/1.1",
       "Host: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n", "h.test:8443", "/a"},
      {"a port that browsers avoid", "GET https://h.test:8443/ HTTP/1.1", "Host: h.test\r\n", "h.test:8443", "/"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    const Request request(head_of(each.line, each.fields));
    const Route route = route_request(request.head(), {}, kName, &kFixed);
    REQUIRE(route.kind == Route::Kind::Forward);
    CHECK(route.target.scheme == Scheme::Https);
    CHECK(route.target.host == "h.test");
    CHECK(route.target.port == 8443);
    CHECK(route.target.authority == each.authority);
    std::string scratch;
    CHECK(forwarded_target(request.head(), route.target, scratch) == each.path);
  }
}

TEST_CASE("OPTIONS * inside goes to the server as it came") {
  const Request request(head_of("OPTIONS * HTTP/1.1", "Host: h.test\r\n"));
  const Route route = route_request(request.head(), {}, kName, &kFixed);
  REQUIRE(route.kind == Route::Kind::Forward);
  std::string scratch;
  CHECK(forwarded_target(request.head(), route.target, scratch) == "*");
}

TEST_CASE("a request inside that is for another server, or none, is refused") {
  struct Case {
    const char* name;
    std::string_view line, fields;
    policy::FailureKind failure = policy::FailureKind::BadRequest;
  };
  const Case cases[] = {
      {"another host", "GET https://other.test:8443/ HTTP/1.1", "Host: h.test\r\n"},
      {"another port", "GET https://h.test/ HTTP/1.1", "Host: h.test\r\n"},
      {"another scheme", "GET http://h.test:8443/ HTTP/1.1", "Host: h.test\r\n"},
      {"CONNECT", "CONNECT h.test:8443 HTTP/1.1", "Host: h.test:8443\r\n"},
      {"an asterisk that means nothing", "GET * HTTP/1.1", "Host: h.test\r\n"},
      {"no Host", "GET / HTTP/1.1", ""},
      {"two Hosts", "GET / HTTP/1.1", "Host: h.test\r\nHost: h.test\r\n"},
      {"a loop", "GET / HTTP/1.1", "Host: h.test\r\nVia: 1.1 keepwarm-0a1b2c3d\r\n", policy::FailureKind::LoopDetected},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    const Request request(head_of(each.line, each.fields));
    const Route route = route_request(request.head(), {}, kName, &kFixed);
    CHECK(route.kind == Route::Kind::Refuse);
    CHECK(route.failure == each.failure);
  }
}

}  // namespace keepwarm::proxy::test
