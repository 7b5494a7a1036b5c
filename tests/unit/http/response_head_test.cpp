#include <chrono>

#include "wire.h"

namespace keepwarm::http::test {

TEST_CASE("a response head is split into its parts") {
  const Parsed parsed = response("HTTP/1.1 404 Not Found\r\nServer: s\r\nContent-Length: 0\r\n\r\nsurplus");
  CHECK(parsed.progress == HeadProgress::Complete);
  CHECK(parsed.first == "404");
  CHECK(parsed.second == "Not Found");
  CHECK(parsed.version == Version::Http11);
  CHECK(parsed.fields == Pairs{{"Server", "s"}, {"Content-Length", "0"}});
  CHECK(parsed.size == 56);
}

TEST_CASE("status lines that must pass") {
  struct Case {
    std::string_view name;
    std::string_view line;
    std::string_view status;
    std::string_view reason;
  };
  const Case cases[] = {
      {"the usual", "HTTP/1.1 200 OK", "200", "OK"},
      {"an empty reason", "HTTP/1.1 200 ", "200", ""},
      {"no reason and no space", "HTTP/1.1 200", "200", ""},
      {"the lowest", "HTTP/1.1 100 Continue", "100", "Continue"},
      {"the highest", "HTTP/1.1 999 Request denied", "999", "Request denied"},
      {"a status nobody knows", "HTTP/1.1 799 X", "799", "X"},
      {"tab, space and obs-text in the reason", "HTTP/1.1 200 a\t b \xFF", "200", "a\t b \xFF"},
      {"a reason that begins with a space", "HTTP/1.1 200  OK", "200", " OK"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Parsed parsed = response(std::string(c.line) + "\r\nA: b\r\n\r\n");
    CHECK(parsed.fault == std::nullopt);
    CHECK(parsed.first == c.status);
    CHECK(parsed.second == c.reason);
    CHECK(parsed.fields == Pairs{{"A", "b"}});
  }
  CHECK(response("HTTP/1.0 200 OK\r\n\r\n").version == Version::Http10);
}

TEST_CASE("status lines that are refused") {
  struct Case {
    std::string_view name;
    std::string_view line;
    Fault fault;
  };
  const Case cases[] = {
      {"status 000, which llhttp accepts", "HTTP/1.1 000 X", Fault::BadStatusLine},
      {"status 099", "HTTP/1.1 099 X", Fault::BadStatusLine},
      {"status 20, which llhttp accepts", "HTTP/1.1 20 X", Fault::BadStatusLine},
      {"status 2000", "HTTP/1.1 2000 X", Fault::BadStatusLine},
      {"a letter in the status", "HTTP/1.1 2O0 OK", Fault::BadStatusLine},
      {"a sign", "HTTP/1.1 +20 X", Fault::BadStatusLine},
      {"no space before the reason", "HTTP/1.1 200OK", Fault::BadStatusLine},
      {"a tab before the reason", "HTTP/1.1 200\tOK", Fault::BadStatusLine},
      {"a tab before the status", "HTTP/1.1\t200 OK", Fault::BadStatusLine},
      {"two spaces before the status", "HTTP/1.1  200 OK", Fault::BadStatusLine},
      {"no status", "HTTP/1.1 ", Fault::BadStatusLine},
      {"no status and no space", "HTTP/1.1", Fault::BadStatusLine},
      {"HTTP/0.9", "HTTP/0.9 200 OK", Fault::UnsupportedVersion},
      {"HTTP/2.0, which llhttp accepts", "HTTP/2.0 200 OK", Fault::UnsupportedVersion},
      {"HTTP/1.2", "HTTP/1.2 200 OK", Fault::UnsupportedVersion},
      {"a version of three digits", "HTTP/1.10 200 OK", Fault::BadStatusLine},
      {"a version of one digit", "HTTP/2 200", Fault::BadStatusLine},
      {"lower case", "http/1.1 200 OK", Fault::BadStatusLine},
      {"ICE/1.0, which llhttp accepts", "ICE/1.0 200 OK", Fault::BadStatusLine},
      {"SHOUTcast", "ICY 200 OK", Fault::BadStatusLine},
      {"a banner of SSH", "SSH-2.0-OpenSSH_9.2p1", Fault::BadStatusLine},
      {"a banner of SMTP", "220 mail.example.com ESMTP", Fault::BadStatusLine},
      {"HTML without a head (HTTP/0.9)", "<html>", Fault::BadStatusLine},
      {"an empty line first", "\r\nHTTP/1.1 200 OK", Fault::BadStatusLine},
      {"a space first", " HTTP/1.1 200 OK", Fault::BadStatusLine},
      {"NUL in the reason", {"HTTP/1.1 200 O\0K", 16}, Fault::ForbiddenByte},
      {"an escape in the reason", "HTTP/1.1 200 \x1B[1m", Fault::ForbiddenByte},
      {"CR in the reason", "HTTP/1.1 200 O\rK", Fault::BareCrOrLf},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(response(std::string(c.line) + "\r\nA: b\r\n\r\n").fault == c.fault);
  }
}

TEST_CASE("what does not begin as a status line is refused by its first bytes") {
  for (const std::string_view bytes : {"S", "<", "\r\n", "\x15", "HTTP/1.1 0", "HTTP/1.1 2x", "HTTP/x", "HTTP/2.0 "}) {
    CAPTURE(bytes);
    CHECK(response(bytes).progress == HeadProgress::Broken);
  }
}

TEST_CASE("every beginning of a sound response head is incomplete") {
  const std::string_view wire = "HTTP/1.1 200 OK\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < wire.size(); ++size) {
    CHECK(response(wire.substr(0, size)).progress == HeadProgress::Incomplete);
  }
}

TEST_CASE("response fields that are refused") {
  struct Case {
    std::string_view name;
    std::string_view line;
    Fault fault;
  };
  const Case cases[] = {
      {"a space before the colon of a length", "Content-Length : 5", Fault::BadField},
      {"a tab before it", "content-length\t: 5", Fault::BadField},
      {"a space before the colon of the transfer coding", "Transfer-Encoding : chunked", Fault::BadField},
      {"blanks before two colons, one of a length", "A : b\r\nContent-Length \t: 5", Fault::BadField},
      {"a space inside a name", "A b: c", Fault::BadField},
      {"a space inside a name and one before its colon", "A b : c", Fault::BadField},
      {"a space and no colon", "A ", Fault::BadField},
      {"no name", ": b", Fault::BadField},
      {"two lengths behind a field with a space before its colon", "A : b\r\nContent-Length: 5\r\nContent-Length: 5",
       Fault::BadContentLength},
      {"two framings behind such a field", "A : b\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
       Fault::LengthAndTransferEncoding},
      {"a tab inside a length", "Content-Length: 5\t5", Fault::BadContentLength},
      {"a folded value", "A: b\r\n c", Fault::FoldedLine},
      {"LF alone", "A: b\nC: d", Fault::BareCrOrLf},
      {"CR alone (CVE-2023-30589)", "A: b\rC: d", Fault::BareCrOrLf},
      {"CR LF CR and another byte (CVE-2025-23167)", "\rX", Fault::BareCrOrLf},
      {"NUL", {"A: \0", 4}, Fault::ForbiddenByte},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 5", Fault::BadContentLength},
      {"length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::LengthAndTransferEncoding},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(response("HTTP/1.1 200 OK\r\n" + std::string(c.line) + "\r\n\r\n").fault == c.fault);
  }
}

TEST_CASE("white space before the colon of a response's field is removed (RFC 9112 §5.1)") {
  const std::string_view wire =
      "HTTP/1.1 200 OK\r\nServer: s\r\nX-Foo : 1\r\nConnection\t: close\r\nKEEP-ALIVE \t : timeout=5\r\n"
      "Content-Length: 2\r\nEmpty :\r\nColons : a:b : c \r\nLast: x\r\n\r\nok";
  const Parsed parsed = response(wire);
  CHECK(parsed.fault == std::nullopt);
  CHECK(parsed.fields == Pairs{{"Server", "s"},
                               {"X-Foo", "1"},
                               {"Connection", "close"},
                               {"KEEP-ALIVE", "timeout=5"},
                               {"Content-Length", "2"},
                               {"Empty", ""},
                               {"Colons", "a:b : c"},
                               {"Last", "x"}});
  CHECK(parsed.size == wire.size() - 2);

  HeadParser parser;
  HeadScan scan;
  ResponseHead head;
  REQUIRE(parser.parse_response(wire, scan, {}, head) == HeadProgress::Complete);
  CHECK(connection_options(head.fields).close);
  CHECK(keep_alive_hint(head.fields).timeout == std::chrono::seconds(5));
  CHECK(response_framing(head, false).value() == BodyFraming{BodyFraming::Kind::Length, 2});
}

TEST_CASE("a repaired head leaves nothing behind for the next one") {
  HeadParser parser;
  for (const std::string_view wire : {"HTTP/1.1 200 OK\r\nLong-Name : a long value\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
                                      "HTTP/1.1 200 OK\r\nB: c\r\n\r\n", "HTTP/1.1 200 OK\r\nD : e\r\n\r\n"}) {
    CAPTURE(wire);
    HeadScan scan;
    CHECK(response_step(parser, wire, scan, {}) == response(wire));
  }
}

TEST_CASE("a 2xx to CONNECT has no framing, whatever its fields say (RFC 9110 §9.3.6)") {
  const auto verdict = [](std::string_view wire) -> std::optional<Fault> {
    HeadParser parser;
    HeadScan scan;
    ResponseHead head;
    const HeadProgress progress = parser.parse_response(wire, scan, {}, head, AnswerTo::Connect);
    CHECK(progress != HeadProgress::Incomplete);
    return progress == HeadProgress::Broken ? std::optional(parser.fault()) : std::nullopt;
  };
  const std::string_view both = "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n";
  for (const std::string_view lines :
       {both, std::string_view("Content-Length: 5\r\nContent-Length: 6\r\n"), std::string_view("Content-Length: x\r\n"),
        std::string_view("X: y\r\nContent-Length : 5\r\nZ : z\r\n"),
        std::string_view("Transfer-Encoding: gzip\r\nTransfer-Encoding : chunked\r\n")}) {
    CAPTURE(lines);
    CHECK(verdict("HTTP/1.1 200 OK\r\n" + std::string(lines) + "\r\n") == std::nullopt);
    CHECK(verdict("HTTP/1.0 299 Odd\r\n" + std::string(lines) + "\r\n") == std::nullopt);
  }
  CHECK(verdict("HTTP/1.1 403 No\r\n" + std::string(both) + "\r\n") == Fault::LengthAndTransferEncoding);
  CHECK(verdict("HTTP/1.1 101 No\r\n" + std::string(both) + "\r\n") == Fault::LengthAndTransferEncoding);
  CHECK(verdict("HTTP/1.1 200 OK\r\n" + std::string(both) + "A b: c\r\n\r\n") == Fault::BadField);
}

TEST_CASE("the limits hold for responses too, and a long status line is a large head") {
  CHECK(response("HTTP/1.1 200 " + std::string(100, 'a'), {.max_size = 100}).fault == Fault::HeadTooLarge);
  CHECK(response("HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n", {.max_fields = 1}).fault == Fault::TooManyFields);
}

}  // namespace keepwarm::http::test
