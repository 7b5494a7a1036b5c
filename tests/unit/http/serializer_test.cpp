#include "core/http/serializer.h"

#include "core/http/chunked_reader.h"
#include "wire.h"

namespace keepwarm::http::test {
namespace {

using namespace std::chrono_literals;
using Kind = BodyFraming::Kind;

/// A parsed head and what it points into.
template <typename Head>
struct Held {
  explicit Held(std::string text) : wire(std::move(text)) {
    HeadScan scan;
    if constexpr (std::is_same_v<Head, RequestHead>) {
      REQUIRE(parser.parse_request(wire, scan, {}, head) == HeadProgress::Complete);
    } else {
      REQUIRE(parser.parse_response(wire, scan, {}, head) == HeadProgress::Complete);
    }
  }
  std::string wire;
  HeadParser parser;
  Head head;
};

ForwardedRequest plain_request(const RequestHead& head) {
  ForwardedRequest how;
  how.method = head.method;
  how.target = "/";
  how.host = "h";
  return how;
}

/// Writes a request with the given fields on, as GET / for host h.
template <typename Adjust>
std::string forward_request(std::string_view field_lines, Adjust adjust, std::string_view version = "HTTP/1.1") {
  const Held<RequestHead> held("GET http://h/ " + std::string(version) + "\r\n" + std::string(field_lines) + "\r\n");
  ForwardedRequest how = plain_request(held.head);
  adjust(how);
  std::string out;
  write_request_head(out, held.head, how);
  CHECK(request(out).progress == HeadProgress::Complete);  // what we write, we would accept
  return out;
}
std::string forward_request(std::string_view field_lines) {
  return forward_request(field_lines, [](ForwardedRequest&) {});
}

template <typename Adjust>
std::string forward_response(std::string_view status_line, std::string_view field_lines, Adjust adjust) {
  const Held<ResponseHead> held(std::string(status_line) + "\r\n" + std::string(field_lines) + "\r\n");
  ForwardedResponse how;
  how.framing = {Kind::Length, 5};
  adjust(how);
  std::string out;
  write_response_head(out, held.head, how);
  CHECK(response(out).progress == HeadProgress::Complete);
  return out;
}
std::string forward_response(std::string_view field_lines) {
  return forward_response("HTTP/1.1 200 OK", field_lines, [](ForwardedResponse&) {});
}

}  // namespace

TEST_CASE("a request goes out with its target, its host first and its fields in their order") {
  const std::string out = forward_request("Host: other\r\nB: 2\r\nA: 1\r\nB:3\r\n", [](ForwardedRequest& how) {
    how.method = "POST";
    how.target = "/a?b";
    how.host = "Example.com:81";
    how.via = "keepwarm-01234567";
    how.framing = {Kind::Length, 12};
  });
  CHECK(out ==
        "POST /a?b HTTP/1.1\r\nHost: Example.com:81\r\nB: 2\r\nA: 1\r\nB: 3\r\nContent-Length: 12\r\n"
        "Via: 1.1 keepwarm-01234567\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a head is appended to what the string holds") {
  std::string out = "before";
  const Held<RequestHead> held("GET http://h/ HTTP/1.1\r\n\r\n");
  write_request_head(out, held.head, plain_request(held.head));
  CHECK(out == "beforeGET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("an HTTP/1.0 request goes out as HTTP/1.1 and Via tells") {
  const std::string out = forward_request(
      "", [](ForwardedRequest& how) { how.via = "keepwarm-01234567"; }, "HTTP/1.0");
  CHECK(out == "GET / HTTP/1.1\r\nHost: h\r\nVia: 1.0 keepwarm-01234567\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("fields that never pass in a request") {
  for (const std::string_view line :
       {"Connection: keep-alive", "Connection: close", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive",
        "TE: trailers", "Upgrade: websocket", "HTTP2-Settings: AAMAAABk", "Proxy-Authorization: Basic eDp5",
        "proxy-authenticate: Basic", "Content-Length: 5", "Transfer-Encoding: chunked", "HOST: other"}) {
    CAPTURE(line);
    CHECK(forward_request(std::string(line) + "\r\n") == "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
  }
}

TEST_CASE("fields that pass in a request") {
  for (const std::string_view line :
       {"Authorization: Basic eDp5", "Cookie: a=b", "Trailer: Digest", "Expect: 100-continue", "Max-Forwards: 5",
        "Accept: */*", "X-Forwarded-For: 1.2.3.4", "Cache-Control: no-cache", "Idempotency-Key: x"}) {
    CAPTURE(line);
    CHECK(forward_request(std::string(line) + "\r\n") ==
          "GET / HTTP/1.1\r\nHost: h\r\n" + std::string(line) + "\r\nConnection: keep-alive\r\n\r\n");
  }
}

TEST_CASE("a parent proxy gets our credentials, never the client's") {
  const auto ours = [](ForwardedRequest& how) { how.proxy_authorization = "Basic b3Vycw=="; };
  CHECK(forward_request("Proxy-Authorization: Basic dGhlaXJz\r\n", ours) ==
        "GET / HTTP/1.1\r\nHost: h\r\nProxy-Authorization: Basic b3Vycw==\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("nominated fields are removed, in any case and from any Connection field") {
  CHECK(forward_request(
            "X-a: 1\r\nConnection: x-A, x-c\r\nX-b: 2\r\nX-c: 3\r\nCONNECTION: X-D\r\nx-d: 4\r\nX-d: 5\r\n") ==
        "GET / HTTP/1.1\r\nHost: h\r\nX-b: 2\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("framing and routing stay even if nominated") {
  const std::string out = forward_request(
      "Connection: Host, Content-Length, Via, Transfer-Encoding, Max-Forwards, X\r\nContent-Length: 3\r\nVia: 1.1 a\r\n"
      "Max-Forwards: 7\r\nX: y\r\n",
      [](ForwardedRequest& how) {
        how.framing = {Kind::Length, 3};
      });
  CHECK(out ==
        "GET / HTTP/1.1\r\nHost: h\r\nVia: 1.1 a\r\nMax-Forwards: 7\r\nContent-Length: 3\r\nConnection: "
        "keep-alive\r\n\r\n");
}

TEST_CASE("framing is written once and anew") {
  const auto with = [](BodyFraming framing) {
    return forward_request("Content-Length: 5\r\n", [framing](ForwardedRequest& how) { how.framing = framing; });
  };
  CHECK(with({Kind::Length, 0}) == "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
  CHECK(with({Kind::Length, 18446744073709551615U}) ==
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551615\r\nConnection: keep-alive\r\n\r\n");
  CHECK(with({Kind::Chunked, 0}) ==
        "GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n");
  CHECK(with({}) == "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("our Via comes behind those that were received") {
  const std::string out = forward_request("Via: 1.0 a, 1.1 b\r\nA: x\r\nVia: 1.1 c\r\n",
                                          [](ForwardedRequest& how) { how.via = "keepwarm-01234567"; });
  CHECK(request(out).fields == Pairs{{"Host", "h"},
                                     {"Via", "1.0 a, 1.1 b"},
                                     {"A", "x"},
                                     {"Via", "1.1 c"},
                                     {"Via", "1.1 keepwarm-01234567"},
                                     {"Connection", "keep-alive"}});
}

TEST_CASE("an upgrade goes out without h2c") {
  const std::string out = forward_request(
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABk\r\n"
      "Sec-WebSocket-Version: 13\r\n",
      [](ForwardedRequest& how) { how.upgrade = true; });
  CHECK(out ==
        "GET / HTTP/1.1\r\nHost: h\r\nSec-WebSocket-Version: 13\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST_CASE("a request on a connection that is not kept says close") {
  CHECK(forward_request("", [](ForwardedRequest& how) { how.keep_alive = false; }) ==
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
}

TEST_CASE("Expect is dropped and Max-Forwards is replaced where that is asked for") {
  const std::string out = forward_request("Expect: 100-continue\r\nMax-Forwards: 5\r\n", [](ForwardedRequest& how) {
    how.drop_expect = true;
    how.max_forwards = 4;
  });
  CHECK(out == "GET / HTTP/1.1\r\nHost: h\r\nMax-Forwards: 4\r\nConnection: keep-alive\r\n\r\n");
  CHECK(forward_request("", [](ForwardedRequest& how) { how.max_forwards = 4; }) ==
        "GET / HTTP/1.1\r\nHost: h\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a response goes to the client with its status, its fields and what we add") {
  const std::string out =
      forward_response("HTTP/1.0 404 Not Found", "Server: s\r\nVia: 1.1 a\r\n", [](ForwardedResponse& how) {
        how.via = "keepwarm-01234567";
        how.keep_alive_timeout = 60'900ms;
        how.date = "Sun, 06 Nov 1994 08:49:37 GMT";
        how.proxy_status = "keepwarm; received-status=404";
      });
  CHECK(out ==
        "HTTP/1.1 404 Not Found\r\nServer: s\r\nVia: 1.1 a\r\nContent-Length: 5\r\nDate: Sun, 06 Nov 1994 08:49:37 "
        "GMT\r\n"
        "Via: 1.0 keepwarm-01234567\r\nProxy-Status: keepwarm; received-status=404\r\nConnection: keep-alive\r\n"
        "Keep-Alive: timeout=60\r\n\r\n");
}

TEST_CASE("a Date that was received stays as it is") {
  const std::string out =
      forward_response("HTTP/1.1 200 OK", "date: then\r\n", [](ForwardedResponse& how) { how.date = "now"; });
  CHECK(response(out).fields == Pairs{{"date", "then"}, {"Content-Length", "5"}, {"Connection", "keep-alive"}});
}

TEST_CASE("fields that never pass in a response") {
  for (const std::string_view line :
       {"Connection: close", "Keep-Alive: timeout=5, max=100", "Proxy-Connection: keep-alive", "TE: x", "Upgrade: h2",
        "Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x", "Proxy-Support: Session-Based-Authentication",
        "Content-Length: 7", "Transfer-Encoding: chunked"}) {
    CAPTURE(line);
    CHECK(forward_response(std::string(line) + "\r\n") ==
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  }
}

TEST_CASE("fields that pass in a response") {
  for (const std::string_view line : {"Trailer: Digest", "Set-Cookie: a=b", "WWW-Authenticate: NTLM", "Proxy-Status: x",
                                      "ETag: \"x\"", "Cache-Control: private"}) {
    CAPTURE(line);
    CHECK(forward_response(std::string(line) + "\r\n") ==
          "HTTP/1.1 200 OK\r\n" + std::string(line) + "\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
  }
}

TEST_CASE("a status without a reason keeps its space") {
  CHECK(forward_response("HTTP/1.1 299", "", [](ForwardedResponse&) {}) ==
        "HTTP/1.1 299 \r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a response that ends with the connection says close and no length") {
  CHECK(forward_response("HTTP/1.1 200 OK", "", [](ForwardedResponse& how) {
          how.framing = {Kind::UntilClose, 0};
          how.keep_alive = false;
          how.keep_alive_timeout = 60s;
        }) == "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
}

TEST_CASE("below a second no timeout is told") {
  CHECK(forward_response("HTTP/1.1 200 OK", "", [](ForwardedResponse& how) { how.keep_alive_timeout = 999ms; }) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("cookies lose Secure where that is asked for, and only there") {
  constexpr std::string_view kLines = "A: Secure; b\r\nSet-Cookie: a=b; Secure\r\nset-cookie:c=d;Secure\r\nB: 1\r\n";
  const auto strip = [](ForwardedResponse& how) { how.strip_secure = true; };
  CHECK(forward_response("HTTP/1.1 200 OK", kLines, strip) ==
        "HTTP/1.1 200 OK\r\nA: Secure; b\r\nSet-Cookie: a=b\r\nset-cookie: c=d\r\nB: 1\r\nContent-Length: 5\r\n"
        "Connection: keep-alive\r\n\r\n");
  CHECK(response(forward_response(kLines)).fields[1].second == "a=b; Secure");
  const Held<ResponseHead> interim("HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b; Secure\r\n\r\n");
  std::string out;
  write_interim_head(out, interim.head, "", true);
  CHECK(out == "HTTP/1.1 103 Early Hints\r\nSet-Cookie: a=b\r\n\r\n");
}

TEST_CASE("that authentication of the connection works is said once, and nominated") {
  const auto with = [](bool keep_alive) {
    return forward_response("HTTP/1.1 401 Unauthorized",
                            "Proxy-Support: Session-Based-Authentication\r\nWWW-Authenticate: NTLM\r\n",
                            [keep_alive](ForwardedResponse& how) {
                              how.session_auth = true;
                              how.keep_alive = keep_alive;
                              how.keep_alive_timeout = 60s;
                            });
  };
  CHECK(with(true) ==
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 5\r\n"
        "Connection: keep-alive, Proxy-Support\r\nProxy-Support: Session-Based-Authentication\r\n"
        "Keep-Alive: timeout=60\r\n\r\n");
  CHECK(with(false) ==
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 5\r\n"
        "Connection: close, Proxy-Support\r\nProxy-Support: Session-Based-Authentication\r\n\r\n");
}

TEST_CASE("the length that a response to HEAD tells is kept, once") {
  const auto head_answer = [](std::string_view status_line, std::string_view lines) {
    return forward_response(status_line, lines, [](ForwardedResponse& how) {
      how.framing = {};
      how.keeps_length_field = true;
    });
  };
  CHECK(head_answer("HTTP/1.1 200 OK", "content-length: 1234\r\n") ==
        "HTTP/1.1 200 OK\r\nContent-Length: 1234\r\nConnection: keep-alive\r\n\r\n");
  CHECK(head_answer("HTTP/1.1 304 Not Modified", "Content-Length: 1234\r\n") ==
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\nConnection: keep-alive\r\n\r\n");
  CHECK(head_answer("HTTP/1.1 200 OK", "") == "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("a received length is not passed where nobody asked for it") {
  CHECK(forward_response("HTTP/1.1 304 Not Modified", "Content-Length: 5\r\n", [](ForwardedResponse& how) {
          how.framing = {};
        }) == "HTTP/1.1 304 Not Modified\r\nConnection: keep-alive\r\n\r\n");
}

TEST_CASE("204 and 1xx never carry framing") {
  for (const std::string_view status : {"204 No Content", "101 Switching Protocols"}) {
    const std::string line = "HTTP/1.1 " + std::string(status);
    CAPTURE(line);
    CHECK(forward_response(line, "Content-Length: 5\r\n", [](ForwardedResponse& how) {
            how.keeps_length_field = true;
          }) == line + "\r\nConnection: keep-alive\r\n\r\n");
    CHECK(forward_response(line, "Transfer-Encoding: chunked\r\n", [](ForwardedResponse& how) {
            how.framing = {Kind::Chunked, 0};
          }) == line + "\r\nConnection: keep-alive\r\n\r\n");
  }
}

TEST_CASE("a 101 says what it switches to") {
  CHECK(forward_response("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket\r\nConnection: Upgrade\r\nA: b\r\n",
                         [](ForwardedResponse& how) {
                           how.framing = {};
                           how.upgrade = true;
                         }) ==
        "HTTP/1.1 101 Switching Protocols\r\nA: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST_CASE("an interim response passes without what concerns the connection") {
  const Held<ResponseHead> held(
      "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: X\r\nX: y\r\nContent-Length: 0\r\nKeep-Alive: "
      "timeout=5\r\n\r\n");
  std::string out;
  write_interim_head(out, held.head, "keepwarm-01234567", false);
  CHECK(out == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nVia: 1.1 keepwarm-01234567\r\n\r\n");
  out.clear();
  write_interim_head(out, held.head, "", false);
  CHECK(out == "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
}

TEST_CASE("a head of a thousand fields that nominates thousands of names is written all the same") {
  std::string lines = "Connection: keep";
  for (int i = 0; i < 5000; ++i) lines.append(",x").append(std::to_string(i % 900));
  lines += "\r\n";
  for (int i = 0; i < 990; ++i) lines.append("X").append(std::to_string(i)).append(": y\r\n");
  const Parsed out = request(forward_request(lines));
  CHECK(out.fields.size() == 90 + 2);
  CHECK(out.fields[1].first == "X900");
}

TEST_CASE("the size of a chunk is written in hexadecimal digits") {
  std::string out;
  write_chunk_size(out, 500);
  write_chunk_size(out, 1);
  write_chunk_size(out, 0xFFFFFFFFFFFFFFFFU);
  CHECK(out == "1f4\r\n1\r\nffffffffffffffff\r\n");
}

TEST_CASE("the last chunk carries the trailers that may pass") {
  std::string out;
  write_last_chunk(out, {});
  CHECK(out == "0\r\n\r\n");
  out.clear();
  write_last_chunk(out, fields({{"Digest", "x"}, {"Transfer-Encoding", "chunked"}, {"Authorization", "y"}, {"B", ""}}));
  CHECK(out == "0\r\nDigest: x\r\nB: \r\n\r\n");
}

TEST_CASE("the answer to TRACE shows the request as it came, without secrets") {
  const Held<RequestHead> held(
      "TRACE http://h/a HTTP/1.0\r\nHost: h\r\nCookie: a\r\nAuthorization: b\r\nProxy-Authorization: c\r\nVia: 1.1 "
      "x\r\n\r\n");
  std::string out;
  write_trace_body(out, held.head);
  CHECK(out == "TRACE http://h/a HTTP/1.0\r\nHost: h\r\nVia: 1.1 x\r\n\r\n");
}

TEST_CASE("dates are written as HTTP wants them") {
  struct Case {
    std::int64_t seconds;
    std::string_view text;
  };
  const Case cases[] = {{784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
                        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
                        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
                        {1798761599, "Thu, 31 Dec 2026 23:59:59 GMT"},
                        {4102444800, "Fri, 01 Jan 2100 00:00:00 GMT"}};
  for (const Case& c : cases) {
    std::string out;
    write_date(out, c.seconds);
    CHECK(out == c.text);
  }
}

TEST_CASE("every status that we answer with has a reason") {
  for (const int status : {200, 400, 403, 408, 413, 414, 431, 500, 501, 502, 503, 504, 505, 508}) {
    CAPTURE(status);
    CHECK_FALSE(reason_phrase(static_cast<std::uint16_t>(status)).empty());
  }
  CHECK(reason_phrase(299).empty());
}

}  // namespace keepwarm::http::test
