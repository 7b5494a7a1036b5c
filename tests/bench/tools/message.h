#pragma once
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace keepwarm::bench {

// As much of HTTP/1.1 as two ends need that know each other: heads that end by an empty line, bodies by Content-Length.

/// The head at the start of `bytes`, its empty line included; empty while it is not all there.
inline std::string_view head_of(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  return end == std::string_view::npos ? std::string_view{} : bytes.substr(0, end + 4);
}

inline bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; };
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

/// The value of the first field called `name`.
inline std::optional<std::string_view> field(std::string_view head, std::string_view name) {
  std::size_t line = head.find("\r\n") + 2;
  while (line + 2 < head.size()) {
    const std::size_t end = head.find("\r\n", line);
    const std::string_view text = head.substr(line, end - line);
    if (text.size() > name.size() && text[name.size()] == ':' &&
        equal_ignoring_case(text.substr(0, name.size()), name)) {
      const std::size_t start = text.find_first_not_of(' ', name.size() + 1);
      return start == std::string_view::npos ? std::string_view{} : text.substr(start);
    }
    line = end + 2;
  }
  return std::nullopt;
}

inline std::optional<std::uint64_t> content_length(std::string_view head) {
  const std::optional<std::string_view> text = field(head, "content-length");
  std::uint64_t value = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), value).ec != std::errc{}) return std::nullopt;
  return value;
}

}  // namespace keepwarm::bench
