#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/result.h"
#include "core/http/head.h"

namespace keepwarm::http {

/// How the end of a message body is known (RFC 9112 §6).
struct BodyFraming {
  enum class Kind : std::uint8_t { None, Length, Chunked, UntilClose };
  Kind kind = Kind::None;
  std::uint64_t length = 0;  ///< Length only; may be 0

  [[nodiscard]] bool has_body() const noexcept { return kind != Kind::None && !(kind == Kind::Length && length == 0); }
  bool operator==(const BodyFraming&) const = default;
};

/// RFC 9112 §6.3 for requests, strictly: what is ambiguous is a fault, never repaired. "Content-Length: 5, 5" and
/// repeated equal Content-Length fields are faults too. Transfer-Encoding in an HTTP/1.0 request is a fault.
[[nodiscard]] Result<BodyFraming, Fault> request_framing(const RequestHead& head) noexcept;

/// RFC 9112 §6.3 for responses. HEAD, 1xx, 204 and 304 have no body whatever the fields say, yet odd framing fields are
/// faults all the same. Transfer-Encoding in an HTTP/1.0 response is a fault. Not for a 2xx that answers CONNECT.
[[nodiscard]] Result<BodyFraming, Fault> response_framing(const ResponseHead& head, bool answers_head) noexcept;

/// Whether Host obeys RFC 9112 §3.2: exactly one valid field in HTTP/1.1, at most one in HTTP/1.0. `known_valid`: a
/// value that need not be parsed again, namely the authority of the target, which most Host fields repeat; empty: none.
[[nodiscard]] bool host_is_valid(const RequestHead& head, std::string_view known_valid = {}) noexcept;

}  // namespace keepwarm::http
