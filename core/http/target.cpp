#include "core/http/target.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/base/ip.h"
#include "core/http/ascii.h"
#include "core/http/byte_scan.h"
#include "core/http/fields.h"

namespace keepwarm::http {
namespace {

/// reg-name and IPv4address of RFC 3986 §3.2.2, without percent-encoding: no name that can be looked up has it.
constexpr ByteSet kHostBytes{"-._~!$&'()*+,;="};
constexpr bool is_8bit(char c) noexcept {
  return static_cast<unsigned char>(c) >= 0x80;
}
constexpr ByteSet kSchemeBytes{"+-."};

struct HostAndPort {
  std::string_view host;                 ///< without brackets
  std::optional<std::string_view> port;  ///< what follows the colon, if there is one
};

/// "fe80::1%25eth0", or with a bare "%".
bool has_zone(std::string_view host) noexcept {
  const std::size_t percent = host.find('%');
  return percent != std::string_view::npos && is_ipv6(host.substr(0, percent));
}

/// Of a host that is neither an address nor a name that can be looked up.
TargetFault fault_of_name(std::string_view host) noexcept {
  const auto encoded_or_known = [](char c) noexcept { return c == '%' || is_8bit(c) || kHostBytes.contains(c); };
  const bool names_one = std::all_of(host.begin(), host.end(), encoded_or_known);
  return names_one ? TargetFault::NotAscii : TargetFault::Malformed;
}

/// uri-host [ ":" port ]; the port's digits are not looked at.
Result<HostAndPort, TargetFault> split_authority(std::string_view authority) noexcept {
  HostAndPort parts;
  std::string_view rest;
  if (!authority.empty() && authority.front() == '[') {
    const std::size_t end = authority.find(']');
    if (end == std::string_view::npos) return TargetFault::Malformed;
    parts.host = authority.substr(1, end - 1);
    if (!is_ipv6(parts.host)) return has_zone(parts.host) ? TargetFault::HasZone : TargetFault::Malformed;
    rest = authority.substr(end + 1);
  } else {
    const std::size_t end = std::min(authority.find(':'), authority.size());
    parts.host = authority.substr(0, end);
    const auto allowed = [](char c) noexcept { return kHostBytes.contains(c); };
    if (!std::all_of(parts.host.begin(), parts.host.end(), allowed)) return fault_of_name(parts.host);
    if (parts.host.empty() || parts.host == ".") return TargetFault::EmptyHost;
    rest = authority.substr(end);
  }
  if (rest.empty()) return parts;
  if (rest.front() != ':') return TargetFault::Malformed;
  parts.port = rest.substr(1);
  return parts;
}

/// Fills in authority, host and port. No `default_port`: the port must be there.
std::optional<TargetFault> take_authority(std::string_view authority, std::optional<std::uint16_t> default_port,
                                          Target& into) noexcept {
  if (authority.find('@') != std::string_view::npos) return TargetFault::HasUserinfo;
  const Result<HostAndPort, TargetFault> parts = split_authority(authority);
  if (!parts) return parts.failure();
  into.authority = authority;
  into.host = parts.value().host;
  const std::string_view digits = parts.value().port.value_or("");
  const std::optional<std::uint16_t> port = digits.empty() ? default_port : parse_port(digits);
  if (!port) return TargetFault::BadPort;
  into.port = *port;
  return std::nullopt;
}

std::optional<Scheme> known_scheme(std::string_view scheme, bool allow_websocket_schemes) noexcept {
  if (scheme == "http") return Scheme::Http;  // as nearly always
  if (equals_ignoring_case(scheme, "http")) return Scheme::Http;
  if (equals_ignoring_case(scheme, "https")) return Scheme::Https;
  if (!allow_websocket_schemes) return std::nullopt;
  if (equals_ignoring_case(scheme, "ws")) return Scheme::Http;
  if (equals_ignoring_case(scheme, "wss")) return Scheme::Https;
  return std::nullopt;
}

/// Whether the text behind a colon can be a port: `host:443`, without a scheme, looks like a URI of the scheme `host`.
bool is_host_and_port(std::string_view after_colon) noexcept {
  return std::all_of(after_colon.begin(), after_colon.end(), is_digit);
}

Result<Target, TargetFault> parse_absolute(std::string_view text, bool allow_websocket_schemes) noexcept {
  const std::size_t colon = text.find(':');
  const std::string_view scheme_text = text.substr(0, colon);
  const auto allowed = [](char c) noexcept { return kSchemeBytes.contains(c); };
  if (colon == std::string_view::npos || colon == 0 || !is_alpha(text.front()) ||
      !std::all_of(scheme_text.begin(), scheme_text.end(), allowed)) {
    return TargetFault::Malformed;
  }
  std::string_view rest = text.substr(colon + 1);
  const std::optional<Scheme> scheme = known_scheme(scheme_text, allow_websocket_schemes);
  if (!scheme) return is_host_and_port(rest) ? TargetFault::Malformed : TargetFault::UnsupportedScheme;
  if (!rest.starts_with("//")) return TargetFault::Malformed;
  rest.remove_prefix(2);

  Target target;
  target.form = TargetForm::Absolute;
  target.scheme = *scheme;
  const auto ends_authority = [](char c) noexcept { return c == '/' || c == '?' || c == '#'; };
  const auto authority_end =
      static_cast<std::size_t>(std::find_if(rest.begin(), rest.end(), ends_authority) - rest.begin());
  if (const auto fault = take_authority(rest.substr(0, authority_end), default_port(*scheme), target)) return *fault;
  target.path_and_query = rest.substr(authority_end);
  if (target.path_and_query.find('#') != std::string_view::npos) return TargetFault::HasFragment;
  return target;
}

Result<Target, TargetFault> parse_authority_form(std::string_view text) noexcept {
  Target target;
  target.form = TargetForm::Authority;
  if (const auto fault = take_authority(text, std::nullopt, target)) return *fault;
  return target;
}

}  // namespace

std::string_view describe(TargetFault fault) noexcept {
  switch (fault) {
    case TargetFault::Malformed: return "malformed request target";
    case TargetFault::HasUserinfo: return "user name or password in the request target";
    case TargetFault::HasFragment: return "fragment in the request target";
    case TargetFault::EmptyHost: return "no host in the request target";
    case TargetFault::BadPort: return "missing or impossible port in the request target";
    case TargetFault::UnsupportedScheme: return "unsupported scheme in the request target";
    case TargetFault::NotAscii: return "a host name is written in its ASCII form (xn--..., see idn2(1))";
    case TargetFault::HasZone: return "an address with a zone is not accepted: give it a name in /etc/hosts";
  }
  return "malformed request target";
}

Result<Target, TargetFault> parse_target(std::string_view target, bool is_connect, bool allow_websocket_schemes) {
  const char* const end = target.data() + target.size();
  if (target.empty() || find_invisible(target.data(), end) != end) return TargetFault::Malformed;
  if (is_connect) return parse_authority_form(target);
  if (target.front() == '/') {
    if (target.find('#') != std::string_view::npos) return TargetFault::HasFragment;
    Target origin_form;
    origin_form.path_and_query = target;
    return origin_form;
  }
  if (target == "*") {
    Target asterisk;
    asterisk.form = TargetForm::Asterisk;
    return asterisk;
  }
  return parse_absolute(target, allow_websocket_schemes);
}

void normalize_host(std::string_view host, std::string& out) {
  out.clear();
  if (host.find(':') != std::string_view::npos) {
    if (auto canonical = canonical_ipv6(host)) {
      out = *std::move(canonical);
      return;
    }
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  out.resize(host.size());
  std::transform(host.begin(), host.end(), out.begin(), to_lower);
}

bool valid_host_field(std::string_view value) noexcept {
  if (value.empty()) return true;
  const Result<HostAndPort, TargetFault> parts = split_authority(value);
  if (!parts) return false;
  const std::string_view port = parts.value().port.value_or("");
  return port.empty() || parse_port(port).has_value();
}

}  // namespace keepwarm::http
