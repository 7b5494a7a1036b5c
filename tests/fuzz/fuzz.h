#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <vector>

#include "core/http/head_parser.h"

/// What the fuzz targets share.
namespace keepwarm::fuzz {

/// A promise that must hold for all bytes.
inline void expect(bool holds) {
  if (!holds) std::abort();
}

/// The bytes of one run: the first says how long the pieces are that the rest is fed in.
struct Input {
  std::string_view bytes;
  std::size_t piece = 1;

  Input(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return;
    piece = data[0] % 32U + 1U;
    bytes = {reinterpret_cast<const char*>(data) + 1, size - 1};
  }
};

/// Small, so that the limits are reached too.
inline constexpr http::HeadLimits kHeadLimits{.max_size = 512, .max_fields = 12};

/// A call of HeadParser and what it said.
struct Outcome {
  http::HeadProgress progress = http::HeadProgress::Incomplete;
  std::optional<http::Fault> fault;
  bool operator==(const Outcome&) const = default;
};

/// A head that was accepted obeys the rules that a smuggler would break.
inline void expect_strict(std::string_view head, std::span<const http::Field> fields) {
  expect(head.size() <= kHeadLimits.max_size && head.ends_with("\r\n\r\n"));
  expect(head.find("\r\n\r\n") == head.size() - 4);
  expect(head.find("\n ") == std::string_view::npos && head.find("\n\t") == std::string_view::npos);
  for (std::size_t i = 0; i < head.size(); ++i) {
    const auto byte = static_cast<std::uint8_t>(head[i]);
    if (byte == '\r') expect(head[i + 1] == '\n');
    if (byte == '\n') expect(i > 0 && head[i - 1] == '\r');
    expect(byte >= 0x20 || byte == '\r' || byte == '\n' || byte == '\t');
    expect(byte != 0x7F);
  }
  std::size_t lines = 0;
  for (const char c : head) lines += c == '\n' ? 1 : 0;
  expect(fields.size() <= kHeadLimits.max_fields);
  expect(lines == fields.size() + 2 || (lines == fields.size() + 3 && head.starts_with("\r\n")));
  for (const http::Field& field : fields) {
    expect(!field.name.empty());
    expect(field.name.find_first_of(" \t:") == std::string_view::npos);
    expect(field.name.data()[field.name.size()] == ':');
    // What was repaired lies elsewhere.
    const bool inside = field.name.data() > head.data() && field.name.data() < head.data() + head.size();
    if (inside) expect(field.value.data() + field.value.size() < head.data() + head.size());
    expect(field.id == http::field_id(field.name));
  }
}

/// What was refused has a name.
inline void expect_described(const Outcome& outcome) {
  expect(outcome.fault.has_value() == (outcome.progress == http::HeadProgress::Broken));
  if (outcome.fault) expect(!http::describe(*outcome.fault).empty());
}

/// Feeds the bytes in pieces, each time in a new buffer, until an answer comes. `parse(bytes, scan)` gives the outcome.
template <typename Parse>
Outcome feed_in_pieces(const Input& input, Parse parse) {
  http::HeadScan scan;
  Outcome outcome;
  std::size_t size = 0;
  while (outcome.progress == http::HeadProgress::Incomplete && size < input.bytes.size()) {
    size = std::min(size + input.piece, input.bytes.size());
    const std::vector<char> buffer(input.bytes.begin(), input.bytes.begin() + static_cast<std::ptrdiff_t>(size));
    outcome = parse(std::string_view(buffer.data(), buffer.size()), scan);
  }
  return outcome;
}

}  // namespace keepwarm::fuzz
