#include "core/http/fields.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/http/ascii.h"

namespace keepwarm::http {
namespace {

ListGrammar grammar_of(FieldId id) noexcept {
  switch (id) {
    case FieldId::KeepAlive:
    case FieldId::ProxyAuthenticate:
    case FieldId::WwwAuthenticate: return ListGrammar::QuotedStrings;
    case FieldId::Via: return ListGrammar::Comments;
    default: return ListGrammar::Tokens;
  }
}

/// Calls `visit` with each list element of the fields `id` until one call returns true. Whether one did.
template <typename Visit>
bool any_element(const Fields& fields, FieldId id, Visit visit) noexcept(noexcept(visit(std::string_view()))) {
  if (!fields.has(id)) return false;
  for (const Field& field : fields) {
    if (field.id != id) continue;
    ListElements elements(field.value, grammar_of(id));
    while (const auto element = elements.next()) {
      if (visit(*element)) return true;
    }
  }
  return false;
}

/// The size of the quoted string or comment that `text` begins with; 0: it has no end.
std::size_t enclosed_size(std::string_view text) noexcept {
  const char open = text.front();
  const char close = open == '(' ? ')' : open;
  std::size_t depth = 0;  // comments may hold comments
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == close && depth > 0) {
      if (--depth == 0) return at + 1;
    } else if (text[at] == open) {
      ++depth;
    }
  }
  return 0;
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

/// protocol-name ["/" protocol-version], RFC 9110 §7.8.
bool is_protocol(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  return is_token(text.substr(0, slash)) && (slash == std::string_view::npos || is_token(text.substr(slash + 1)));
}

/// Calls `visit` with each protocol of the Upgrade fields. False: they are malformed or too many, and not all were
/// visited.
template <typename Visit>
bool each_protocol(const Fields& fields, Visit visit) noexcept {
  std::size_t count = 0;
  return !any_element(fields, FieldId::Upgrade, [&](std::string_view protocol) noexcept {
    if (++count > kMaxUpgradeProtocols || !is_protocol(protocol)) return true;
    visit(protocol);
    return false;
  });
}

std::string_view without_quotes(std::string_view value) noexcept {
  const bool quoted = value.size() >= 2 && value.front() == '"' && value.back() == '"';
  return quoted ? value.substr(1, value.size() - 2) : value;
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

bool ListElements::opens(std::size_t at) const noexcept {
  switch (grammar_) {
    case ListGrammar::Tokens: return false;
    case ListGrammar::QuotedStrings: return rest_[at] == '"';
    case ListGrammar::Comments: return rest_[at] == '(' && at > 0 && is_blank(rest_[at - 1]);
  }
  return false;
}

std::size_t ListElements::element_size() noexcept {
  if (grammar_ == ListGrammar::Tokens) return std::min(rest_.find(','), rest_.size());
  std::size_t at = 0;
  while (at < rest_.size() && rest_[at] != ',') {
    const bool opened = opens(at);
    const std::size_t size = opened ? enclosed_size(rest_.substr(at)) : 1;
    // What is never closed is looked through once: whatever is opened behind it is not closed either.
    if (size == 0) grammar_ = ListGrammar::Tokens;
    at += std::max<std::size_t>(size, 1);
  }
  return at;
}

std::optional<std::string_view> ListElements::next() noexcept {
  while (!rest_.empty() && (rest_.front() == ',' || is_blank(rest_.front()))) rest_.remove_prefix(1);
  if (rest_.empty()) return std::nullopt;
  const std::size_t size = element_size();
  const std::string_view element = trim_blanks(rest_.substr(0, size));
  rest_.remove_prefix(size);
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
    } else if (!is_token(element)) {
      options.close = true;
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
    const std::optional<std::uint64_t> value = parse_decimal(without_quotes(trim_blanks(element.substr(equals + 1))));
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
    while (!element.empty() && element.front() != '(') {
      if (equals_ignoring_case(take_word(element), pseudonym)) return true;
    }
    return false;
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
  if (head.version != Version::Http11 || !head.fields.has(FieldId::Upgrade)) return false;
  bool offers = false;
  const bool sound = each_protocol(
      head.fields, [&offers](std::string_view protocol) noexcept { offers = offers || !is_h2c(protocol); });
  return sound && offers && connection_options(head.fields).upgrade;
}

void append_upgrade_protocols(const Fields& fields, std::string& out) {
  bool first = true;
  any_element(fields, FieldId::Upgrade, [&](std::string_view protocol) {
    if (is_h2c(protocol)) return false;
    if (!first) out += ", ";
    out += protocol;
    first = false;
    return false;
  });
}

bool upgrade_was_offered(std::string_view offered, const Fields& response_fields) noexcept {
  const auto was_offered = [offered](std::string_view chosen) noexcept {
    ListElements offers(offered, ListGrammar::Tokens);
    while (const auto offer = offers.next()) {
      if (equals_ignoring_case(*offer, chosen)) return !is_h2c(chosen);
    }
    return false;
  };
  bool chose = false;
  bool chose_another = false;
  const bool sound = each_protocol(response_fields, [&](std::string_view chosen) noexcept {
    chose = true;
    chose_another = chose_another || !was_offered(chosen);
  });
  return sound && chose && !chose_another;
}

}  // namespace keepwarm::http
