#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/proxy/access_entry.h"
#include "core/proxy/outgoing_request.h"
#include "core/proxy/relayed_body.h"
#include "core/proxy/response_head_reader.h"

// The parts that an Exchange is put together from, each alone.

namespace keepwarm::proxy::test {
namespace {

using Kind = http::BodyFraming::Kind;
using http::HeadProgress;

// ---- OutgoingRequest ----

/// A request with the head "HEAD" and a body of this framing, of which `body` has come.
struct Sent {
  Sent(const http::BodyFraming& framing, std::string_view body) {
    request.begin_head() += "HEAD";
    request.begin_body(framing, 1024);
    read(body);
  }
  void read(std::string_view body) {
    std::vector<std::string_view> data;
    static_cast<void>(request.read(body, data));
    BodyWriter writer;
    request.lay_out(writer, data);
    request.hold(writer);
  }
  OutgoingRequest request;
};

TEST_CASE("a request is held with what has come of its body, in the framing in which it goes on") {
  Sent counted({Kind::Length, 8}, "half");
  CHECK(counted.request.text() == "HEADhalf");
  CHECK(counted.request.held_body() == 4);
  CHECK_FALSE(counted.request.ended());
  counted.read("rest");
  CHECK(counted.request.text() == "HEADhalfrest");
  CHECK(counted.request.ended());

  const Sent chunked({Kind::Chunked, 0}, "2\r\nab\r\n2\r\ncd\r\n0\r\n\r\n");
  CHECK(chunked.request.text() == "HEAD4\r\nabcd\r\n0\r\n\r\n");
}

TEST_CASE("whether a request will be whole is known from its length, never from chunks that are still to come") {
  const Sent sent({Kind::Length, 8}, "half");
  CHECK(sent.request.will_be_whole(8));
  CHECK_FALSE(sent.request.will_be_whole(7));
  const Sent chunked({Kind::Chunked, 0}, "2\r\nab\r\n");
  CHECK_FALSE(chunked.request.will_be_whole(1000));
}

TEST_CASE("a request that is held no more is never held again, until the next one begins") {
  Sent sent({Kind::Length, 8}, "half");
  sent.request.hold_only_if(true, 8);
  CHECK(sent.request.whole());
  sent.request.hold_only_if(true, 7);
  CHECK_FALSE(sent.request.whole());
  sent.request.hold_only_if(true, 1000);
  CHECK_FALSE(sent.request.whole());
  CHECK_FALSE(sent.request.will_be_whole(1000));

  CHECK(sent.request.begin_head().empty());
  CHECK(sent.request.whole());
  Sent other({Kind::Length, 8}, "half");
  other.request.hold_only_if(false, 1000);
  CHECK_FALSE(other.request.whole());
}

// ---- ResponseHeadReader ----

TEST_CASE("the heads of a response are found however they are cut") {
  constexpr std::string_view kAll = "HTTP/1.1 103 A\r\n\r\nHTTP/1.1 200 B\r\nContent-Length: 4\r\n\r\nbody";
  http::HeadParser parser;
  for (std::size_t size = 1; size <= kAll.size(); ++size) {
    CAPTURE(size);
    ResponseHeadReader reader;
    std::vector<std::uint16_t> seen;
    std::string rest;
    for (std::size_t at = 0; at < kAll.size(); at += size) {
      const std::string piece(kAll.substr(at, size));  // so that what is kept of it must have been copied
      if (seen.size() == 2) {
        rest += piece;
        continue;
      }
      reader.feed(piece);
      http::ResponseHead head;
      while (seen.size() < 2 && reader.next(parser, {}, head) == HeadProgress::Complete) seen.push_back(head.status);
      if (seen.size() == 2) rest = reader.rest();
    }
    CHECK(seen == std::vector<std::uint16_t>{103, 200});
    CHECK(rest == "body");
  }
}

TEST_CASE("what was left of one response is no part of the next") {
  http::HeadParser parser;
  http::ResponseHead head;
  ResponseHeadReader reader;
  reader.feed("HTTP/1.1 2");
  CHECK(reader.next(parser, {}, head) == HeadProgress::Incomplete);
  reader.reset();
  reader.feed("HTTP/1.1 204 N\r\n\r\n");
  REQUIRE(reader.next(parser, {}, head) == HeadProgress::Complete);
  CHECK(head.status == 204);
  CHECK(reader.next(parser, {}, head) == HeadProgress::Incomplete);
}

// ---- RelayedBody ----

std::string relayed(RelayedBody& body, std::string_view bytes) {
  std::vector<std::string_view> data;
  BodyWriter writer;
  static_cast<void>(body.lay_out({}, bytes, data, writer));
  std::string out;
  writer.copy_to(out);
  return out;
}

TEST_CASE("a response body gets the framing that its client understands") {
  struct Case {
    const char* name;
    http::BodyFraming from;
    http::Version client;
    Kind to;
    std::string_view bytes, written;
    bool cut_looks_whole;
  };
  using http::Version;
  const Case cases[] = {
      {"a length stays", {Kind::Length, 4}, Version::Http11, Kind::Length, "body", "body", false},
      {"for HTTP/1.0 too", {Kind::Length, 4}, Version::Http10, Kind::Length, "body", "body", false},
      {"chunks are made anew",
       {Kind::Chunked, 0},
       Version::Http11,
       Kind::Chunked,
       "1\r\na\r\n1\r\nb\r\n",
       "2\r\nab\r\n",
       false},
      {"and taken off for HTTP/1.0",
       {Kind::Chunked, 0},
       Version::Http10,
       Kind::UntilClose,
       "1\r\na\r\n1\r\nb\r\n",
       "ab",
       true},
      {"what ends with the connection is chunked",
       {Kind::UntilClose, 0},
       Version::Http11,
       Kind::Chunked,
       "body",
       "4\r\nbody\r\n",
       false},
      {"but not for HTTP/1.0", {Kind::UntilClose, 0}, Version::Http10, Kind::UntilClose, "body", "body", true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    RelayedBody body;
    body.start(c.from, c.client, 1024);
    CHECK(body.client_framing().kind == c.to);
    CHECK(body.cut_looks_whole() == c.cut_looks_whole);
    CHECK(relayed(body, c.bytes) == c.written);
    CHECK(body.data_bytes() == (c.from.kind == Kind::Chunked ? 2 : 4));
  }
}

TEST_CASE("the end of the connection ends a body that has no other end, and cuts any other") {
  RelayedBody open;
  open.start({Kind::UntilClose, 0}, http::Version::Http11, 1024);
  CHECK(open.connection_ended());
  CHECK(relayed(open, {}) == "0\r\n\r\n");
  RelayedBody counted;
  counted.start({Kind::Length, 4}, http::Version::Http11, 1024);
  CHECK_FALSE(counted.connection_ended());
}

// ---- AccessRecord ----

TEST_CASE("an access record tells of the upstream connection only if there was one, and how far that was trusted") {
  struct Case {
    ConnectionTrust trust;
    bool reused, trusted;
  };
  const Case cases[] = {{ConnectionTrust::NotPooled, false, false},
                        {ConnectionTrust::Fresh, false, true},
                        {ConnectionTrust::Trusted, true, true},
                        {ConnectionTrust::Untrusted, true, false}};
  const policy::ExpectedIdle expected{std::chrono::seconds(5), policy::ExpectedIdle::Source::Hint};
  for (const Case& c : cases) {
    CAPTURE(static_cast<int>(c.trust));
    UpstreamUse use{.requests = 3, .trust = c.trust, .idle = std::chrono::seconds(1)};
    const AccessResult result{.status = 200, .expected_idle = expected};
    const AccessRecord record = access_record({}, {}, use, {}, result);
    CHECK(record.upstream == &use.address);
    CHECK(record.requests_on_connection == 3);
    CHECK(record.reused == c.reused);
    CHECK(record.trusted == c.trusted);
    CHECK(record.expected_idle.has_value());
    use.requests = 0;
    const AccessRecord none = access_record({}, {}, use, {}, result);
    CHECK(none.upstream == nullptr);
    CHECK_FALSE(none.reused);
    CHECK_FALSE(none.trusted);
    CHECK(none.idle == Duration::zero());
    CHECK_FALSE(none.expected_idle);
  }
}

TEST_CASE("the name of a request is kept in its parts") {
  KeptRequestName name;
  CHECK(name.view().method.empty());
  name.assign("GET", "h:80", "/path?q");
  CHECK(name.view().method == "GET");
  CHECK(name.view().host_and_port == "h:80");
  CHECK(name.view().path == "/path?q");
  name.clear();
  CHECK(name.view().path.empty());
}

}  // namespace
}  // namespace keepwarm::proxy::test
