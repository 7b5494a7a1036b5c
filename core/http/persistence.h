#pragma once

#include "core/http/framing.h"
#include "core/http/head.h"

namespace keepwarm::http {

/// May a client's connection carry another request after this one (RFC 9112 §9.3)? HTTP/1.1 without `close`. Never
/// HTTP/1.0: a proxy must not keep such a client's connection, even if it asks (RFC 9112 §9.3, §C.2.2).
/// `Proxy-Connection: close` counts as close.
[[nodiscard]] bool client_may_persist(const RequestHead& head) noexcept;

/// May the server's connection carry another request after this response? HTTP/1.1 without `close`; HTTP/1.0 with
/// `keep-alive`; and a body that ends by itself. A 101 never.
[[nodiscard]] bool server_may_persist(const ResponseHead& head, const BodyFraming& framing) noexcept;

}  // namespace keepwarm::http
