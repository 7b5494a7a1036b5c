#include <algorithm>
#include <string>
#include <utility>

#include "core/http/chunked_reader.h"
#include "core/http/fields.h"
#include "core/http/serializer.h"
#include "tests/fuzz/fuzz.h"

// A chunked body: data, trailers, end and fault do not depend on how the bytes were cut, and what we write of it reads
// as the same again.
namespace {

using namespace keepwarm::http;
using keepwarm::fuzz::expect;
using keepwarm::fuzz::Input;

constexpr ChunkedLimits kLimits{.max_extensions = 64, .max_trailers = 128, .max_trailer_fields = 6};

struct Body {
  ChunkedProgress progress = ChunkedProgress::More;
  Fault fault = Fault::BadChunk;
  std::string data;
  std::vector<std::pair<std::string, std::string>> trailers;
  std::size_t consumed = 0;
  bool operator==(const Body&) const = default;
};

Body read(std::string_view bytes, std::size_t piece, const ChunkedLimits& limits, SectionOf what) {
  ChunkedReader reader;
  reader.start(limits, what);
  Body body;
  while (body.progress == ChunkedProgress::More && !bytes.empty()) {
    const std::string_view next = bytes.substr(0, std::min(piece, bytes.size()));
    const std::vector<char> buffer(next.begin(), next.end());
    std::vector<std::string_view> data;
    const ChunkedReader::ReadResult step = reader.read({buffer.data(), buffer.size()}, data);
    for (const std::string_view span : data) body.data += span;
    body.progress = step.progress;
    body.fault = step.fault;
    body.consumed += step.consumed;
    expect(step.progress != ChunkedProgress::More || step.consumed == next.size());
    bytes.remove_prefix(next.size());
  }
  if (body.progress == ChunkedProgress::Broken) body.consumed = 0;  // it has no meaning then
  if (body.progress == ChunkedProgress::Ended) {
    for (const Field& field : reader.trailers()) body.trailers.emplace_back(field.name, field.value);
  }
  return body;
}

void check_written_again(const Body& body) {
  std::string wire;
  if (!body.data.empty()) {
    write_chunk_size(wire, body.data.size());
    wire.append(body.data).append("\r\n");
  }
  std::vector<Field> trailers;
  for (const auto& [name, value] : body.trailers) trailers.push_back({name, value, field_id(name)});
  write_last_chunk(wire, trailers);
  const Body again = read(wire, wire.size(), {}, SectionOf::Request);
  expect(again.progress == ChunkedProgress::Ended && again.consumed == wire.size() && again.data == body.data);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Input input(data, size);
  const SectionOf what = size > 0 && data[0] >= 32 ? SectionOf::Response : SectionOf::Request;
  const Body whole = read(input.bytes, std::max<std::size_t>(input.bytes.size(), 1), kLimits, what);
  expect(read(input.bytes, input.piece, kLimits, what) == whole);
  expect(!describe(whole.fault).empty());
  expect(whole.consumed <= input.bytes.size());
  if (whole.progress == ChunkedProgress::Ended) check_written_again(whole);
  return 0;
}
