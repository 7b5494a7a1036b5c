#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/http/fields.h"
#include "core/http/framing.h"
#include "core/http/head_parser.h"

/// Heads as owned values, parsed whole and byte by byte.
namespace keepwarm::http::test {

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// What became of some bytes; everything copied, so that it can be kept and compared.
struct Parsed {
  HeadProgress progress = HeadProgress::Incomplete;
  std::optional<Fault> fault;
  std::string first;   ///< method, or status
  std::string second;  ///< target, or reason
  std::optional<Version> version;
  Pairs fields;
  std::size_t size = 0;

  bool operator==(const Parsed&) const = default;
};

inline Pairs copy(std::span<const Field> fields) {
  Pairs pairs;
  for (const Field& field : fields) pairs.emplace_back(field.name, field.value);
  return pairs;
}

/// One call of the parser with what has come so far.
inline Parsed request_step(HeadParser& parser, std::string_view bytes, HeadScan& scan, const HeadLimits& limits) {
  RequestHead head;
  Parsed parsed;
  parsed.progress = parser.parse_request(bytes, scan, limits, head);
  if (parsed.progress == HeadProgress::Broken) parsed.fault = parser.fault();
  if (parsed.progress != HeadProgress::Complete) return parsed;
  parsed.first = head.method;
  parsed.second = head.target;
  parsed.version = head.version;
  parsed.fields = copy(head.fields);
  parsed.size = head.size;
  return parsed;
}
inline Parsed response_step(HeadParser& parser, std::string_view bytes, HeadScan& scan, const HeadLimits& limits) {
  ResponseHead head;
  Parsed parsed;
  parsed.progress = parser.parse_response(bytes, scan, limits, head);
  if (parsed.progress == HeadProgress::Broken) parsed.fault = parser.fault();
  if (parsed.progress != HeadProgress::Complete) return parsed;
  parsed.first = std::to_string(head.status);
  parsed.second = head.reason;
  parsed.version = head.version;
  parsed.fields = copy(head.fields);
  parsed.size = head.size;
  return parsed;
}

/// Feeds `wire` in one piece and then in pieces of one byte, each time in a buffer of its own and exact size, so that
/// nothing can hold on to an old one or read beyond. Both must give the same.
template <typename Step>
Parsed parse_both_ways(Step step, std::string_view wire, const HeadLimits& limits) {
  HeadParser parser;
  HeadScan scan;
  const std::string copy_of_all(wire);
  Parsed whole = step(parser, copy_of_all, scan, limits);

  HeadScan growing;
  Parsed piecemeal;
  for (std::size_t size = 1; size <= wire.size() && piecemeal.progress == HeadProgress::Incomplete; ++size) {
    const std::vector<char> so_far(wire.begin(), wire.begin() + static_cast<std::ptrdiff_t>(size));
    piecemeal = step(parser, {so_far.data(), so_far.size()}, growing, limits);
  }
  CAPTURE(wire);
  CHECK(whole.fault == piecemeal.fault);
  CHECK(whole == piecemeal);
  return whole;
}

inline Parsed request(std::string_view wire, const HeadLimits& limits = {}) {
  return parse_both_ways(request_step, wire, limits);
}
inline Parsed response(std::string_view wire, const HeadLimits& limits = {}) {
  return parse_both_ways(response_step, wire, limits);
}

/// A list of fields written as in a head, for what takes fields. The text must live as long as the fields.
inline std::vector<Field> fields(std::initializer_list<std::pair<std::string_view, std::string_view>> pairs) {
  std::vector<Field> list;
  for (const auto& [name, value] : pairs) list.push_back({name, value, field_id(name)});
  return list;
}

}  // namespace keepwarm::http::test

namespace doctest {
template <>
struct StringMaker<keepwarm::http::Fault> {
  static String convert(keepwarm::http::Fault fault) {
    const std::string_view text = keepwarm::http::describe(fault);
    return {text.data(), static_cast<unsigned>(text.size())};
  }
};
template <>
struct StringMaker<std::optional<keepwarm::http::Fault>> {
  static String convert(const std::optional<keepwarm::http::Fault>& fault) {
    return fault ? StringMaker<keepwarm::http::Fault>::convert(*fault) : String("no fault");
  }
};
}  // namespace doctest
