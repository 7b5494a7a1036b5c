#pragma once

#include <string>
#include <string_view>

struct ssl_session_st;
struct ssl_st;

/// TLS sessions as they are kept by TlsTickets. Private to core/net.
namespace keepwarm::net {

/// The session in DER, without the certificate of the server, and with a note if that has asked for ours. "": OpenSSL
/// failed.
[[nodiscard]] std::string kept_session(ssl_session_st* session, bool certificate_requested);
/// Whether there is that note.
[[nodiscard]] bool was_certificate_requested(ssl_session_st* session) noexcept;

/// Has the coming handshake of `ssl` resume the session; if it is none, the handshake is a full one.
void resume_session(ssl_st* ssl, std::string_view kept);

}  // namespace keepwarm::net
