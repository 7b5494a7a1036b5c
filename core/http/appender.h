#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

/// Private to core/http.
namespace keepwarm::http {

/// Appends many small pieces to a string. Space for `expected` bytes is made beforehand, so that a piece costs one
/// comparison and one copy; what exceeds that makes the string grow. Until the appender is destroyed the string is
/// longer than what was appended, and nobody else may use it.
class Appender {
 public:
  Appender(std::string& out, std::size_t expected) : out_(out), at_(out.size()) { make_space(expected); }
  ~Appender() { out_.resize(at_); }
  Appender(const Appender&) = delete;
  Appender& operator=(const Appender&) = delete;

  Appender& text(std::string_view piece) {
    char* const to = space_for(piece.size());
    if (!piece.empty()) std::memcpy(to, piece.data(), piece.size());
    at_ += piece.size();
    return *this;
  }
  /// A literal: its size is known to the compiler, so that the copy is a store or two.
  template <std::size_t N>
  Appender& text(const char (&literal)[N]) {
    std::memcpy(space_for(N - 1), literal, N - 1);
    at_ += N - 1;
    return *this;
  }
  Appender& number(std::uint64_t value) {
    constexpr std::size_t kMaxDigits = 20;
    char* const to = space_for(kMaxDigits);
    at_ += static_cast<std::size_t>(std::to_chars(to, to + kMaxDigits, value).ptr - to);
    return *this;
  }
  Appender& field(std::string_view name, std::string_view value) {
    return text(name).text(": ").text(value).text("\r\n");
  }

 private:
  [[nodiscard]] char* space_for(std::size_t size) {
    if (out_.size() - at_ < size) make_space(size);
    return out_.data() + at_;
  }
  void make_space(std::size_t size) { out_.resize(at_ + size); }  // the string's capacity doubles

  std::string& out_;
  std::size_t at_;
};

}  // namespace keepwarm::http
