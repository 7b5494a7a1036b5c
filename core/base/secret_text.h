#pragma once

#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace keepwarm {

/// A text whose bytes are overwritten before their memory is given back: a private key. It is made once, at its full
/// length, so that no shorter copy of it was left behind by growing.
class SecretText {
 public:
  SecretText() noexcept = default;
  explicit SecretText(std::string_view text) : text_(text) {}
  /// Of zeros, for a read() into it.
  explicit SecretText(std::size_t size) : text_(size, '\0') {}
  SecretText(SecretText&& other) noexcept : text_(std::move(other.text_)) { other.wipe(); }
  SecretText& operator=(SecretText&& other) noexcept {
    if (this == &other) return *this;
    wipe();
    text_ = std::move(other.text_);
    other.wipe();
    return *this;
  }
  SecretText(const SecretText&) = delete;
  SecretText& operator=(const SecretText&) = delete;
  ~SecretText() { wipe(); }

  [[nodiscard]] std::string_view view() const noexcept { return text_; }
  [[nodiscard]] char* data() noexcept { return text_.data(); }
  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

 private:
  void wipe() noexcept {
    text_.resize(text_.capacity());  // a short text that was moved from has left its bytes in the room for them
    ::explicit_bzero(text_.data(), text_.size());
    text_.clear();
  }

  std::string text_;
};

}  // namespace keepwarm
