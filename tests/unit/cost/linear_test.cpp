#include <algorithm>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/http/chunked_reader.h"
#include "core/http/fields.h"
#include "core/http/framing.h"
#include "core/http/head_parser.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "core/http/shown_request.h"
#include "core/http/target.h"
#include "counted_cost.h"

/// What a peer sends costs work that is linear in its size: whatever it holds twice as much of, the work is about twice
/// as much, never four times.
namespace keepwarm::http::test {
namespace {

constexpr std::string_view kUs = "keepwarm-01234567";
constexpr HeadLimits kManyBytes{.max_size = std::size_t{1} << 30};
constexpr std::size_t kWhole = std::string_view::npos;

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

/// Like repeat(), with a number behind `before` that is another one each time.
std::string numbered(std::string_view before, std::size_t times, std::string_view behind) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all.append(before).append(std::to_string(100'000 + i)).append(behind);
  return all;
}

/// Gives the wire to `parse` in pieces of that size, as a reader does that keeps what has come.
template <typename Parse>
void in_pieces(std::string_view wire, std::size_t piece, Parse parse) {
  HeadScan scan;
  HeadProgress progress = HeadProgress::Incomplete;
  for (std::size_t size = 0; progress == HeadProgress::Incomplete && size < wire.size();) {
    size += std::min(piece, wire.size() - size);
    progress = parse(wire.substr(0, size), scan);
  }
  CHECK(progress == HeadProgress::Complete);
}

/// All that is done with a request that has these field lines.
void take_request(const std::string& lines, std::size_t piece = kWhole) {
  HeadParser parser;
  RequestHead head;
  const std::string wire = "GET http://h/ HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n";
  in_pieces(wire, piece, [&](std::string_view bytes, HeadScan& scan) {
    return parser.parse_request(bytes, scan, kManyBytes, head);
  });
  CHECK(request_framing(head).ok());
  CHECK(host_is_valid(head));
  CHECK_FALSE(via_names(head.fields, kUs));
  CHECK_FALSE(asks_connection_bound_auth(head.fields));
  static_cast<void>(client_may_persist(head));
  std::string offer;
  ForwardedRequest how;
  how.method = head.method;
  how.target = "/";
  how.host = "h";
  how.via = kUs;
  how.upgrade = wants_upgrade(head);
  if (how.upgrade) append_upgrade_protocols(head.fields, offer);
  std::string out;
  write_request_head(out, head, how);
  write_trace_body(out, head);
  out += via_value(head.fields, head.version, kUs);
  static_cast<void>(request_words(wire));
}

void parse_request_line(const std::string& method_and_target, std::size_t piece) {
  HeadParser parser;
  RequestHead head;
  in_pieces(method_and_target + " HTTP/1.1\r\n\r\n", piece, [&](std::string_view bytes, HeadScan& scan) {
    return parser.parse_request(bytes, scan, kManyBytes, head);
  });
}

/// All that is done with a response that has these field lines, to a request that offered these protocols.
void take_response(const std::string& lines, std::string_view offered = {}, std::size_t piece = kWhole) {
  HeadParser parser;
  ResponseHead head;
  const std::string wire = "HTTP/1.1 200 OK\r\n" + lines + "\r\n";
  in_pieces(wire, piece, [&](std::string_view bytes, HeadScan& scan) {
    return parser.parse_response(bytes, scan, kManyBytes, head);
  });
  const auto framing = response_framing(head, false);
  REQUIRE(framing.ok());
  static_cast<void>(server_may_persist(head, *framing));
  static_cast<void>(keep_alive_hint(head.fields));
  static_cast<void>(offers_connection_bound_auth(head.fields));
  static_cast<void>(upgrade_was_offered(offered, head.fields));
  std::string out;
  ForwardedResponse how;
  how.framing = *framing;
  how.via = kUs;
  how.strip_secure = true;
  write_response_head(out, head, how);
  write_interim_head(out, head, kUs, true);
}

void take_chunks(const std::string& wire, std::size_t piece = kWhole) {
  ChunkedReader reader;
  reader.start({.max_extensions = 1U << 20U, .max_trailers = 1U << 20U}, SectionOf::Response);
  ChunkedProgress progress = ChunkedProgress::More;
  for (std::string_view rest = wire; progress == ChunkedProgress::More && !rest.empty();) {
    std::vector<std::string_view> data;
    const std::string_view next = rest.substr(0, piece);
    progress = reader.read(next, data).progress;
    rest.remove_prefix(next.size());
  }
  CHECK(progress == ChunkedProgress::Ended);
  std::string out;
  write_last_chunk(out, reader.trailers());
}

void take_target(const std::string& text) {
  const auto target = parse_target(text, false, true);
  std::string host;
  if (target) normalize_host(target->host, host);
  host += shown_target(text);
  static_cast<void>(valid_host_field(text));
}

struct Case {
  std::string_view name;
  std::size_t times;
  std::function<void(std::size_t)> work;
};

void check_linear(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const std::uint64_t once = cost::blocks_of([&c] { c.work(c.times); });
    const std::uint64_t twice = cost::blocks_of([&c] { c.work(2 * c.times); });
    const std::uint64_t four_times = cost::blocks_of([&c] { c.work(4 * c.times); });
    CHECK(once > 0);
    CHECK(twice * 10 <= once * 23);  // sorting is a little more than linear
    CHECK(four_times * 10 <= twice * 23);
  }
}

/// Elements of a list in one field, and one in each of many.
std::vector<Case> lists(const std::string& name, const std::string& element) {
  return {
      {name + " in one field", 8000,
       [=](std::size_t n) { take_request(name + ": " + repeat(element + ",", n) + "\r\n"); }},
      {name + " in many fields", 240, [=](std::size_t n) { take_request(repeat(name + ": " + element + "\r\n", n)); }},
      {name + " of a response", 8000,
       [=](std::size_t n) { take_response(name + ": " + repeat(element + ",", n) + "\r\n", "a, b, c"); }}};
}

}  // namespace

TEST_CASE("lists of every field that is decided by") {
  for (const std::string name : {"Connection", "Upgrade", "Via", "TE", "Keep-Alive", "Expect", "Proxy-Connection",
                                 "WWW-Authenticate", "Proxy-Authenticate", "Cookie", "Trailer", "Authorization"}) {
    for (const std::string element : {"x", "", " ", "\"", "\"\\", "\\\"", "(", " (", "x (\\", "(a)", "a/b/c", "close",
                                      "a b", "timeout=\"1", "1.1 x \""}) {
      CAPTURE(name);
      CAPTURE(element);
      check_linear(lists(name, element));
    }
  }
}

TEST_CASE("lists against lists") {
  check_linear({
      {"protocols that are chosen and offered", 8000,
       [](std::size_t n) { take_response("Upgrade: " + numbered("a", n, ",") + "\r\n", numbered("a", n, ",")); }},
      {"an offer that is long", 8000, [](std::size_t n) { take_response("Upgrade: z\r\n", numbered("a", n, ",")); }},
      {"options and as many fields", 240,
       [](std::size_t n) {
         take_request("Connection: " + numbered("x", n, ",") + "\r\n" + numbered("x", n, ": y\r\n"));
       }},
      {"options, each the name of all fields", 240,
       [](std::size_t n) { take_request("Connection: " + repeat("x,", 100 * n) + "\r\n" + repeat("x: y\r\n", n)); }},
      {"options that begin as the fields do", 240,
       [](std::size_t n) {
         take_request("Connection: " + numbered("x-very-long-name-", n, ",") + "\r\n" +
                      numbered("x-very-long-name-", n, "-too: y\r\n"));
       }},
      {"options that nominate nothing", 8000,
       [](std::size_t n) { take_request("Connection: " + numbered("x", n, ",") + "\r\nA: b\r\n"); }},
  });
}

TEST_CASE("heads that come in one piece or byte by byte") {
  for (const std::size_t piece : {kWhole, std::size_t{1}, std::size_t{100}}) {
    CAPTURE(piece);
    check_linear({
        {"fields", 240, [=](std::size_t n) { take_request(numbered("x", n, ": y\r\n"), piece); }},
        {"a long field", 8000, [=](std::size_t n) { take_request("A: " + repeat("x", n) + "\r\n", piece); }},
        {"a long name", 8000, [=](std::size_t n) { take_request(repeat("x", n) + ": a\r\n", piece); }},
        {"blanks around a value", 8000,
         [=](std::size_t n) { take_request("A:" + repeat(" \t", n) + "b" + repeat(" ", n) + "\r\n", piece); }},
        {"fields to be repaired", 240, [=](std::size_t n) { take_response(numbered("x", n, " : y\r\n"), {}, piece); }},
        {"one with many blanks to be removed", 8000,
         [=](std::size_t n) { take_response("A" + repeat(" ", n) + ": b\r\n", {}, piece); }},
        {"a long target", 8000, [=](std::size_t n) { parse_request_line("GET http://h/" + repeat("x", n), piece); }},
        {"a long method", 8000, [=](std::size_t n) { parse_request_line(repeat("X", n) + " http://h/", piece); }},
        {"a long reason", 8000,
         [=](std::size_t n) {
           HeadParser parser;
           ResponseHead head;
           in_pieces("HTTP/1.1 200 " + repeat("x", n) + "\r\n\r\n", piece, [&](std::string_view bytes, HeadScan& scan) {
             return parser.parse_response(bytes, scan, kManyBytes, head);
           });
         }},
    });
  }
}

TEST_CASE("chunks, their extensions and trailers") {
  for (const std::size_t piece : {kWhole, std::size_t{1}}) {
    CAPTURE(piece);
    check_linear({
        {"chunks", 4000, [=](std::size_t n) { take_chunks(repeat("1\r\nx\r\n", n) + "0\r\n\r\n", piece); }},
        {"a long extension", 8000, [=](std::size_t n) { take_chunks("0;" + repeat("x", n) + "\r\n\r\n", piece); }},
        {"blanks before one", 8000, [=](std::size_t n) { take_chunks("0" + repeat(" ", n) + ";x\r\n\r\n", piece); }},
        {"trailers", 240, [=](std::size_t n) { take_chunks("0\r\n" + numbered("x", n, ": y\r\n") + "\r\n", piece); }},
        {"trailers to be repaired", 240,
         [=](std::size_t n) { take_chunks("0\r\n" + numbered("x", n, " : y\r\n") + "\r\n", piece); }},
        {"a long trailer", 8000, [=](std::size_t n) { take_chunks("0\r\nA: " + repeat("x", n) + "\r\n\r\n", piece); }},
    });
  }
}

TEST_CASE("targets") {
  check_linear({
      {"labels", 8000, [](std::size_t n) { take_target("http://" + repeat("a.", n) + "/"); }},
      {"digits of a port", 8000, [](std::size_t n) { take_target("http://a:" + repeat("0", n) + "/"); }},
      {"colons", 8000, [](std::size_t n) { take_target("http://[" + repeat(":", n) + "]/"); }},
      {"groups", 8000, [](std::size_t n) { take_target("http://[" + repeat("1:", n) + "]/"); }},
      {"ats", 8000, [](std::size_t n) { take_target("http://" + repeat("@", n) + "/"); }},
      {"segments", 8000, [](std::size_t n) { take_target("http://a" + repeat("/x", n)); }},
      {"a query", 8000, [](std::size_t n) { take_target("http://a/?" + repeat("x=?&", n)); }},
  });
}

}  // namespace keepwarm::http::test
