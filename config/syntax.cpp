#include "config/syntax.h"

#include <algorithm>
#include <iterator>

#include "config/value.h"

namespace keepwarm::config {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

std::string_view line_of(std::string_view text, std::size_t line) {
  for (; line > 1 && !text.empty(); --line) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  return trimmed(text.substr(0, text.find('\n')));
}

/// `[host."a"]` of a line that begins with it; else empty.
std::string_view header_in(std::string_view line) {
  const std::size_t end = line.rfind(']');
  return line.starts_with('[') && end != std::string_view::npos ? line.substr(0, end + 1) : std::string_view();
}

/// The first line before `line` that has the same header; 0: none has.
std::size_t earlier_line(std::string_view text, std::size_t line, std::string_view header) {
  for (std::size_t earlier = 1; earlier < line; ++earlier) {
    if (header_in(line_of(text, earlier)) == header) return earlier;
  }
  return 0;
}

/// What stands behind the "=" of a line and is neither in quotes nor in brackets; else empty.
std::string_view bare_value_in(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == std::string_view::npos) return {};
  const std::string_view value = trimmed(line.substr(equals + 1));
  if (value.empty() || std::string_view("\"'[{#").find(value.front()) != std::string_view::npos) return {};
  return trimmed(value.substr(0, value.find('#')));
}

std::string shown(std::string_view value) {
  constexpr std::size_t kLongest = 40;
  const bool may_hold_a_password = value.find('@') != std::string_view::npos;
  return may_hold_a_password || value.size() > kLongest ? "this" : quote(value);
}

/// Says "Error while parsing decimal integer: …", or another type for whatever stood there.
bool is_about_a_value(std::string_view description) {
  const std::string_view what = description.substr(0, description.find(':'));
  constexpr std::string_view kTypes[] = {" value", "integer", "floating-point", "boolean", "time", "date"};
  return std::any_of(std::begin(kTypes), std::end(kTypes),
                     [what](std::string_view type) { return what.find(type) != std::string_view::npos; });
}

}  // namespace

std::string syntax_problem(std::string_view text, std::size_t line, std::string_view description) {
  const std::string_view here = line_of(text, line);
  if (description.find("cannot redefine existing table") != std::string_view::npos) {
    const std::string_view header = header_in(here);
    const std::size_t earlier = earlier_line(text, line, header);
    const std::string where = earlier > 0 ? "in line " + std::to_string(earlier) : "in another notation";
    return "the table " + std::string(header) + " is there already, " + where + "; allowed: one table for each";
  }
  if (!is_about_a_value(description)) return std::string(description);
  if (const std::string_view value = bare_value_in(here); !value.empty()) {
    return shown(value) + " without quotes is no value; allowed: true, false, numbers, and all else in quotes";
  }
  return std::string(description) + "; durations, sizes, addresses and words stand in quotes";
}

}  // namespace keepwarm::config
