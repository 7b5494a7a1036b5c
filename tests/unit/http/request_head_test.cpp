#include "wire.h"

namespace keepwarm::http::test {
namespace {

std::string with_field(std::string_view line) {
  return "GET http://h/ HTTP/1.1\r\nHost: h\r\n" + std::string(line) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("a request head is split into its parts") {
  const Parsed parsed = request("GET http://h:81/a?b HTTP/1.1\r\nHost: h:81\r\nAccept:*/*\r\nX-Empty:\r\n\r\nbody");
  CHECK(parsed.progress == HeadProgress::Complete);
  CHECK(parsed.first == "GET");
  CHECK(parsed.second == "http://h:81/a?b");
  CHECK(parsed.version == Version::Http11);
  CHECK(parsed.fields == Pairs{{"Host", "h:81"}, {"Accept", "*/*"}, {"X-Empty", ""}});
  CHECK(parsed.size == 66);
}

TEST_CASE("a head without fields is a head") {
  CHECK(request("GET / HTTP/1.0\r\n\r\n").progress == HeadProgress::Complete);
  CHECK(request("GET / HTTP/1.0\r\n\r\n").size == 18);
}

TEST_CASE("requests that must pass") {
  struct Case {
    std::string_view name;
    std::string_view wire;
    std::string_view method;
    std::string_view target;
  };
  const Case cases[] = {
      {"a method that llhttp does not know", "BREW / HTTP/1.1\r\nHost: h\r\n\r\n", "BREW", "/"},
      {"every token byte in a method", "!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n\r\n", "!#$%&'*+-.^_`|~09azAZ", "/"},
      {"a method that llhttp treats in its own way", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "CONNECT", "h:443"},
      {"a lower-case method", "get / HTTP/1.1\r\nHost: h\r\n\r\n", "get", "/"},
      {"bytes in the target that no URI has", "GET /\"<>\\^`{|}\xC3\xA9 HTTP/1.1\r\n\r\n", "GET",
       "/\"<>\\^`{|}\xC3\xA9"},
      {"one empty line before it", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET", "/"},
      {"obs-text and tabs in a value", "GET / HTTP/1.1\r\nX: \t a\tb \xFF \t\r\n\r\n", "GET", "/"},
      {"a field of every token byte", "GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~09azAZ: b\r\n\r\n", "GET", "/"},
      {"an upgrade that llhttp would stop for", "GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "GET",
       "/"},
      {"a head that ends with the connection in llhttp's eyes", "GET / HTTP/1.0\r\nConnection: close\r\n\r\n", "GET",
       "/"},
      {"a length and the body behind it", "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "POST", "/"},
      {"chunks behind it", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST", "/"},
      {"the next request behind it", "GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET", "/1"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Parsed parsed = request(c.wire);
    CHECK(parsed.fault == std::nullopt);
    CHECK(parsed.progress == HeadProgress::Complete);
    CHECK(parsed.first == c.method);
    CHECK(parsed.second == c.target);
  }
}

TEST_CASE("white space around a value is not part of it, white space inside is") {
  const Parsed parsed = request("GET / HTTP/1.1\r\nX: \t a\tb  c \xFF \t\r\nY:\t \r\n\r\n");
  CHECK(parsed.fields == Pairs{{"X", "a\tb  c \xFF"}, {"Y", ""}});
}

TEST_CASE("a skipped empty line counts in the size of the head") {
  CHECK(request("\r\nGET / HTTP/1.1\r\n\r\n").size == 20);
}

TEST_CASE("request lines that are refused") {
  struct Case {
    std::string_view name;
    std::string_view line;
    Fault fault;
  };
  const Case cases[] = {
      {"no version (HTTP/0.9)", "GET /", Fault::BadRequestLine},
      {"HTTP/0.9 said aloud", "GET / HTTP/0.9", Fault::UnsupportedVersion},
      {"HTTP/2.0, which llhttp accepts", "GET / HTTP/2.0", Fault::UnsupportedVersion},
      {"the preface of HTTP/2", "PRI * HTTP/2.0", Fault::Http2Preface},
      {"HTTP/2 without its preface", "GET * HTTP/2.0", Fault::UnsupportedVersion},
      {"HTTP/1.2", "GET / HTTP/1.2", Fault::UnsupportedVersion},
      {"HTTP/3.7", "GET / HTTP/3.7", Fault::UnsupportedVersion},
      {"ICE/1.0, which llhttp accepts", "SOURCE / ICE/1.0", Fault::BadRequestLine},
      {"RTSP", "DESCRIBE / RTSP/1.0", Fault::BadRequestLine},
      {"a version in lower case", "GET / http/1.1", Fault::BadRequestLine},
      {"a version of three digits", "GET / HTTP/1.10", Fault::BadRequestLine},
      {"a version of one digit", "GET / HTTP/1", Fault::BadRequestLine},
      {"a comma in the version", "GET / HTTP/1,1", Fault::BadRequestLine},
      {"a space behind the version", "GET / HTTP/1.1 ", Fault::BadRequestLine},
      {"two spaces before the target", "GET  / HTTP/1.1", Fault::BadRequestLine},
      {"two spaces before the version", "GET /  HTTP/1.1", Fault::BadRequestLine},
      {"a tab before the target", "GET\t/ HTTP/1.1", Fault::BadRequestLine},
      {"a tab before the version", "GET /\tHTTP/1.1", Fault::BadRequestLine},
      {"a tab inside the target", "GET /a\tb HTTP/1.1", Fault::BadRequestLine},
      {"a space inside the target", "GET /a b HTTP/1.1", Fault::BadRequestLine},
      {"no target", "GET HTTP/1.1", Fault::BadRequestLine},
      {"a space first", " GET / HTTP/1.1", Fault::BadRequestLine},
      {"no method", " / HTTP/1.1", Fault::BadRequestLine},
      {"a method that is no token", "GE(T / HTTP/1.1", Fault::BadRequestLine},
      {"a method with obs-text", "G\xC3\x89T / HTTP/1.1", Fault::BadRequestLine},
      {"a single word", "GET", Fault::BadRequestLine},
      {"a response", "HTTP/1.1 200 OK", Fault::BadRequestLine},
      {"NUL in the target", {"GET /\0 HTTP/1.1", 15}, Fault::ForbiddenByte},
      {"DEL in the target", "GET /\x7F HTTP/1.1", Fault::ForbiddenByte},
      {"an escape in the method", "G\x1B / HTTP/1.1", Fault::ForbiddenByte},
      {"CR inside the line", "GET /\rX HTTP/1.1", Fault::BareCrOrLf},
      {"LF inside the line", "GET /\nX HTTP/1.1", Fault::BareCrOrLf},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(request(std::string(c.line) + "\r\nHost: h\r\n\r\n").fault == c.fault);
  }
}

TEST_CASE("fields that are refused") {
  struct Case {
    std::string_view name;
    std::string_view line;
    Fault fault;
  };
  const Case cases[] = {
      {"a space before the colon", "A : b", Fault::BadField},
      {"a tab before the colon", "A\t: b", Fault::BadField},
      {"a space before the colon of a length (CVE-2024-27982)", "Content-Length : 5", Fault::BadField},
      {"a space inside a name, which llhttp 8.1 accepts", "A b: c", Fault::BadField},
      {"no name, which llhttp 8.1 accepts", ": c", Fault::BadField},
      {"no colon", "Nonsense", Fault::BadField},
      {"a name that is no token", "A@b: c", Fault::BadField},
      {"obs-text in a name", "\xC3\xA9: c", Fault::BadField},
      {"a folded value", "A: b\r\n c", Fault::FoldedLine},
      {"a value folded with a tab", "A: b\r\n\tc", Fault::FoldedLine},
      {"a fold that hides a length (CVE-2024-27982)", "A: b\r\n Content-Length: 5", Fault::FoldedLine},
      {"a line of nothing but spaces", "  ", Fault::FoldedLine},
      {"NUL in a value", {"A: b\0c", 6}, Fault::ForbiddenByte},
      {"NUL in a name", {"A\0: c", 5}, Fault::ForbiddenByte},
      {"a bell in a value", "A: b\x07", Fault::ForbiddenByte},
      {"DEL in a value", "A: b\x7F", Fault::ForbiddenByte},
      {"a control byte in Connection", "Connection: close\x01", Fault::ForbiddenByte},
      {"LF without CR", "A: b\nC: d", Fault::BareCrOrLf},
      {"CR without LF (CVE-2023-30589)", "A: b\rC: d", Fault::BareCrOrLf},
      {"CR without LF right behind the colon", "A:\rC: d", Fault::BareCrOrLf},
      {"CR CR LF", "A: b\r", Fault::BareCrOrLf},
      {"CR at the start of a line and no LF (CVE-2025-23167)", "\rX", Fault::BareCrOrLf},
      {"two equal lengths", "Content-Length: 5\r\nContent-Length: 5", Fault::BadContentLength},
      {"two lengths", "Content-Length: 5\r\nContent-Length: 6", Fault::BadContentLength},
      {"a list of lengths", "Content-Length: 5, 5", Fault::BadContentLength},
      {"a length with a sign", "Content-Length: +5", Fault::BadContentLength},
      {"a negative length", "Content-Length: -5", Fault::BadContentLength},
      {"a hexadecimal length", "Content-Length: 0x5", Fault::BadContentLength},
      {"a length that is not one number", "Content-Length: 5 6", Fault::BadContentLength},
      {"an empty length", "Content-Length:", Fault::BadContentLength},
      {"a length beyond 64 bits", "Content-Length: 18446744073709551616", Fault::BadContentLength},
      {"length, then chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked", Fault::LengthAndTransferEncoding},
      {"chunked, then length", "Transfer-Encoding: chunked\r\nContent-Length: 5", Fault::LengthAndTransferEncoding},
      {"chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Fault::BadTransferEncoding},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(request(with_field(c.line)).fault == c.fault);
  }
}

TEST_CASE("a head that ends in CR LF CR and another byte does not end (CVE-2025-23167)") {
  CHECK(request("GET / HTTP/1.1\r\nHost: h\r\n\rX").fault == Fault::BareCrOrLf);
  CHECK(request("GET / HTTP/1.1\r\nHost: h\r\n\rGET /admin HTTP/1.1\r\n\r\n").fault == Fault::BareCrOrLf);
}

TEST_CASE("what is wrong far behind in a start line is found when that is whole, however it was cut") {
  const std::string begin = "GET http://h/" + std::string(300, 'x');
  for (const std::string_view odd : {" HTTX", "\t HTTP/1.1", " HTTP/1.1 x"}) {
    CAPTURE(odd);
    CHECK(request(begin + std::string(odd)).progress == HeadProgress::Incomplete);
    CHECK(request(begin + std::string(odd) + "\r\n").fault == Fault::BadRequestLine);
    CHECK(request(begin + std::string(odd) + "\n").fault == Fault::BadRequestLine);
    CHECK(request(begin + std::string(odd), {.max_size = 315}).fault.has_value());
  }
  CHECK(request(begin + "\n").fault == Fault::BareCrOrLf);
  CHECK(request("GET http://h/\t" + std::string(300, 'x')).fault == Fault::BadRequestLine);
}

TEST_CASE("white space before the first field is refused") {
  CHECK(request("GET / HTTP/1.1\r\n Host: h\r\n\r\n").fault == Fault::FoldedLine);
  CHECK(request("GET / HTTP/1.1\r\n\tHost: h\r\n\r\n").fault == Fault::FoldedLine);
}

TEST_CASE("lines that end in LF alone are refused") {
  CHECK(request("GET / HTTP/1.1\nHost: h\n\n").fault == Fault::BareCrOrLf);
  CHECK(request("GET / HTTP/1.1\r\nHost: h\r\n\n").fault == Fault::BareCrOrLf);
  CHECK(request("\nGET / HTTP/1.1\r\n\r\n").fault == Fault::BareCrOrLf);
}

TEST_CASE("only one empty line is skipped before a request") {
  CHECK(request("\r\n\r\nGET / HTTP/1.1\r\n\r\n").fault == Fault::BadRequestLine);
}

TEST_CASE("what is certainly no request is refused by its first bytes") {
  struct Case {
    std::string_view name;
    std::string_view bytes;
  };
  const Case cases[] = {{"TLS", "\x16"},        {"a SOCKS greeting", "\x05"}, {"NUL", {"\0", 1}},
                        {"a space", " "},       {"an 8-bit byte", "\xFF"},    {"JSON", "{"},
                        {"a bad method", "G("}, {"two spaces", "GET  "},      {"a version", "GET / X"},
                        {"a field", "Host:"},   {"a bare LF", "\n"},          {"a bare CR", "\rG"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(request(c.bytes).progress == HeadProgress::Broken);
  }
}

TEST_CASE("protocols that clients speak by mistake are told by their first byte") {
  for (const std::string_view rest : {"", "\x03\x01\x02", "GET / HTTP/1.1\r\n\r\n"}) {
    CAPTURE(rest);
    CHECK(request("\x16" + std::string(rest)).fault == Fault::TlsHandshake);
    CHECK(request("\x04" + std::string(rest)).fault == Fault::SocksGreeting);
    CHECK(request("\x05" + std::string(rest)).fault == Fault::SocksGreeting);
    CHECK(request("\x06" + std::string(rest)).fault == Fault::ForbiddenByte);
  }
  CHECK(request("G\x16").fault == Fault::ForbiddenByte);
  CHECK(request("GET / HTTP/1.1\r\n\x16").fault == Fault::ForbiddenByte);
  CHECK(response("\x16\x03").fault != Fault::TlsHandshake);
}

TEST_CASE("every beginning of a sound head is incomplete") {
  const std::string_view wire = "\r\nGET http://h/ HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < wire.size(); ++size) {
    CAPTURE(size);
    CHECK(request(wire.substr(0, size)).progress == HeadProgress::Incomplete);
  }
}

TEST_CASE("a head may be as long as the limit and no longer") {
  const std::string wire = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  CHECK(request(wire, {.max_size = wire.size()}).progress == HeadProgress::Complete);
  CHECK(request(wire, {.max_size = wire.size() - 1}).fault == Fault::HeadTooLarge);
  CHECK(request(wire + "body beyond it", {.max_size = wire.size()}).progress == HeadProgress::Complete);
}

TEST_CASE("the limit strikes before an end that never comes") {
  const std::string endless = "GET / HTTP/1.1\r\nA: " + std::string(100, 'a');
  CHECK(request(endless, {.max_size = 100}).fault == Fault::HeadTooLarge);
  CHECK(request(endless, {.max_size = endless.size()}).fault == Fault::HeadTooLarge);
  CHECK(request(endless, {.max_size = endless.size() + 1}).progress == HeadProgress::Incomplete);
  CHECK(request(endless, {.max_size = 1000}).progress == HeadProgress::Incomplete);
}

TEST_CASE("a target is too long only when the request line alone passes the limit") {
  const std::string line = "GET /" + std::string(100, 'a') + " HTTP/1.1\r\n";
  CHECK(request(line + "\r\n", {.max_size = 100}).fault == Fault::TargetTooLong);
  CHECK(request(line + "Host: h\r\n\r\n", {.max_size = line.size()}).fault == Fault::HeadTooLarge);
}

TEST_CASE("a target of 8 KiB passes with the default limits") {
  const std::string target = "/" + std::string(8191, 'a');
  CHECK(request("GET " + target + " HTTP/1.1\r\nHost: h\r\n\r\n").second == target);
}

TEST_CASE("there may be as many fields as the limit and no more") {
  std::string wire = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 1000; ++i) wire += "A: b\r\n";
  CHECK(request(wire + "\r\n").progress == HeadProgress::Complete);
  CHECK(request(wire + "A: b\r\n\r\n").fault == Fault::TooManyFields);
}

TEST_CASE("a parser keeps nothing of one head for the next") {
  HeadParser parser;
  const auto parse = [&parser](std::string_view wire) {
    HeadScan scan;
    return request_step(parser, wire, scan, {});
  };
  const std::string_view sound = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
  const Parsed first = parse(sound);
  CHECK(parse("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").progress == HeadProgress::Complete);
  CHECK(parse("GET / HTTP/1.1\r\nA : b\r\n\r\n").progress == HeadProgress::Broken);
  CHECK(parse("GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n").progress == HeadProgress::Broken);
  CHECK(parse(sound) == first);
}

}  // namespace keepwarm::http::test
