#pragma once

#include <array>

struct ssl_ctx_st;

/// The one protocol that we speak, on either side of TLS (RFC 7301).
namespace keepwarm::net {

/// HTTP/1.1, as a list of protocols is written.
inline constexpr std::array<unsigned char, 9> kAlpnHttp11 = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

/// Has a server choose HTTP/1.1 if it is among what a client offers. One that offers nothing of ours is answered
/// without.
void choose_http_1_1(ssl_ctx_st* context) noexcept;

}  // namespace keepwarm::net
