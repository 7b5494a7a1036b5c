#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace keepwarm {

enum class Scheme : std::uint8_t { Http, Https };

[[nodiscard]] constexpr std::uint16_t default_port(Scheme scheme) noexcept {
  return scheme == Scheme::Http ? 80 : 443;
}
[[nodiscard]] constexpr std::string_view name_of(Scheme scheme) noexcept {
  return scheme == Scheme::Http ? "http" : "https";
}

/// What a request is for (RFC 9110 §4.3.1). `host` is in lower case, without a trailing dot; an IPv6 literal is without
/// its brackets.
struct Origin {
  Scheme scheme = Scheme::Http;
  std::string host;
  std::uint16_t port = 80;

  bool operator==(const Origin&) const = default;
};

/// An Origin whose host is only viewed, so that a look-up allocates nothing. The host must obey Origin's rules.
struct OriginView {
  Scheme scheme = Scheme::Http;
  std::string_view host;
  std::uint16_t port = 80;

  OriginView(Scheme s, std::string_view h, std::uint16_t p) noexcept : scheme(s), host(h), port(p) {}
  OriginView(const Origin& origin) noexcept  // NOLINT(google-explicit-constructor)
      : scheme(origin.scheme), host(origin.host), port(origin.port) {}

  bool operator==(const OriginView&) const = default;
};

/// Transparent hash and equality for unordered_map<Origin, …> look-ups with an OriginView.
struct OriginHash {
  using is_transparent = void;
  std::size_t operator()(const OriginView& o) const noexcept {
    const std::size_t tail = (static_cast<std::size_t>(o.port) << 1U) | static_cast<std::size_t>(o.scheme);
    return std::hash<std::string_view>{}(o.host) ^ (tail * 0x9E3779B97F4A7C15ULL);
  }
};
struct OriginEqual {
  using is_transparent = void;
  bool operator()(const OriginView& a, const OriginView& b) const noexcept { return a == b; }
};

/// "example.com", "[::1]": as a host stands in a URL.
[[nodiscard]] std::string host_in_url(std::string_view host);

/// "example.com:80", "[::1]:8080": for messages and logs.
[[nodiscard]] std::string host_and_port(std::string_view host, std::uint16_t port);

}  // namespace keepwarm
