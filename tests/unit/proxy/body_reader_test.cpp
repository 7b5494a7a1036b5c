#include "core/proxy/body_reader.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::proxy::test {
namespace {

using Kind = http::BodyFraming::Kind;
using Progress = BodyReader::Progress;

constexpr std::size_t kTrailers = 1024;

struct Outcome {
  Progress progress = Progress::More;
  std::string data;
  std::size_t consumed = 0;
  http::Fault fault = http::Fault::BadChunk;
};

/// Reads `wire` in pieces of the given size, each in memory of its own, until the body ends or breaks.
Outcome read_in_pieces(BodyReader& reader, std::string_view wire, std::size_t piece) {
  Outcome outcome;
  for (std::size_t at = 0; at < wire.size() && outcome.progress == Progress::More; at += piece) {
    const std::string_view part = wire.substr(at, piece);
    const std::vector<char> bytes(part.begin(), part.end());
    std::vector<std::string_view> data;
    const BodyReader::ReadResult result = reader.read({bytes.data(), bytes.size()}, data);
    for (const std::string_view each : data) outcome.data += each;
    outcome.progress = result.progress;
    outcome.consumed += result.consumed;
    outcome.fault = result.fault;
  }
  return outcome;
}

TEST_CASE("a body of any framing is read the same however it is cut") {
  struct Case {
    std::string_view name;
    http::BodyFraming framing;
    std::string_view wire;
    std::string_view data;
    std::size_t body_size;  ///< what of the wire belongs to the body
    Progress progress;
  };
  const Case cases[] = {
      {"a length", {Kind::Length, 11}, "hello worldNEXT", "hello world", 11, Progress::Ended},
      {"a length, not all there", {Kind::Length, 20}, "hello world", "hello world", 11, Progress::More},
      {"chunks",
       {Kind::Chunked, 0},
       "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\nNEXT",
       "hello world",
       30,
       Progress::Ended},
      {"chunks with trailers", {Kind::Chunked, 0}, "5\r\nhello\r\n0\r\nA: b\r\n\r\nNEXT", "hello", 21, Progress::Ended},
      {"no chunk", {Kind::Chunked, 0}, "0\r\n\r\nNEXT", "", 5, Progress::Ended},
      {"until the close", {Kind::UntilClose, 0}, "0\r\n\r\nhello", "0\r\n\r\nhello", 10, Progress::More},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (std::size_t piece = 1; piece <= c.wire.size(); ++piece) {
      CAPTURE(piece);
      BodyReader reader;
      reader.start(c.framing, kTrailers);
      CHECK_FALSE(reader.ended());
      const Outcome outcome = read_in_pieces(reader, c.wire, piece);
      CHECK(outcome.progress == c.progress);
      CHECK(outcome.data == c.data);
      CHECK(outcome.consumed == c.body_size);
      CHECK(reader.data_bytes() == c.data.size());
      CHECK(reader.ended() == (c.progress == Progress::Ended));
    }
  }
}

TEST_CASE("data of a counted body is never copied") {
  for (const http::BodyFraming& framing :
       {http::BodyFraming{Kind::Length, 5}, http::BodyFraming{Kind::UntilClose, 0}}) {
    BodyReader reader;
    reader.start(framing, kTrailers);
    const std::string_view bytes = "hello";
    std::vector<std::string_view> data = {"before"};
    CHECK(reader.read(bytes, data).consumed == 5);
    REQUIRE(data.size() == 2);
    CHECK(data[0] == "before");
    CHECK(data[1].data() == bytes.data());
  }
}

TEST_CASE("only the data of this body counts, whatever it is appended to") {
  BodyReader reader;
  reader.start({Kind::Chunked, 0}, kTrailers);
  std::vector<std::string_view> data = {"before"};
  CHECK(reader.read("3\r\nabc\r\n", data).progress == Progress::More);
  CHECK(reader.read("2\r\nde\r\n", data).progress == Progress::More);
  CHECK(data == std::vector<std::string_view>{"before", "abc", "de"});
  CHECK(reader.data_bytes() == 5);
}

TEST_CASE("a message without a body has ended before it began, and takes nothing") {
  for (const http::BodyFraming& framing : {http::BodyFraming{}, http::BodyFraming{Kind::Length, 0}}) {
    BodyReader reader;
    reader.start(framing, kTrailers);
    CHECK(reader.ended());
    CHECK(reader.remaining() == 0);
    std::vector<std::string_view> data;
    const BodyReader::ReadResult result = reader.read("NEXT", data);
    CHECK(result.progress == Progress::Ended);
    CHECK(result.consumed == 0);
    CHECK(data.empty());
  }
}

TEST_CASE("a body that has ended takes nothing of what follows") {
  for (const auto& [framing, wire] : {std::pair{http::BodyFraming{Kind::Length, 2}, std::string_view("hi")},
                                      std::pair{http::BodyFraming{Kind::Chunked, 0}, std::string_view("0\r\n\r\n")}}) {
    BodyReader reader;
    reader.start(framing, kTrailers);
    std::vector<std::string_view> data;
    REQUIRE(reader.read(wire, data).progress == Progress::Ended);
    data.clear();
    const BodyReader::ReadResult result = reader.read("NEXT", data);
    CHECK(result.progress == Progress::Ended);
    CHECK(result.consumed == 0);
    CHECK(data.empty());
  }
}

TEST_CASE("what is still to come is known of a length only") {
  BodyReader reader;
  std::vector<std::string_view> data;
  reader.start({Kind::Length, 10}, kTrailers);
  CHECK(reader.remaining() == 10);
  CHECK(reader.read("four", data).progress == Progress::More);
  CHECK(reader.remaining() == 6);
  CHECK(reader.read("and six", data).progress == Progress::Ended);
  CHECK(reader.remaining() == 0);

  reader.start({Kind::Chunked, 0}, kTrailers);
  CHECK_FALSE(reader.remaining());
  CHECK(reader.read("0\r\n\r\n", data).progress == Progress::Ended);
  CHECK(reader.remaining() == 0);

  reader.start({Kind::UntilClose, 0}, kTrailers);
  CHECK_FALSE(reader.remaining());
}

TEST_CASE("a body until the close ends with the connection") {
  BodyReader reader;
  reader.start({Kind::UntilClose, 0}, kTrailers);
  std::vector<std::string_view> data;
  CHECK(reader.read("hello", data).progress == Progress::More);
  CHECK_FALSE(reader.ended());
  reader.connection_ended();
  CHECK(reader.ended());
  CHECK(reader.remaining() == 0);
}

TEST_CASE("trailers are there after the end, of chunked bodies only") {
  BodyReader reader;
  std::vector<std::string_view> data;
  CHECK(reader.trailers().empty());
  reader.start({Kind::Chunked, 0}, kTrailers);
  CHECK(reader.read("0\r\nA: b\r\nC: d\r\n\r\n", data).progress == Progress::Ended);
  REQUIRE(reader.trailers().size() == 2);
  CHECK(reader.trailers()[1].name == "C");
  CHECK(reader.trailers()[1].value == "d");
  reader.start({Kind::Chunked, 0}, kTrailers);
  CHECK(reader.read("0\r\n\r\n", data).progress == Progress::Ended);
  CHECK(reader.trailers().empty());
  reader.start({Kind::Chunked, 0}, kTrailers);
  CHECK(reader.read("0\r\nA: b\r\n\r\n", data).progress == Progress::Ended);
  reader.start({Kind::Length, 1}, kTrailers);
  CHECK(reader.trailers().empty());
}

TEST_CASE("a broken chunked body says what is wrong, however it is cut") {
  struct Case {
    std::string_view wire;
    http::Fault fault;
  };
  const std::string long_trailers = "0\r\nA: " + std::string(kTrailers, 'x') + "\r\n\r\n";
  const Case cases[] = {{"x\r\n", http::Fault::BadChunk},
                        {"5\r\nhelloX", http::Fault::BadChunk},
                        {long_trailers, http::Fault::TrailersTooLarge}};
  for (const Case& c : cases) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, c.wire.size()}) {
      CAPTURE(c.wire);
      CAPTURE(piece);
      BodyReader reader;
      reader.start({Kind::Chunked, 0}, kTrailers);
      const Outcome outcome = read_in_pieces(reader, c.wire, piece);
      CHECK(outcome.progress == Progress::Broken);
      CHECK(outcome.fault == c.fault);
      CHECK_FALSE(reader.ended());
    }
  }
}

TEST_CASE("one reader serves one body after the other") {
  BodyReader reader;
  for (int i = 0; i < 3; ++i) {
    reader.start({Kind::Chunked, 0}, kTrailers);
    CHECK(read_in_pieces(reader, "3\r\nabc\r\n0\r\n\r\n", 2).data == "abc");
    reader.start({Kind::Length, 3}, kTrailers);
    CHECK(read_in_pieces(reader, "def", 2).data == "def");
    CHECK(reader.data_bytes() == 3);
    reader.start({Kind::Chunked, 0}, kTrailers);
    CHECK(read_in_pieces(reader, "3\r\nab", 2).progress == Progress::More);  // and left so
  }
}

}  // namespace
}  // namespace keepwarm::proxy::test
