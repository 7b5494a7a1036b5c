#include "core/http/persistence.h"
#include "wire.h"

namespace keepwarm::http::test {
namespace {

using Kind = BodyFraming::Kind;
using Verdict = Result<BodyFraming, Fault>;

RequestHead request_with(const std::vector<Field>& list, Version version = Version::Http11) {
  RequestHead head;
  head.version = version;
  head.fields = list;
  return head;
}
ResponseHead response_with(std::uint16_t status, const std::vector<Field>& list, Version version = Version::Http11) {
  ResponseHead head;
  head.version = version;
  head.status = status;
  head.fields = list;
  return head;
}

constexpr BodyFraming kNone{};
constexpr BodyFraming kChunked{Kind::Chunked, 0};
constexpr BodyFraming kUntilClose{Kind::UntilClose, 0};
constexpr BodyFraming length(std::uint64_t bytes) {
  return {Kind::Length, bytes};
}

/// Framing fields that no message may carry, request or response.
struct Odd {
  std::string_view name;
  std::vector<Field> list;
  Fault fault;
};
const std::vector<Odd>& odd_framings() {
  static const std::vector<Odd> all = {
      {"an empty coding, which llhttp accepts", fields({{"Transfer-Encoding", ""}}), Fault::BadTransferEncoding},
      {"gzip, chunked, which llhttp accepts", fields({{"Transfer-Encoding", "gzip, chunked"}}),
       Fault::BadTransferEncoding},
      {"gzip", fields({{"Transfer-Encoding", "gzip"}}), Fault::BadTransferEncoding},
      {"identity", fields({{"Transfer-Encoding", "identity"}}), Fault::BadTransferEncoding},
      {"chunked, chunked", fields({{"Transfer-Encoding", "chunked, chunked"}}), Fault::BadTransferEncoding},
      {"chunked with a comma", fields({{"Transfer-Encoding", "chunked,"}}), Fault::BadTransferEncoding},
      {"chunked with a parameter", fields({{"Transfer-Encoding", "chunked;a=b"}}), Fault::BadTransferEncoding},
      {"xchunked", fields({{"Transfer-Encoding", "xchunked"}}), Fault::BadTransferEncoding},
      {"quoted", fields({{"Transfer-Encoding", "\"chunked\""}}), Fault::BadTransferEncoding},
      {"chunked, then another field", fields({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "identity"}}),
       Fault::BadTransferEncoding},
      {"chunked twice", fields({{"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}}),
       Fault::BadTransferEncoding},
      {"chunked and a length", fields({{"Transfer-Encoding", "chunked"}, {"Content-Length", "5"}}),
       Fault::LengthAndTransferEncoding},
      {"a length and chunked", fields({{"Content-Length", "0"}, {"Transfer-Encoding", "chunked"}}),
       Fault::LengthAndTransferEncoding},
      {"equal lengths", fields({{"Content-Length", "5"}, {"content-length", "5"}}), Fault::BadContentLength},
      {"a list of equal lengths", fields({{"Content-Length", "5, 5"}}), Fault::BadContentLength},
      {"an empty length", fields({{"Content-Length", ""}}), Fault::BadContentLength},
      {"a signed length", fields({{"Content-Length", "+5"}}), Fault::BadContentLength},
      {"a length beyond 64 bits", fields({{"Content-Length", "18446744073709551616"}}), Fault::BadContentLength},
  };
  return all;
}

}  // namespace

TEST_CASE("the body of a request ends as its fields say, and without them there is none") {
  CHECK(request_framing(request_with(fields({{"A", "b"}}))).value() == kNone);
  CHECK(request_framing(request_with(fields({{"Content-Length", "0"}}))).value() == length(0));
  CHECK(request_framing(request_with(fields({{"content-length", "007"}}))).value() == length(7));
  CHECK(request_framing(request_with(fields({{"Transfer-Encoding", "Chunked"}}))).value() == kChunked);
  CHECK(request_framing(request_with(fields({{"Content-Length", "18446744073709551615"}}))).value() ==
        length(18446744073709551615U));
}

TEST_CASE("a length of zero is no body") {
  CHECK_FALSE(length(0).has_body());
  CHECK(length(1).has_body());
  CHECK(kChunked.has_body());
}

TEST_CASE("the body of a response ends as its fields say, and without them with the connection") {
  CHECK(response_framing(response_with(200, fields({})), false).value() == kUntilClose);
  CHECK(response_framing(response_with(200, fields({{"Content-Length", "5"}})), false).value() == length(5));
  CHECK(response_framing(response_with(200, fields({{"Transfer-Encoding", "chunked"}})), false).value() == kChunked);
  CHECK(response_framing(response_with(200, fields({}), Version::Http10), false).value() == kUntilClose);
}

TEST_CASE("responses to HEAD, 1xx, 204 and 304 have no body whatever their fields say") {
  for (const auto& list : {fields({}), fields({{"Content-Length", "5"}}), fields({{"Transfer-Encoding", "chunked"}})}) {
    for (const std::uint16_t status : std::initializer_list<std::uint16_t>{100, 101, 103, 199, 204, 304}) {
      CAPTURE(status);
      CHECK(response_framing(response_with(status, list), false).value() == kNone);
    }
    CHECK(response_framing(response_with(200, list), true).value() == kNone);
  }
}

TEST_CASE("framing that is ambiguous is refused, never repaired") {
  for (const Odd& odd : odd_framings()) {
    CAPTURE(odd.name);
    for (const Version version : {Version::Http11, Version::Http10}) {
      const Verdict of_request = request_framing(request_with(odd.list, version));
      REQUIRE_FALSE(of_request.ok());
      CHECK(of_request.failure() == odd.fault);
      for (const std::uint16_t status : std::initializer_list<std::uint16_t>{200, 204, 304, 101}) {
        const Verdict of_response = response_framing(response_with(status, odd.list, version), status == 200);
        REQUIRE_FALSE(of_response.ok());
        CHECK(of_response.failure() == odd.fault);
      }
    }
  }
}

TEST_CASE("HTTP/1.0 knows no transfer coding") {
  const auto chunked = fields({{"Transfer-Encoding", "chunked"}});
  CHECK(request_framing(request_with(chunked, Version::Http10)).failure() == Fault::BadTransferEncoding);
  CHECK(response_framing(response_with(200, chunked, Version::Http10), false).failure() == Fault::BadTransferEncoding);
}

TEST_CASE("HTTP/1.1 wants exactly one Host, HTTP/1.0 at most one") {
  const auto valid = [](std::initializer_list<std::pair<std::string_view, std::string_view>> pairs, Version version) {
    return host_is_valid(request_with(fields(pairs), version));
  };
  CHECK(valid({{"Host", "h"}}, Version::Http11));
  CHECK(valid({{"host", ""}}, Version::Http11));
  CHECK_FALSE(valid({}, Version::Http11));
  CHECK_FALSE(valid({{"Host", "h"}, {"Host", "h"}}, Version::Http11));
  CHECK_FALSE(valid({{"Host", "a b"}}, Version::Http11));
  CHECK(valid({}, Version::Http10));
  CHECK(valid({{"Host", "h"}}, Version::Http10));
  CHECK_FALSE(valid({{"Host", "h"}, {"host", "i"}}, Version::Http10));
  CHECK_FALSE(valid({{"Host", "u@h"}}, Version::Http10));
}

TEST_CASE("a client's connection persists in HTTP/1.1 unless it says close") {
  CHECK(client_may_persist(request_with(fields({}))));
  CHECK_FALSE(client_may_persist(request_with(fields({{"Connection", "x, Close"}}))));
  CHECK_FALSE(client_may_persist(request_with(fields({{"Proxy-Connection", "close"}}))));
  CHECK(client_may_persist(request_with(fields({{"Proxy-Connection", "keep-alive"}}))));
  CHECK_FALSE(client_may_persist(request_with(fields({{"Connection", "keep-alive"}}), Version::Http10)));
}

TEST_CASE("a server's connection persists when it says so and the body ends by itself") {
  CHECK(server_may_persist(response_with(200, fields({})), length(5)));
  CHECK(server_may_persist(response_with(304, fields({})), kNone));
  CHECK(server_may_persist(response_with(200, fields({})), kChunked));
  CHECK_FALSE(server_may_persist(response_with(200, fields({})), kUntilClose));
  CHECK_FALSE(server_may_persist(response_with(101, fields({})), kNone));
  CHECK_FALSE(server_may_persist(response_with(200, fields({{"Connection", "close"}})), length(5)));
  CHECK_FALSE(server_may_persist(response_with(200, fields({{"Connection", "keep-alive, close"}})), length(5)));
  CHECK_FALSE(server_may_persist(response_with(200, fields({}), Version::Http10), length(5)));
  CHECK(server_may_persist(response_with(200, fields({{"Connection", "Keep-Alive"}}), Version::Http10), length(5)));
  CHECK_FALSE(
      server_may_persist(response_with(200, fields({{"Connection", "keep-alive"}}), Version::Http10), kUntilClose));
}

TEST_CASE("a 204 that announces chunks does not persist: its last chunk may come late") {
  const auto chunked = fields({{"Transfer-Encoding", "chunked"}});
  CHECK_FALSE(server_may_persist(response_with(204, chunked), kNone));
  CHECK(last_chunk_may_follow(response_with(204, chunked)));
  CHECK(server_may_persist(response_with(204, fields({})), kNone));
  CHECK(server_may_persist(response_with(204, fields({{"Content-Length", "0"}})), kNone));
  CHECK(server_may_persist(response_with(304, chunked), kNone));
  CHECK(server_may_persist(response_with(200, chunked), kNone));
}

}  // namespace keepwarm::http::test
