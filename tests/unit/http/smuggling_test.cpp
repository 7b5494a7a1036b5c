#include <functional>

#include "wire.h"

/// Requests and responses that two parsers may take apart in two ways (RFC 9112 §11.2). Each must be refused as a
/// whole, by whichever check comes first: never forwarded in a form of our own.
namespace keepwarm::http::test {
namespace {

/// All that is asked of a request before it is forwarded; nullopt: it would be.
std::optional<Fault> request_verdict(std::string_view wire) {
  HeadParser parser;
  HeadScan scan;
  RequestHead head;
  const HeadProgress progress = parser.parse_request(wire, scan, {}, head);
  REQUIRE(progress != HeadProgress::Incomplete);
  if (progress == HeadProgress::Broken) return parser.fault();
  if (!host_is_valid(head)) return Fault::BadHost;
  const auto framing = request_framing(head);
  return framing ? std::nullopt : std::optional(framing.failure());
}

std::optional<Fault> response_verdict(std::string_view wire) {
  HeadParser parser;
  HeadScan scan;
  ResponseHead head;
  const HeadProgress progress = parser.parse_response(wire, scan, {}, head);
  REQUIRE(progress != HeadProgress::Incomplete);
  if (progress == HeadProgress::Broken) return parser.fault();
  const auto framing = response_framing(head, false);
  return framing ? std::nullopt : std::optional(framing.failure());
}

struct Case {
  std::string_view name;
  std::string_view lines;
  Fault fault;
};

const Case kFieldCases[] = {
    {"CL.TE", "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", Fault::LengthAndTransferEncoding},
    {"TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", Fault::LengthAndTransferEncoding},
    {"TE.CL with a coding nobody knows", "Transfer-Encoding: x\r\nContent-Length: 6\r\n",
     Fault::LengthAndTransferEncoding},
    {"CL.CL", "Content-Length: 6\r\nContent-Length: 5\r\n", Fault::BadContentLength},
    {"CL, CL", "Content-Length: 6, 5\r\n", Fault::BadContentLength},
    {"CL with a fraction", "Content-Length: 6.0\r\n", Fault::BadContentLength},
    {"CL with an exponent", "Content-Length: 1e3\r\n", Fault::BadContentLength},
    {"CL in quotes", "Content-Length: \"6\"\r\n", Fault::BadContentLength},
    {"CL in other digits", "Content-Length: \xD9\xA6\r\n", Fault::BadContentLength},
    {"CL with an underscore", "Content-Length: 1_0\r\n", Fault::BadContentLength},
    {"TE: xchunked", "Transfer-Encoding: xchunked\r\n", Fault::BadTransferEncoding},
    {"TE: chunked in quotes", "Transfer-Encoding: \"chunked\"\r\n", Fault::BadTransferEncoding},
    {"TE: identity", "Transfer-Encoding: identity\r\n", Fault::BadTransferEncoding},
    {"TE: chunked, identity", "Transfer-Encoding: chunked, identity\r\n", Fault::BadTransferEncoding},
    {"TE: gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n", Fault::BadTransferEncoding},
    {"TE empty", "Transfer-Encoding:\r\n", Fault::BadTransferEncoding},
    {"TE a comma", "Transfer-Encoding: ,\r\n", Fault::BadTransferEncoding},
    {"TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", Fault::BadTransferEncoding},
    {"TE.TE, chunked last", "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", Fault::BadTransferEncoding},
    {"TE with a vertical tab", "Transfer-Encoding: \vchunked\r\n", Fault::ForbiddenByte},
    {"TE with a form feed", "Transfer-Encoding: chunked\f\r\n", Fault::ForbiddenByte},
    {"TE with a no-break space",
     "Transfer-Encoding: \xA0"
     "chunked\r\n",
     Fault::BadTransferEncoding},
    {"a space before the colon", "Transfer-Encoding : chunked\r\n", Fault::BadField},
    {"a tab before the colon", "Transfer-Encoding\t: chunked\r\n", Fault::BadField},
    {"a space before the name", " Transfer-Encoding: chunked\r\n", Fault::FoldedLine},
    {"a fold before the value", "Transfer-Encoding:\r\n chunked\r\n", Fault::FoldedLine},
    {"a length hidden in a fold", "X: y\r\n\tContent-Length: 6\r\n", Fault::FoldedLine},
    {"a length behind a bare CR", "X: y\rContent-Length: 6\r\n", Fault::BareCrOrLf},
    {"a length behind a bare LF", "X: y\nContent-Length: 6\r\n", Fault::BareCrOrLf},
    {"a length behind NUL", {"X: y\0Content-Length: 6\r\n", 24}, Fault::ForbiddenByte},
    {"a name cut by NUL", {"Content-Length\0: 6\r\n", 20}, Fault::ForbiddenByte},
    {"a name in brackets", "[Content-Length]: 6\r\n", Fault::BadField},
    {"an end by LF LF", "X: y\n\nGET /2 HTTP/1.1\r\n", Fault::BareCrOrLf},
    {"an end by CR CR", "X: y\r\rGET /2 HTTP/1.1\r\n", Fault::BareCrOrLf},
    {"an end by CR LF CR", "X: y\r\n\rGET /2 HTTP/1.1\r\n", Fault::BareCrOrLf},
    {"an end by CR LF LF", "X: y\r\n\nGET /2 HTTP/1.1\r\n", Fault::BareCrOrLf},
};

}  // namespace

TEST_CASE("requests that could be smuggled are refused") {
  for (const Case& c : kFieldCases) {
    CAPTURE(c.name);
    const std::string lines(c.lines);
    CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n") == c.fault);
    CHECK(request_verdict("POST http://h/ HTTP/1.1\r\n" + lines + "Host: h\r\n\r\n") == c.fault);
  }
}

TEST_CASE("responses that could be smuggled are refused") {
  for (const Case& c : kFieldCases) {
    CAPTURE(c.name);
    const std::string lines(c.lines);
    CHECK(response_verdict("HTTP/1.1 200 OK\r\nServer: s\r\n" + lines + "\r\n") == c.fault);
    CHECK(response_verdict("HTTP/1.1 200 OK\r\n" + lines + "Server: s\r\n\r\n") == c.fault);
  }
}

TEST_CASE("requests whose host could be taken in two ways are refused") {
  struct HostCase {
    std::string_view name;
    std::string_view lines;
  };
  const HostCase cases[] = {{"none", "X: y\r\n"},
                            {"two, which llhttp accepts", "Host: a\r\nHost: b\r\n"},
                            {"two equal ones", "Host: a\r\nhost: a\r\n"},
                            {"a list", "Host: a, b\r\n"},
                            {"a path", "Host: a/b\r\n"},
                            {"a user name", "Host: u@a\r\n"},
                            {"a port in letters", "Host: a:b\r\n"},
                            {"8-bit bytes", "Host: \xC3\xA9\r\n"}};
  for (const HostCase& c : cases) {
    CAPTURE(c.name);
    CHECK(request_verdict("GET http://a/ HTTP/1.1\r\n" + std::string(c.lines) + "\r\n") == Fault::BadHost);
  }
}

TEST_CASE("white space around a value of framing is no flaw, tabs included, in both directions") {
  for (const std::string_view line :
       {"Content-Length: 2\t\r\n", "Content-Length:\t2\r\n", "Content-Length:2 \t \r\n", "content-length: \t 2 \r\n",
        "Transfer-Encoding: chunked\t\r\n", "Transfer-Encoding:\tchunked \t\r\n"}) {
    CAPTURE(line);
    CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\n" + std::string(line) + "\r\n") == std::nullopt);
    CHECK(response_verdict("HTTP/1.1 200 OK\r\n" + std::string(line) + "\r\n") == std::nullopt);
  }
  CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\t\r\nA : b\r\n\r\n") ==
        Fault::BadField);
  CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 2\t\r\nContent-Length: 2\r\n\r\n") ==
        Fault::BadContentLength);
}

TEST_CASE("the same messages without their flaw pass") {
  CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n") == std::nullopt);
  CHECK(request_verdict("POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n") == std::nullopt);
  CHECK(response_verdict("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n") == std::nullopt);
}

}  // namespace keepwarm::http::test
