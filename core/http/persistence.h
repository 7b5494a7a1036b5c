#pragma once

#include "core/http/framing.h"
#include "core/http/head.h"

namespace keepwarm::http {

/// May a client's connection carry another request after this one (RFC 9112 §9.3)? HTTP/1.1 without `close`. Never
/// HTTP/1.0: a proxy must not keep such a client's connection, even if it asks (RFC 9112 §9.3, §C.2.2).
/// `Proxy-Connection: close` counts as close.
[[nodiscard]] bool client_may_persist(const RequestHead& head) noexcept;

/// May the server's connection carry another request after this response? HTTP/1.1 without `close`; HTTP/1.0 with
/// `keep-alive`; and a body that ends by itself. A 101 never, nor where last_chunk_may_follow().
[[nodiscard]] bool server_may_persist(const ResponseHead& head, const BodyFraming& framing) noexcept;

/// A 204 that announces chunks, which it must not (RFC 9112 §6.1): it has no body, but its server may send the last
/// chunk all the same, and later.
[[nodiscard]] bool last_chunk_may_follow(const ResponseHead& head) noexcept;

}  // namespace keepwarm::http
