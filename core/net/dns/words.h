#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

/// What the parsers of the system's files have in common. Private to core/net/dns.
namespace keepwarm::net {

/// Calls `take` with each line, without its end.
template <typename Take>
void each_line(std::string_view text, Take take) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// What stands between blanks.
[[nodiscard]] inline std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlanks = " \t\r\v\f";
  std::vector<std::string_view> words;
  for (std::size_t begin = line.find_first_not_of(kBlanks); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

[[nodiscard]] inline char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
[[nodiscard]] inline std::string_view without_final_dot(std::string_view name) noexcept {
  return name.ends_with('.') ? name.substr(0, name.size() - 1) : name;
}
/// As names are compared.
[[nodiscard]] inline std::string normal_name(std::string_view name) {
  std::string normal(without_final_dot(name));
  for (char& c : normal) c = lower(c);
  return normal;
}

}  // namespace keepwarm::net
