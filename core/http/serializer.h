#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/http/framing.h"
#include "core/http/head.h"

namespace keepwarm::http {

/// How a request head is rewritten for its next hop. The views are used only during the call.
struct ForwardedRequest {
  std::string_view method;
  std::string_view target;  ///< as it goes out: "/path?query", "*", or absolute-form for a parent
  std::string_view host;    ///< value of the Host field (RFC 9112 §3.2.2: from the target, not as received)
  std::string_view via;     ///< our pseudonym; empty: no Via
  std::string_view proxy_authorization;  ///< for a parent proxy; empty: none
  BodyFraming framing;
  bool keep_alive = true;    ///< `Connection: keep-alive`, else `Connection: close`
  bool upgrade = false;      ///< `Connection: upgrade` and the Upgrade field without h2c (wins over keep_alive)
  bool drop_expect = false;  ///< an HTTP/1.0 client's Expect means nothing (RFC 9110 §10.1.1)
  std::optional<std::uint64_t> max_forwards;  ///< replaces the received value
};
/// Appends the head that goes upstream: request line (HTTP/1.1), Host first, then the client's fields in their order
/// without the hop-by-hop and nominated ones, framing fields written anew from `framing`, a Via line of our own behind
/// those received (RFC 9110 §5.3: the same as a further list element), Connection. It cannot fail: the head is valid.
void write_request_head(std::string& out, const RequestHead& head, const ForwardedRequest& how);

/// How a response head is rewritten for the client.
struct ForwardedResponse {
  BodyFraming framing;              ///< as the client will see it (chunked instead of until-close for HTTP/1.1)
  bool keeps_length_field = false;  ///< HEAD or 304: pass the received Content-Length though there is no body
  std::string_view via;             ///< our pseudonym; empty: no Via
  bool keep_alive = true;           ///< `Connection: keep-alive` and `Keep-Alive: timeout=`, else `Connection: close`
  Duration keep_alive_timeout{};    ///< sent in whole seconds; below one second nothing is sent
  std::string_view date;            ///< IMF-fixdate, written when the response has no Date
  std::string_view proxy_status;    ///< value of a Proxy-Status field to append; empty: none
  bool upgrade = false;             ///< a 101: `Connection: upgrade` and the received Upgrade field
  bool strip_secure = false;        ///< of cookies: without_secure() (set_cookie.h)
  bool session_auth = false;        ///< `Proxy-Support: Session-Based-Authentication`, nominated (RFC 4559 §6)
};
/// Appends the head that goes to the client, always as HTTP/1.1 (RFC 9110 §6.2), with the status and reason as
/// received.
void write_response_head(std::string& out, const ResponseHead& head, const ForwardedResponse& how);

/// Appends an interim response (1xx other than 101) without hop-by-hop fields, Via added. `strip_secure`: as in
/// ForwardedResponse.
void write_interim_head(std::string& out, const ResponseHead& head, std::string_view via, bool strip_secure);

/// Appends "1f4\r\n": the line before a chunk's data. `size` > 0.
void write_chunk_size(std::string& out, std::size_t size);

/// Appends "0\r\n", the allowed ones of `trailers`, "\r\n".
void write_last_chunk(std::string& out, std::span<const Field> trailers);

/// Appends the body of an answer to TRACE with Max-Forwards: 0 (RFC 9110 §9.3.8): the received head as message/http,
/// without Cookie, Authorization and Proxy-Authorization.
void write_trace_body(std::string& out, const RequestHead& head);

/// Appends the IMF-fixdate (RFC 9110 §5.6.7) of a time in seconds since 1970, e.g. "Sun, 06 Nov 1994 08:49:37 GMT".
void write_date(std::string& out, std::int64_t unix_seconds);

/// The reason of a status that we answer with ourselves (core/doc/design.md §7); "" for every other.
[[nodiscard]] std::string_view reason_phrase(std::uint16_t status) noexcept;

}  // namespace keepwarm::http
