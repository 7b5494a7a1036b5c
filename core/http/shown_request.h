#pragma once

#include <string>
#include <string_view>

/// What may be shown in a log of a request that was refused.
namespace keepwarm::http {

/// A request-target without what may be secret: userinfo is left out, and of a query or a fragment only its mark stays.
/// At most kMaxShownTarget bytes, besides the dots that stand for what was left out.
[[nodiscard]] std::string shown_target(std::string_view target);

inline constexpr std::size_t kMaxShownTarget = 1024;

/// The first two words of a request line; empty if that does not look like one.
struct RequestWords {
  std::string_view method;
  std::string_view target;
};

/// Of a head that could not be parsed, as far as it has come: for what was wrong with it may be anywhere.
[[nodiscard]] RequestWords request_words(std::string_view head) noexcept;

}  // namespace keepwarm::http
