#include "core/http/chunked_reader.h"

#include "core/http/serializer.h"
#include "wire.h"

namespace keepwarm::http::test {
namespace {

/// What became of a chunked body; everything copied.
struct Body {
  ChunkedProgress progress = ChunkedProgress::More;
  std::optional<Fault> fault;
  std::string data;
  Pairs trailers;
  std::size_t consumed = 0;

  bool operator==(const Body&) const = default;
};

/// Feeds `wire` in the given pieces, each in a buffer of its own.
Body read_pieces(std::string_view wire, const std::vector<std::size_t>& ends, const ChunkedLimits& limits,
                 SectionOf what = SectionOf::Request) {
  ChunkedReader reader;
  reader.start(limits, what);
  Body body;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    const std::vector<char> piece(wire.begin() + static_cast<std::ptrdiff_t>(begin),
                                  wire.begin() + static_cast<std::ptrdiff_t>(end));
    std::vector<std::string_view> data;
    const ChunkedReader::ReadResult step = reader.read({piece.data(), piece.size()}, data);
    for (const std::string_view span : data) body.data += span;
    body.progress = step.progress;
    if (step.progress == ChunkedProgress::Broken) body.fault = step.fault;
    if (step.progress != ChunkedProgress::Broken) body.consumed += step.consumed;
    if (step.progress != ChunkedProgress::More) break;
    CHECK(step.consumed == piece.size());
    begin = end;
  }
  if (body.progress == ChunkedProgress::Ended) body.trailers = copy(reader.trailers());
  if (body.progress == ChunkedProgress::Broken) body.consumed = 0;
  return body;
}

/// Whole, byte by byte, and cut in two at every place: always the same.
Body read(std::string_view wire, const ChunkedLimits& limits = {}, SectionOf what = SectionOf::Request) {
  Body whole = read_pieces(wire, {wire.size()}, limits, what);
  std::vector<std::size_t> every_byte;
  for (std::size_t end = 1; end <= wire.size(); ++end) every_byte.push_back(end);
  CAPTURE(wire);
  const Body piecemeal = read_pieces(wire, every_byte, limits, what);
  CHECK(piecemeal.fault == whole.fault);
  CHECK(piecemeal == whole);
  for (std::size_t cut = 1; cut < wire.size(); ++cut) {
    CAPTURE(cut);
    CHECK(read_pieces(wire, {cut, wire.size()}, limits, what) == whole);
  }
  return whole;
}

}  // namespace

TEST_CASE("a chunked body is its data, and ends with its last chunk") {
  const Body body = read("5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET / HTTP/1.1\r\n");
  CHECK(body.progress == ChunkedProgress::Ended);
  CHECK(body.data == "hello, world");
  CHECK(body.consumed == 27);
  CHECK(body.trailers.empty());
}

