#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/origin.h"
#include "core/base/result.h"

namespace keepwarm::http {

/// The four forms of RFC 9112 §3.2.
enum class TargetForm : std::uint8_t { Origin, Absolute, Authority, Asterisk };

enum class TargetFault : std::uint8_t {
  Malformed,          ///< 400
  HasUserinfo,        ///< 400: `http://user:secret@host/` (RFC 9110 §4.2.4)
  HasFragment,        ///< 400
  EmptyHost,          ///< 400
  BadPort,            ///< 400: not 1–65535
  UnsupportedScheme,  ///< 501
  NotAscii,           ///< 400: `http://bücher.example/`, or the same percent-encoded
  HasZone,            ///< 400: `http://[fe80::1%25eth0]/` (RFC 6874)
};
[[nodiscard]] std::string_view describe(TargetFault fault) noexcept;

/// A parsed request-target. `authority` and `path_and_query` are views into the target given.
struct Target {
  TargetForm form = TargetForm::Origin;
  Scheme scheme = Scheme::Http;     ///< Absolute only; ws is http and wss is https if the caller allows it
  std::string_view authority;       ///< Absolute, Authority: as sent, for the Host field ("Example.COM:8080", "[::1]")
  std::string_view host;            ///< the part of authority before the port, as sent, without brackets
  std::uint16_t port = 0;           ///< as sent, or the scheme's default
  std::string_view path_and_query;  ///< Absolute, Origin: byte for byte, "" if absent; may begin with "?"
};

/// `is_connect`: authority-form is required (and then a port too, RFC 9110 §9.3.6). `allow_websocket_schemes`: take
/// ws:// as http:// and wss:// as https:// (a request with Upgrade). Bytes that RFC 3986 does not allow in a URI but
/// that are neither control bytes nor spaces pass untouched in path and query; in the host they are Malformed. An empty
/// port ("http://h:/") is the default port. Only visible bytes 0x21–0x7E and 0x80–0xFF are accepted at all.
[[nodiscard]] Result<Target, TargetFault> parse_target(std::string_view target, bool is_connect,
                                                       bool allow_websocket_schemes);

/// Writes `host` in lower case without a trailing dot into `out` (cleared first): the form that Origin wants. IPv6
/// literals are put into their canonical text form.
void normalize_host(std::string_view host, std::string& out);

/// Is `value` a valid Host field value: empty, or uri-host [":" port] without userinfo (RFC 9112 §3.2)?
[[nodiscard]] bool valid_host_field(std::string_view value) noexcept;

}  // namespace keepwarm::http
