#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/http/head.h"

namespace keepwarm::http {

/// ASCII case-insensitive.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept;

/// RFC 9110 §5.6.2.
[[nodiscard]] bool is_token(std::string_view text) noexcept;

/// What, by the grammar of a list, may hold a comma that does not separate.
enum class ListGrammar : std::uint8_t {
  Tokens,         ///< nothing: Connection, Upgrade, TE, …
  QuotedStrings,  ///< RFC 9110 §5.6.4: challenges, Keep-Alive
  Comments,       ///< RFC 9110 §5.6.5, behind white space: Via
};

/// Walks the comma-separated elements of a field value, without white space around them, empty ones skipped (RFC 9110
/// §5.6.1). What is opened and never closed is no quoted string and no comment, and encloses nothing: so nobody can
/// hide by it the elements that others add behind it.
class ListElements {
 public:
  explicit ListElements(std::string_view value, ListGrammar grammar = ListGrammar::QuotedStrings) noexcept
      : rest_(value), grammar_(grammar) {}
  /// The next element; nullopt at the end. All calls together take time that is linear in the value.
  [[nodiscard]] std::optional<std::string_view> next() noexcept;

 private:
  [[nodiscard]] bool opens(std::size_t at) const noexcept;
  [[nodiscard]] std::size_t element_size() noexcept;

  std::string_view rest_;
  ListGrammar grammar_;
};

/// Does any field `id` hold `token` as an element of its list (case-insensitive)?
[[nodiscard]] bool has_list_token(const Fields& fields, FieldId id, std::string_view token) noexcept;

/// All Via fields of a message as one list (RFC 9110 §5.3), with an element of our own behind them: the version of the
/// message that was received, and our pseudonym. Empty pseudonym: without that element.
[[nodiscard]] std::string via_value(const Fields& fields, Version received, std::string_view pseudonym);

/// What the Connection fields of a message say. An option that is none (RFC 9110 §7.6.1: a token) counts as `close`:
/// another recipient may have read one there that we do not.
struct ConnectionOptions {
  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  bool nominates = false;  ///< names at least one further field to remove: is_nominated() must be asked
};
[[nodiscard]] ConnectionOptions connection_options(const Fields& fields) noexcept;

/// Is the field named in a Connection field of the message (RFC 9110 §7.6.1)?
[[nodiscard]] bool is_nominated(const Fields& fields, std::string_view name) noexcept;

/// Must a forwarded message leave this field out, whatever Connection says? Connection, Keep-Alive, Proxy-Connection,
/// TE, Upgrade, HTTP2-Settings, Proxy-Authorization (requests), Proxy-Authenticate, Proxy-Authentication-Info and
/// Proxy-Support (responses). Host, Content-Length, Transfer-Encoding and Via are not hop-by-hop here: the serializer
/// writes those itself.
[[nodiscard]] bool is_hop_by_hop(FieldId id) noexcept;

/// May Connection nominate this field at all? Never a field of framing or routing (Host, Content-Length, Via …):
/// without it the message would be another one (core/doc/design.md §5).
[[nodiscard]] bool may_be_nominated(FieldId id) noexcept;

/// May this field stand in a trailer section that is passed on (RFC 9110 §6.5.1)? Framing, routing, authentication and
/// hop-by-hop fields may not.
[[nodiscard]] bool allowed_in_trailer(FieldId id) noexcept;

/// A server's `Keep-Alive: timeout=5, max=100`. Parameters in any order and case, their values in quotes or not; junk
/// is ignored.
struct KeepAliveHint {
  std::optional<Duration> timeout;
  std::optional<std::uint64_t> max;
};
[[nodiscard]] KeepAliveHint keep_alive_hint(const Fields& fields) noexcept;

/// A number in decimal digits. nullopt: there is a sign or anything else, or the number does not fit.
[[nodiscard]] std::optional<std::uint64_t> parse_decimal(std::string_view text) noexcept;

/// Does a Via field name `pseudonym` as a received-by (RFC 9110 §7.6.3)? In an element that is malformed, any word but
/// the first is taken for one.
[[nodiscard]] bool via_names(const Fields& fields, std::string_view pseudonym) noexcept;

/// NTLM and Negotiate authenticate a connection, not a request (core/doc/design.md §6.10).
/// Request: `Authorization: NTLM …` or `Negotiate …`. Response: WWW-Authenticate or Proxy-Authenticate offers one of
/// them (schemes may be anywhere in a comma-separated list of challenges).
[[nodiscard]] bool asks_connection_bound_auth(const Fields& request_fields) noexcept;
[[nodiscard]] bool offers_connection_bound_auth(const Fields& response_fields) noexcept;
/// Does a proxy say that such authentication works through it (RFC 4559 §6)? `Proxy-Support:
/// Session-Based-Authentication` counts only if Connection nominates it: else it may have come through a proxy that
/// does not know it.
[[nodiscard]] bool supports_session_auth(const Fields& response_fields) noexcept;

/// The schemes that the challenges of the fields `id` name, as one list: "Negotiate, NTLM"; "": none. For messages:
/// what is no token is left out, and so is what makes the list long.
[[nodiscard]] std::string challenge_schemes(const Fields& response_fields, FieldId id);

/// As many protocols may be offered or chosen. Each that is chosen is compared with each that was offered.
inline constexpr std::size_t kMaxUpgradeProtocols = 32;

/// Does an HTTP/1.1 request offer an upgrade that may be passed on (RFC 9110 §7.8): `Connection: upgrade`, and an
/// Upgrade protocol other than h2c? An HTTP/1.0 client's Upgrade means nothing, nor does a list that is malformed or
/// has more than kMaxUpgradeProtocols: a server may ignore Upgrade as well.
[[nodiscard]] bool wants_upgrade(const RequestHead& head) noexcept;

/// Appends the protocols of the Upgrade fields without h2c, as one list: what goes upstream, and what a 101 is checked
/// against.
void append_upgrade_protocols(const Fields& fields, std::string& out);

/// Does a 101 switch to protocols of `offered` (a list as append_upgrade_protocols() writes it), and to at least one?
/// Name and version are compared together, in any case. No, if its list is malformed or too long.
[[nodiscard]] bool upgrade_was_offered(std::string_view offered, const Fields& response_fields) noexcept;

}  // namespace keepwarm::http