TEST_CASE("chunked bodies that must pass") {
  struct Case {
    std::string_view name;
    std::string_view wire;
    std::string_view data;
  };
  const Case cases[] = {
      {"nothing but the last chunk", "0\r\n\r\n", ""},
      {"a last chunk of many zeros", "0000\r\n\r\n", ""},
      {"zeros before the size", "0005\r\nhello\r\n0\r\n\r\n", "hello"},
      {"digits in both cases", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"},
      {"data that looks like framing", "7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", "\r\n0\r\n\r\n"},
      {"NUL and 8-bit bytes as data", {"3\r\n\0\xFF\n\r\n0\r\n\r\n", 13}, {"\0\xFF\n", 3}},
      {"an extension", "5;a=b\r\nhello\r\n0\r\n\r\n", "hello"},
      {"an extension without a value", "5;a\r\nhello\r\n0;b\r\n\r\n", "hello"},
      {"an extension in quotes", "5;a=\"b;\\\"c\"\r\nhello\r\n0\r\n\r\n", "hello"},
      {"an extension with spaces, which llhttp refuses", "5; a = b\r\nhello\r\n0\r\n\r\n", "hello"},
      {"a space before an extension (BWS, RFC 9112 §7.1.1)", "2 ;x=y\r\nok\r\n0\r\n\r\n", "ok"},
      {"blanks before extensions", "2 \t ; x = y ; z\r\nok\r\n0\t;a\r\n\r\n", "ok"},
      {"several extensions", "5;a;b=c\r\nhello\r\n0;d;e\r\n\r\n", "hello"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Body body = read(c.wire);
    CHECK(body.fault == std::nullopt);
    CHECK(body.progress == ChunkedProgress::Ended);
    CHECK(body.data == c.data);
    CHECK(body.consumed == c.wire.size());
  }
}

TEST_CASE("in the trailers of a response, white space before a colon is removed (RFC 9112 §5.1)") {
  const std::string_view wire = "2\r\nok\r\n0\r\nX-Sum : 1\r\nA: b\r\nC\t :\r\n\r\n";
  const Body body = read(wire, {}, SectionOf::Response);
  CHECK(body.progress == ChunkedProgress::Ended);
  CHECK(body.trailers == Pairs{{"X-Sum", "1"}, {"A", "b"}, {"C", ""}});
  CHECK(body.consumed == wire.size());
  CHECK(read(wire).fault == Fault::BadField);
  CHECK(read("0\r\nA : b\r\nContent-Length : 5\r\n\r\n", {}, SectionOf::Response).fault == Fault::BadField);
}

TEST_CASE("white space before extensions counts as extensions do") {
  const std::string line = "2" + std::string(20, ' ') + ";x\r\nok\r\n0\r\n\r\n";
  CHECK(read(line, {.max_extensions = 22}).progress == ChunkedProgress::Ended);
  CHECK(read(line, {.max_extensions = 21}).fault == Fault::ChunkExtensionsTooLong);
}

TEST_CASE("chunked bodies that are refused") {
  struct Case {
    std::string_view name;
    std::string_view wire;
    Fault fault;
    std::string_view data;  // what came before the fault
  };
  const Case cases[] = {
      {"no size", "\r\nhello", Fault::BadChunk, ""},
      {"a prefix", "0x5\r\nhello\r\n", Fault::BadChunk, ""},
      {"a sign", "+5\r\nhello\r\n", Fault::BadChunk, ""},
      {"a negative size", "-5\r\nhello\r\n", Fault::BadChunk, ""},
      {"a space before the size", " 5\r\nhello\r\n", Fault::BadChunk, ""},
      {"a space behind the size", "5 \r\nhello\r\n", Fault::BadChunk, ""},
      {"a tab behind the size", "5\t\r\nhello\r\n", Fault::BadChunk, ""},
      {"digits behind a space", "5 5\r\nhello\r\n", Fault::BadChunk, ""},
      {"a space in place of a size", " ;a\r\nhello\r\n", Fault::BadChunk, ""},
      {"CR alone behind a space", "5 \r;a\r\nhello\r\n", Fault::BadChunk, ""},
      {"NUL behind a space", {"5 \0;a\r\nhello\r\n", 14}, Fault::BadChunk, ""},
      {"an underscore in the size", "1_0\r\n", Fault::BadChunk, ""},
      {"a letter in the size", "5g\r\n", Fault::BadChunk, ""},
      {"a size beyond 64 bits", "10000000000000005\r\nhello", Fault::BadChunk, ""},
      {"a size with endless zeros", "00000000000000000000000000005\r\nhello", Fault::BadChunk, ""},
      {"LF alone behind the size", "5\nhello\r\n", Fault::BadChunk, ""},
      {"CR alone behind the size", "5\rhello\r\n", Fault::BareCrOrLf, ""},
      {"no CRLF behind the data", "5\r\nhello0\r\n\r\n", Fault::BadChunk, "hello"},
      {"LF alone behind the data", "5\r\nhello\n0\r\n\r\n", Fault::BadChunk, "hello"},
      {"CR alone behind the data", "5\r\nhello\r0\r\n\r\n", Fault::BadChunk, "hello"},
      {"more data than announced", "3\r\nhello\r\n0\r\n\r\n", Fault::BadChunk, "hel"},
      {"LF alone ends an extension", "5;a\nhello\r\n0\r\n\r\n", Fault::BareCrOrLf, ""},
      {"CR alone inside an extension", "5;a\rb\r\nhello\r\n", Fault::BareCrOrLf, ""},
      {"NUL in an extension", {"5;a\0\r\nhello\r\n", 13}, Fault::ForbiddenByte, ""},
      {"LF in a quoted extension", "5;a=\"\n\"\r\nhello\r\n", Fault::BareCrOrLf, ""},
      {"a space before the colon of a trailer, which llhttp accepts", "0\r\nA : b\r\n\r\n", Fault::BadField, ""},
      {"a trailer without a colon", "0\r\nA\r\n\r\n", Fault::BadField, ""},
      {"a trailer without a name", "0\r\n: b\r\n\r\n", Fault::BadField, ""},
      {"a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", Fault::FoldedLine, ""},
      {"a space before the first trailer", "0\r\n A: b\r\n\r\n", Fault::FoldedLine, ""},
      {"LF alone in the trailers", "0\r\nA: b\nC: d\r\n\r\n", Fault::BareCrOrLf, ""},
      {"CR alone in the trailers", "0\r\nA: b\rC: d\r\n\r\n", Fault::BareCrOrLf, ""},
      {"NUL in a trailer", {"0\r\nA: \0\r\n\r\n", 11}, Fault::ForbiddenByte, ""},
      {"a trailer section that ends in LF", "0\r\nA: b\r\n\n", Fault::BareCrOrLf, ""},
      {"a body that ends in CR and another byte", "0\r\n\rX", Fault::BareCrOrLf, ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const Body body = read(c.wire);
    CHECK(body.fault == c.fault);
    CHECK(body.data == c.data);
  }
}

TEST_CASE("trailers are handed over whole, however they came") {
  const Body body = read("1\r\nx\r\n0\r\nDigest: abc \r\nX-Sum:\t1\r\nEmpty:\r\n\r\n");
  CHECK(body.trailers == Pairs{{"Digest", "abc"}, {"X-Sum", "1"}, {"Empty", ""}});
}

TEST_CASE("a length among the trailers changes nothing and goes no further") {
  const Body body = read("1\r\nx\r\n0\r\nContent-Length: 5\r\nA: b\r\n\r\nHELLO");
  CHECK(body.progress == ChunkedProgress::Ended);
  CHECK(body.data == "x");
  std::string out;
  std::vector<Field> trailers;
  for (const auto& [name, value] : body.trailers) trailers.push_back({name, value, field_id(name)});
  write_last_chunk(out, trailers);
  CHECK(out == "0\r\nA: b\r\n\r\n");
}

TEST_CASE("every beginning of a body is unfinished") {
  const std::string_view wire = "5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < wire.size(); ++size) {
    CAPTURE(size);
    CHECK(read(wire.substr(0, size)).progress == ChunkedProgress::More);
  }
}

TEST_CASE("extensions are limited over the whole message (CVE-2024-22019)") {
  const ChunkedLimits limits{.max_extensions = 6};
  CHECK(read("1;ab\r\nx\r\n1;cd\r\nx\r\n0\r\n\r\n", limits).data == "xx");
  CHECK(read("1;ab\r\nx\r\n1;cde\r\nx\r\n0\r\n\r\n", limits).fault == Fault::ChunkExtensionsTooLong);
  CHECK(read("1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", limits).fault == Fault::ChunkExtensionsTooLong);
  CHECK(read("1;\r\nx\r\n1;\r\nx\r\n1;\r\nx\r\n1;\r\nx\r\n1;\r\nx\r\n1;\r\nx\r\n1;\r\nx\r\n", limits).fault ==
        Fault::ChunkExtensionsTooLong);
}

TEST_CASE("the trailer section is limited in bytes and in fields") {
  CHECK(read("0\r\nA: b\r\n\r\n", {.max_trailers = 8}).progress == ChunkedProgress::Ended);
  CHECK(read("0\r\nA: b\r\n\r\n", {.max_trailers = 7}).fault == Fault::TrailersTooLarge);
  CHECK(read("0\r\nA: bbbbbbbbbbbbbbbbbbbbbbbbbbbb", {.max_trailers = 8}).fault == Fault::TrailersTooLarge);
  CHECK(read("0\r\nA: b\r\nC: d\r\n\r\n", {.max_trailer_fields = 2}).progress == ChunkedProgress::Ended);
  CHECK(read("0\r\nA: b\r\nC: d\r\n\r\n", {.max_trailer_fields = 1}).fault == Fault::TrailersTooLarge);
}

TEST_CASE("a reader keeps nothing of one body for the next") {
  ChunkedReader reader;
  std::vector<std::string_view> data;
  const ChunkedLimits limits{.max_extensions = 4, .max_trailer_fields = 1};
  for (int round = 0; round < 3; ++round) {
    reader.start(limits);
    CHECK(reader.trailers().empty());
    data.clear();
    REQUIRE(reader.read("5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n", data).progress == ChunkedProgress::Ended);
    CHECK(data == std::vector<std::string_view>{"hello"});
    CHECK(copy(reader.trailers()) == Pairs{{"A", "b"}});
  }
  for (const std::string_view left_over : {"5", "123456789abcdef0", "5\r\nhel", "5;a", "0\r\nB: c", "1 "}) {
    CAPTURE(left_over);
    reader.start(limits);
    CHECK(reader.read(left_over, data).progress != ChunkedProgress::Ended);
    reader.start(limits);
    data.clear();
    REQUIRE(reader.read("02\r\nok\r\n0\r\n\r\n", data).progress == ChunkedProgress::Ended);
    CHECK(data == std::vector<std::string_view>{"ok"});
    CHECK(reader.trailers().empty());
  }
}

TEST_CASE("nothing is read behind a fault or an end") {
  ChunkedReader reader;
  std::vector<std::string_view> data;
  REQUIRE(reader.read("1 x", data).progress == ChunkedProgress::Broken);
  CHECK(reader.read("0\r\n\r\n", data).progress == ChunkedProgress::Broken);
  reader.start({});
  REQUIRE(reader.read("0\r\n\r\n", data).progress == ChunkedProgress::Ended);
  const ChunkedReader::ReadResult after = reader.read("1\r\nx\r\n", data);
  CHECK(after.progress == ChunkedProgress::Ended);
  CHECK(after.consumed == 0);
  CHECK(data.empty());
}

TEST_CASE("data is passed through as views into the bytes given") {
  ChunkedReader reader;
  reader.start({});
  std::vector<std::string_view> data;
  const std::string_view wire = "5\r\nhello\r\n";
  REQUIRE(reader.read(wire, data).progress == ChunkedProgress::More);
  REQUIRE(data.size() == 1);
  CHECK(data[0].data() == wire.data() + 3);
}

TEST_CASE("a body of very many chunks of one byte is read") {
  constexpr std::size_t kChunks = 200'000;
  std::string wire;
  for (std::size_t i = 0; i < kChunks; ++i) wire += "1\r\nx\r\n";
  wire += "0\r\n\r\n";
  std::vector<std::size_t> ends;
  for (std::size_t end = 65'537; end < wire.size(); end += 65'537) ends.push_back(end);
  ends.push_back(wire.size());
  const Body body = read_pieces(wire, ends, {});
  CHECK(body.progress == ChunkedProgress::Ended);
  CHECK(body.data == std::string(kChunks, 'x'));
}

TEST_CASE("what the serializer writes in chunks, the reader reads") {
  std::string wire;
  for (const std::string_view piece : {"a", "0123456789abcdef", "\r\n"}) {
    write_chunk_size(wire, piece.size());
    wire.append(piece).append("\r\n");
  }
  write_last_chunk(wire, fields({{"Digest", "x"}, {"Content-Length", "5"}, {"Host", "h"}, {"TE", "y"}}));
  const Body body = read(wire);
  CHECK(body.data == "a0123456789abcdef\r\n");
  CHECK(body.trailers == Pairs{{"Digest", "x"}});
}

}  // namespace keepwarm::http::test
