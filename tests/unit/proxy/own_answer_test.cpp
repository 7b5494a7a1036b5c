#include "core/proxy/own_answer.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/proxy/request.h"

namespace keepwarm::proxy::test {
namespace {

struct Answers {
  policy::ProxySettings settings;
  ServiceMode mode{.settings = &settings, .pseudonym = "keepwarm-test"};
  ProxyStats stats;
  ScratchBuffers scratch;
  OwnAnswerWriter writer{mode, stats, scratch};

  OwnAnswer refusal_of(std::string_view wire) {
    const Request request(wire);
    const Route route = route_request(request.head(), settings, mode.pseudonym);
    REQUIRE(route.kind == Route::Kind::Refuse);
    return writer.refusal(request.head(), route);
  }
  OwnAnswer last_forward_of(std::string_view wire) {
    const Request request(wire);
    return writer.last_forward(request.head(), route_request(request.head(), settings, mode.pseudonym));
  }
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

TEST_CASE("a refusal has its status, for the client and for the log, and keeps the connection if nothing follows") {
  struct Case {
    const char* name;
    std::string_view wire;
    std::uint16_t status;
    std::string_view error;
    bool keep_alive;
  };
  const Case cases[] = {
      {"for a web server", "GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "http_request_error", true},
      {"it said close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", 400, "http_request_error", false},
      {"with a body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n", 400, "http_request_error", false},
      {"CONNECT to a port that is not allowed", "CONNECT h:22 HTTP/1.1\r\nHost: h:22\r\n\r\n", 403,
       "http_request_denied", false},
      {"a loop", "GET http://h/ HTTP/1.1\r\nHost: h\r\nVia: 1.1 keepwarm-test\r\n\r\n", 508, "proxy_loop_detected",
       true},
      {"CONNECT with a body", "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nContent-Length: 4\r\n\r\n", 400,
       "http_request_error", false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Answers answers;
    const OwnAnswer answer = answers.refusal_of(c.wire);
    CHECK(answer.status == c.status);
    CHECK(answer.error == c.error);
    CHECK(answer.keep_alive == c.keep_alive);
    CHECK(answer.text.starts_with("HTTP/1.1 " + std::to_string(c.status)));
    CHECK(contains(answer.text, c.keep_alive ? "Connection: keep-alive\r\n" : "Connection: close\r\n"));
    CHECK(answers.stats.own_answers == 1);
  }
}

TEST_CASE("while we shut down no answer keeps the client's connection") {
  Answers answers;
  answers.mode.draining = true;
  CHECK_FALSE(answers.refusal_of("GET / HTTP/1.1\r\nHost: h\r\n\r\n").keep_alive);
}

TEST_CASE("a head that cannot be understood is answered by what is wrong with it, and closes") {
  struct Case {
    http::Fault fault;
    std::uint16_t status;
  };
  const Case cases[] = {{http::Fault::HeadTooLarge, 431},
                        {http::Fault::TooManyFields, 431},
                        {http::Fault::TargetTooLong, 414},
                        {http::Fault::UnsupportedVersion, 505},
                        {http::Fault::BareCrOrLf, 400}};
  for (const Case& c : cases) {
    Answers answers;
    const OwnAnswer answer = answers.writer.malformed_head(c.fault);
    CHECK(answer.status == c.status);
    CHECK_FALSE(answer.keep_alive);
  }
}

TEST_CASE("Max-Forwards: 0 is answered with 200; TRACE gets its head back without credentials") {
  Answers answers;
  const OwnAnswer options = answers.last_forward_of("OPTIONS http://h/ HTTP/1.1\r\nHost: h\r\nMax-Forwards: 0\r\n\r\n");
  CHECK(options.status == 200);
  CHECK(options.error.empty());
  CHECK(contains(options.text, "Content-Length: 0\r\n"));
  CHECK(options.keep_alive);
  const OwnAnswer trace =
      answers.last_forward_of("TRACE http://h/ HTTP/1.1\r\nHost: h\r\nCookie: secret\r\nMax-Forwards: 0\r\n\r\n");
  CHECK(contains(trace.text, "Content-Type: message/http\r\n"));
  CHECK(contains(trace.text, "TRACE http://h/ HTTP/1.1\r\n"));
  CHECK_FALSE(contains(trace.text, "secret"));
  CHECK(answers.stats.own_answers == 2);
}

}  // namespace
}  // namespace keepwarm::proxy::test
