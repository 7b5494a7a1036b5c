#include "core/proxy/body_writer.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "core/proxy/body_reader.h"

namespace keepwarm::proxy::test {
namespace {

using Kind = http::BodyFraming::Kind;

constexpr http::BodyFraming kChunked{Kind::Chunked, 0};
constexpr http::BodyFraming kLength{Kind::Length, 5};
constexpr http::BodyFraming kUntilClose{Kind::UntilClose, 0};

std::string joined(const BodyWriter& writer) {
  std::string all;
  for (const std::string_view piece : writer.pieces()) all += piece;
  std::string copy = "kept: ";
  writer.copy_to(copy);
  CHECK(copy == "kept: " + all);
  return all;
}

TEST_CASE("a write holds the head, the data and the end as the framing wants them") {
  const std::array<std::string_view, 2> data = {"hel", "lo"};
  const std::array<http::Field, 1> trailers = {http::Field{"A", "b", http::FieldId::Other}};
  struct Case {
    std::string_view name;
    http::BodyFraming framing;
    std::string_view written;
  };
  const Case cases[] = {{"chunked", kChunked, "HEAD5\r\nhello\r\n0\r\nA: b\r\n\r\n"},
                        {"length", kLength, "HEADhello"},
                        {"until close", kUntilClose, "HEADhello"},
                        {"none", {}, "HEADhello"}};
  for (const Case& c : cases) {
    CAPTURE(c.name);
    BodyWriter writer;
    writer.begin("HEAD");
    writer.add_data(c.framing, data);
    writer.add_end(c.framing, trailers);
    CHECK(joined(writer) == c.written);
  }
}

TEST_CASE("a write of nothing is empty") {
  BodyWriter writer;
  writer.begin("HEAD");
  CHECK_FALSE(writer.empty());
  for (const http::BodyFraming& framing : {kChunked, kLength, kUntilClose}) {
    writer.begin({});
    writer.add_data(framing, {});
    const std::array<std::string_view, 2> nothing = {"", ""};
    writer.add_data(framing, nothing);  // as a chunk it would be the last one
    CHECK(writer.empty());
    CHECK(joined(writer).empty());
  }
}

TEST_CASE("the end of a chunked message can be a write of its own") {
  BodyWriter writer;
  writer.begin({});
  writer.add_end(kChunked, {});
  CHECK(joined(writer) == "0\r\n\r\n");
  writer.begin({});
  writer.add_end(kLength, {});
  CHECK(writer.empty());
}

TEST_CASE("data is passed through, not copied") {
  const std::string bytes = "hello";
  const std::array<std::string_view, 1> data = {bytes};
  BodyWriter writer;
  for (const http::BodyFraming& framing : {kLength, kChunked, kUntilClose}) {
    writer.begin({});
    writer.add_data(framing, data);
    const bool chunked = framing.kind == Kind::Chunked;
    REQUIRE(writer.pieces().size() == (chunked ? 3U : 1U));
    CHECK(writer.pieces()[chunked ? 1 : 0].data() == bytes.data());
  }
}

TEST_CASE("very many small pieces are gathered, so that one system call takes them") {
  for (const std::size_t count : {47U, 48U, 49U, 1000U}) {
    for (const http::BodyFraming& framing : {kChunked, http::BodyFraming{Kind::Length, 1000000}}) {
      CAPTURE(count);
      std::vector<std::string> texts;
      std::string all;
      for (std::size_t i = 0; i < count; ++i) all += texts.emplace_back(std::to_string(i) + ',');
      const std::vector<std::string_view> data(texts.begin(), texts.end());
      BodyWriter writer;
      writer.begin("HEAD");
      writer.add_data(framing, data);
      writer.add_end(framing, {});
      CHECK(writer.pieces().size() <= 52);
      if (count > 48) CHECK(writer.pieces().size() <= 5);

      const std::string written = joined(writer);
      REQUIRE(written.starts_with("HEAD"));
      BodyReader reader;
      reader.start(framing, 1024);
      std::vector<std::string_view> read;
      const BodyReader::ReadResult result = reader.read(std::string_view(written).substr(4), read);
      std::string got;
      for (const std::string_view each : read) got += each;
      CHECK(got == all);
      CHECK(result.consumed == written.size() - 4);
    }
  }
}

TEST_CASE("data that came in many chunks goes out as one") {
  const std::array<std::string_view, 3> data = {"0123456789", "0123456789", "0123456789"};
  BodyWriter writer;
  writer.begin({});
  writer.add_data(kChunked, data);
  CHECK(joined(writer) == "1e\r\n012345678901234567890123456789\r\n");
}

TEST_CASE("a writer forgets the write before") {
  const std::array<std::string_view, 1> first = {"first"};
  const std::array<std::string_view, 1> second = {"second and longer than that"};
  BodyWriter writer;
  writer.begin("HEAD");
  writer.add_data(kChunked, first);
  writer.add_end(kChunked, {});
  writer.begin({});
  writer.add_data(kChunked, second);
  writer.add_end(kChunked, {});
  CHECK(joined(writer) == "1b\r\nsecond and longer than that\r\n0\r\n\r\n");
}

}  // namespace
}  // namespace keepwarm::proxy::test
