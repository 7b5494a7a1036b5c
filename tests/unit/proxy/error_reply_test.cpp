#include "core/proxy/error_reply.h"

#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/text.h"

namespace keepwarm::proxy::test {
namespace {

using keepwarm::test::has;

using namespace std::chrono_literals;
using policy::FailureKind;
using policy::ProxyStatusMode;

constexpr std::string_view kDate = "Sun, 06 Nov 1994 08:49:37 GMT";

std::string written(const ErrorReply& reply, ProxyStatusMode mode = ProxyStatusMode::Errors, Duration timeout = 60s) {
  std::string out;
  write_error_reply(out, reply, mode, timeout, kDate);
  return out;
}

TEST_CASE("an answer of our own is complete, to the byte") {
  CHECK(written({.kind = FailureKind::ConnectionRefused, .explanation = "a:80: cannot connect", .keep_alive = true}) ==
        "HTTP/1.1 502 Bad Gateway\r\n"
        "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\n"
        "Proxy-Status: keepwarm; error=connection_refused\r\n"
        "Content-Length: 31\r\n"
        "Connection: keep-alive\r\n"
        "Keep-Alive: timeout=60\r\n"
        "\r\n"
        "keepwarm: a:80: cannot connect\n");
}

TEST_CASE("each answer has a status line with its reason") {
  struct Case {
    FailureKind kind;
    std::string_view line;
  };
  const Case cases[] = {{FailureKind::BadRequest, "HTTP/1.1 400 Bad Request\r\n"},
                        {FailureKind::RequestDenied, "HTTP/1.1 403 Forbidden\r\n"},
                        {FailureKind::ClientTooSlow, "HTTP/1.1 408 Request Timeout\r\n"},
                        {FailureKind::TargetTooLong, "HTTP/1.1 414 URI Too Long\r\n"},
                        {FailureKind::HeadTooLarge, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
                        {FailureKind::UnsupportedScheme, "HTTP/1.1 501 Not Implemented\r\n"},
                        {FailureKind::DnsError, "HTTP/1.1 502 Bad Gateway\r\n"},
                        {FailureKind::QueueTimeout, "HTTP/1.1 503 Service Unavailable\r\n"},
                        {FailureKind::ResponseTimeout, "HTTP/1.1 504 Gateway Timeout\r\n"},
                        {FailureKind::UnsupportedVersion, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
                        {FailureKind::LoopDetected, "HTTP/1.1 508 Loop Detected\r\n"}};
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(written({.kind = c.kind, .explanation = "x"}).starts_with(c.line));
  }
}

TEST_CASE("Proxy-Status can be turned off") {
  const ErrorReply reply{.kind = FailureKind::DnsTimeout, .explanation = "x"};
  CHECK_FALSE(has(written(reply, ProxyStatusMode::Off), "Proxy-Status"));
  CHECK(has(written(reply, ProxyStatusMode::Errors), "\r\nProxy-Status: keepwarm; error=dns_timeout\r\n"));
  CHECK(has(written(reply, ProxyStatusMode::Always), "\r\nProxy-Status: keepwarm; error=dns_timeout\r\n"));
}

TEST_CASE("nothing of the explanation can be taken for markup, a control sequence or a field") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  const std::string out = written({.kind = FailureKind::BadRequest, .explanation = all});
  const std::string body = out.substr(out.find("\r\n\r\n") + 4);
  REQUIRE(body.size() == 10 + 256 + 1);
  CHECK(body.starts_with("keepwarm: "));
  CHECK(body.back() == '\n');
  for (std::size_t c = 0; c < 256; ++c) {
    CAPTURE(c);
    const bool harmless = c >= 0x20 && c < 0x7F && c != '<' && c != '>' && c != '&' && c != '"';
    CHECK(body[10 + c] == (harmless ? static_cast<char>(c) : '?'));
  }
}

TEST_CASE("the answer to HEAD tells the length of the body that is not sent") {
  ErrorReply reply{.kind = FailureKind::DnsError, .explanation = "no such name"};
  const std::string with_body = written(reply);
  reply.without_body = true;
  const std::string without = written(reply);
  CHECK(without.ends_with("\r\n\r\n"));
  CHECK(has(without, "\r\nContent-Length: 23\r\n"));
  CHECK(with_body == without + "keepwarm: no such name\n");
}

TEST_CASE("an answer says whether the connection goes on, and for how long") {
  struct Case {
    bool keep_alive;
    Duration timeout;
    std::string_view fields;
  };
  const Case cases[] = {{false, 60s, "Connection: close\r\n"},
                        {true, 60s, "Connection: keep-alive\r\nKeep-Alive: timeout=60\r\n"},
                        {true, 1999ms, "Connection: keep-alive\r\nKeep-Alive: timeout=1\r\n"},
                        {true, 999ms, "Connection: keep-alive\r\n"},
                        {true, 0s, "Connection: keep-alive\r\n"}};
  for (const Case& c : cases) {
    CAPTURE(c.fields);
    std::string out = "before ";
    write_connection_fields(out, c.keep_alive, c.timeout);
    CHECK(out == "before " + std::string(c.fields));
    const std::string reply =
        written({.kind = FailureKind::DnsError, .explanation = "x", .keep_alive = c.keep_alive}, {}, c.timeout);
    CHECK(has(reply, "\r\n" + std::string(c.fields) + "\r\n"));
  }
}

TEST_CASE("a reply is appended to what is already to be sent") {
  std::string out = "HTTP/1.1 100 Continue\r\n\r\n";
  write_error_reply(out, {.kind = FailureKind::DnsError, .explanation = "x"}, {}, 60s, kDate);
  CHECK(out.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 502 "));
}

}  // namespace
}  // namespace keepwarm::proxy::test
