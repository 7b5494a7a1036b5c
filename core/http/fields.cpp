#include "core/http/fields.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/http/ascii.h"

namespace keepwarm::http {
namespace {

/// Calls `visit` with each list element of the fields `id` until one call returns true. Whether one did.
template <typename Visit>
bool any_element(const Fields& fields, FieldId id, Visit visit) noexcept(noexcept(visit(std::string_view()))) {
  if (!fields.has(id)) return false;
  for (const Field& field : fields) {
    if (field.id != id) continue;
    ListElements elements(field.value);
    while (const auto element = elements.next()) {
      if (visit(*element)) return true;
    }
  }
  return false;
}

/// Cuts off and returns what stands before the first blank; `rest` then begins behind the blanks.
std::string_view take_word(std::string_view& rest) noexcept {
  const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest = trim_blanks(rest.substr(end));
  return word;
}

bool is_connection_bound_scheme(std::string_view challenge) noexcept {
  const std::string_view scheme = take_word(challenge);
  return equals_ignoring_case(scheme, "ntlm") || equals_ignoring_case(scheme, "negotiate");
}

/// HTTP/2 without TLS, which a proxy of HTTP/1.1 must not let pass (RFC 7540 §3.2).
bool is_h2c(std::string_view protocol) noexcept {
  return equals_ignoring_case(protocol.substr(0, protocol.find('/')), "h2c");
}

Duration seconds(std::uint64_t count) noexcept {
  constexpr std::uint64_t kLongest = 1'000'000'000;  // 31 years; more would overflow a Duration
  return std::chrono::seconds(static_cast<std::int64_t>(std::min(count, kLongest)));
}

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

bool is_token(std::string_view text) noexcept {
  bool all = !text.empty();
  for (const char c : text) all &= kTokenBytes.contains(c);  // no branch: names are short and mostly sound
  return all;
}

std::optional<std::string_view> ListElements::next() noexcept {
  while (!rest_.empty() && (rest_.front() == ',' || is_blank(rest_.front()))) rest_.remove_prefix(1);
  if (rest_.empty()) return std::nullopt;
  std::size_t end = 0;
  for (bool quoted = false; end < rest_.size() && (quoted || rest_[end] != ','); ++end) {
    if (rest_[end] == '"') quoted = !quoted;
    if (quoted && rest_[end] == '\\' && end + 1 < rest_.size()) ++end;
  }
  const std::string_view element = trim_blanks(rest_.substr(0, end));
  rest_.remove_prefix(end);
  return element;
}

std::string via_value(const Fields& fields, Version received, std::string_view pseudonym) {
  std::string list;
  const auto separate = [&list] {
    if (!list.empty()) list += ", ";
  };
  for (const Field& field : fields) {
    if (field.id != FieldId::Via || field.value.empty()) continue;
    separate();
    list += field.value;
  }
  if (pseudonym.empty()) return list;
  separate();
  return list.append(received == Version::Http11 ? "1.1 " : "1.0 ").append(pseudonym);
}

bool has_list_token(const Fields& fields, FieldId id, std::string_view token) noexcept {
  return any_element(fields, id, [token](std::string_view e) noexcept { return equals_ignoring_case(e, token); });
}

ConnectionOptions connection_options(const Fields& fields) noexcept {
  ConnectionOptions options;
  any_element(fields, FieldId::Connection, [&options](std::string_view element) noexcept {
    if (equals_ignoring_case(element, "keep-alive")) {
      options.keep_alive = true;
    } else if (equals_ignoring_case(element, "close")) {
      options.close = true;
    } else if (equals_ignoring_case(element, "upgrade")) {
      options.upgrade = true;
    } else {
      const FieldId id = field_id(element);
      options.nominates = options.nominates || (may_be_nominated(id) && !is_hop_by_hop(id));
    }
    return false;
  });
  return options;
}

bool is_nominated(const Fields& fields, std::string_view name) noexcept {
  return has_list_token(fields, FieldId::Connection, name);
}

bool is_hop_by_hop(FieldId id) noexcept {
  switch (id) {
    case FieldId::Connection:
    case FieldId::Http2Settings:
    case FieldId::KeepAlive:
    case FieldId::ProxyAuthenticate:
    case FieldId::ProxyAuthenticationInfo:
    case FieldId::ProxyAuthorization:
    case FieldId::ProxyConnection:
    case FieldId::ProxySupport:
    case FieldId::Te:
    case FieldId::Upgrade: return true;
    default: return false;
  }
}

bool may_be_nominated(FieldId id) noexcept {
  switch (id) {
    case FieldId::CacheControl:
    case FieldId::ContentLength:
    case FieldId::Date:
    case FieldId::Expect:
    case FieldId::Host:
    case FieldId::MaxForwards:
    case FieldId::TransferEncoding:
    case FieldId::Via: return false;
    default: return true;
  }
}

bool allowed_in_trailer(FieldId id) noexcept {
  switch (id) {
    case FieldId::Authorization:
    case FieldId::CacheControl:
    case FieldId::ContentLength:
    case FieldId::Cookie:
    case FieldId::Date:
    case FieldId::Expect:
    case FieldId::Host:
    case FieldId::IdempotencyKey:
    case FieldId::MaxForwards:
    case FieldId::SetCookie:
    case FieldId::Trailer:
    case FieldId::TransferEncoding:
    case FieldId::Via:
    case FieldId::WwwAuthenticate: return false;
    default: return !is_hop_by_hop(id);
  }
}

KeepAliveHint keep_alive_hint(const Fields& fields) noexcept {
  KeepAliveHint hint;
  any_element(fields, FieldId::KeepAlive, [&hint](std::string_view element) noexcept {
    const std::size_t equals = element.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = trim_blanks(element.substr(0, equals));
    const std::optional<std::uint64_t> value = parse_decimal(trim_blanks(element.substr(equals + 1)));
    if (!value) return false;
    // If a parameter comes twice, its smaller value is the safer one to believe.
    if (equals_ignoring_case(name, "timeout")) {
      hint.timeout = std::min(hint.timeout.value_or(Duration::max()), seconds(*value));
    } else if (equals_ignoring_case(name, "max")) {
      hint.max = std::min(hint.max.value_or(std::numeric_limits<std::uint64_t>::max()), *value);
    }
    return false;
  });
  return hint;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool via_names(const Fields& fields, std::string_view pseudonym) noexcept {
  return any_element(fields, FieldId::Via, [pseudonym](std::string_view element) noexcept {
    take_word(element);  // received-protocol
    return equals_ignoring_case(take_word(element), pseudonym);
  });
}

bool asks_connection_bound_auth(const Fields& request_fields) noexcept {
  if (!request_fields.has(FieldId::Authorization)) return false;
  return std::any_of(request_fields.begin(), request_fields.end(), [](const Field& field) noexcept {
    return field.id == FieldId::Authorization && is_connection_bound_scheme(field.value);
  });
}

bool offers_connection_bound_auth(const Fields& response_fields) noexcept {
  return any_element(response_fields, FieldId::WwwAuthenticate, is_connection_bound_scheme) ||
         any_element(response_fields, FieldId::ProxyAuthenticate, is_connection_bound_scheme);
}

std::string challenge_schemes(const Fields& response_fields, FieldId id) {
  constexpr std::size_t kLongest = 80;
  std::string schemes;
  any_element(response_fields, id, [&schemes](std::string_view element) {
    const std::string_view scheme = take_word(element);
    // An element that begins with `name=value` is a further parameter of the challenge before it.
    if (!is_token(scheme) || element.starts_with('=') || schemes.size() + scheme.size() > kLongest) return false;
    if (!schemes.empty()) schemes += ", ";
    schemes += scheme;
    return false;
  });
  return schemes;
}

bool supports_session_auth(const Fields& response_fields) noexcept {
  return has_list_token(response_fields, FieldId::ProxySupport, "session-based-authentication") &&
         is_nominated(response_fields, "proxy-support");
}

bool wants_upgrade(const RequestHead& head) noexcept {
  if (head.version != Version::Http11) return false;
  const auto is_other = [](std::string_view protocol) noexcept { return !is_h2c(protocol); };
  return any_element(head.fields, FieldId::Upgrade, is_other) && connection_options(head.fields).upgrade;
}

void append_upgrade_protocols(const Fields& fields, std::string& out) {
  bool first = true;
  for (const Field& field : fields) {
    if (field.id != FieldId::Upgrade) continue;
    ListElements elements(field.value);
    while (const auto protocol = elements.next()) {
      if (is_h2c(*protocol)) continue;
      if (!first) out += ", ";
      out += *protocol;
      first = false;
    }
  }
}

bool upgrade_was_offered(std::string_view offered, const Fields& response_fields) noexcept {
  bool chose = false;
  const bool chose_another =
      any_element(response_fields, FieldId::Upgrade, [offered, &chose](std::string_view chosen) noexcept {
        chose = true;
        ListElements offers(offered);
        while (const auto offer = offers.next()) {
          if (equals_ignoring_case(*offer, chosen)) return is_h2c(chosen);
        }
        return true;
      });
  return chose && !chose_another;
}

}  // namespace keepwarm::http
