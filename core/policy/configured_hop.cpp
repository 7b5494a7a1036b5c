#include "core/policy/configured_hop.h"

#include <algorithm>
#include <utility>

#include "core/base/ip.h"
#include "core/http/fields.h"
#include "core/http/target.h"

namespace keepwarm::policy {

namespace {

constexpr std::string_view kHttp = "http://";

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// nullopt: a "%" without two hexadecimal digits, or a control byte (it would end the field that carries it).
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return std::nullopt;
    out += c;
  }
  return out;
}

/// What stands between the scheme and the path.
std::string_view authority_of(std::string_view url) noexcept {
  const std::string_view rest = url.substr(kHttp.size());
  return rest.substr(0, rest.find_first_of("/?#"));
}

bool is_http_url(std::string_view url) noexcept {
  return http::equals_ignoring_case(url.substr(0, kHttp.size()), kHttp);
}

}  // namespace

std::optional<ConnectTo> parse_connect_to(std::string_view text) {
  ConnectTo to{.host = {}, .port = 0, .unix_path = {}, .shown = std::string(text)};
  if (text.starts_with(kUnixPrefix)) {
    to.unix_path = text.substr(kUnixPrefix.size());
    if (!unix_path_problem(to.unix_path).empty()) return std::nullopt;
    return to;
  }
  const auto target = http::parse_target(text, true, false);
  if (!target) return std::nullopt;
  http::normalize_host(target->host, to.host);
  to.port = target->port;
  return to;
}

std::optional<ParentProxy> parse_parent(std::string_view url) {
  if (!is_http_url(url)) return std::nullopt;
  const std::string_view authority = authority_of(url);
  const std::string_view path = url.substr(kHttp.size() + authority.size());
  if (!path.empty() && path != "/") return std::nullopt;
  const std::size_t at = authority.rfind('@');
  const bool has_credentials = at != std::string_view::npos;
  const std::string plain = std::string(kHttp).append(has_credentials ? authority.substr(at + 1) : authority);
  const auto target = http::parse_target(plain, false, false);
  if (!target) return std::nullopt;
  ParentProxy parent;
  http::normalize_host(target->host, parent.host);
  parent.port = target->port;
  parent.shown = without_credentials(url);
  if (has_credentials) {
    auto credentials = percent_decoded(authority.substr(0, at));
    if (!credentials) return std::nullopt;
    parent.credentials = std::move(*credentials);
    if (parent.credentials.find(':') == std::string::npos) parent.credentials += ':';
  }
  return parent;
}

std::string without_credentials(std::string_view url) {
  // This must work for a malformed URL too, since it is then shown in an error message: the likeliest mistake is an
  // unescaped "/" in the password.
  const auto in_scheme = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto scheme_end = static_cast<std::size_t>(std::find_if_not(url.begin(), url.end(), in_scheme) - url.begin());
  const std::string_view rest = url.substr(scheme_end);
  const std::size_t begin = rest.starts_with("://") ? scheme_end + 3 : url.starts_with("//") ? 2 : 0;
  const std::size_t at = url.rfind('@');
  if (at == std::string_view::npos || at < begin) return std::string(url);
  return std::string(url.substr(0, begin)) + "***" + std::string(url.substr(at));
}

}  // namespace keepwarm::policy
