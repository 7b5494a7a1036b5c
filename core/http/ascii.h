#pragma once

#include <array>
#include <cstdint>
#include <string_view>

/// Character classes of RFC 9110 §5.6 and RFC 5234, as tables. Private to core/http.
namespace keepwarm::http {

[[nodiscard]] constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
[[nodiscard]] constexpr bool is_alpha(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
[[nodiscard]] constexpr bool is_blank(char c) noexcept {
  return c == ' ' || c == '\t';
}
[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

/// The value of a hexadecimal digit, or -1.
[[nodiscard]] constexpr int hex_value(char c) noexcept {
  if (is_digit(c)) return c - '0';
  const char lower = to_lower(c);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// A set of bytes, as a table: it is asked for each byte of a name or a method, where comparisons would cost more.
class ByteSet {
 public:
  /// ASCII letters, digits, and the bytes of `also`.
  constexpr ByteSet(std::string_view also) noexcept {  // NOLINT(google-explicit-constructor)
    for (std::size_t i = 0; i < in_.size(); ++i) {
      const char c = static_cast<char>(i);
      in_[i] = is_digit(c) || is_alpha(c) || also.find(c) != std::string_view::npos;
    }
  }
  [[nodiscard]] constexpr bool contains(char c) const noexcept { return in_[static_cast<std::uint8_t>(c)]; }

 private:
  std::array<bool, 256> in_{};
};

/// tchar, RFC 9110 §5.6.2.
inline constexpr ByteSet kTokenBytes{"!#$%&'*+-.^_`|~"};

/// `text` without the white space around it (RFC 9110 §5.6.3).
[[nodiscard]] constexpr std::string_view trim_blanks(std::string_view text) noexcept {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace keepwarm::http
