#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/certificate_scope.h"

/// Which CONNECT is intercepted: everything about it must be as it should be, and whatever is not, is a tunnel. A
/// tunnel is never less secure, since the client's own verification holds in it. Pure: facts go in, a reason comes out.
namespace keepwarm::policy {

/// Why a CONNECT to a host with `intercept = true` became a tunnel.
enum class TunnelReason : std::uint8_t {
  None,               ///< it did not: nothing is against intercepting it
  Listener,           ///< the client came over a listener that does not intercept
  Ca,                 ///< no generation of the local CA may name the host now
  NotTls,             ///< the client's first bytes are no ClientHello
  Silent,             ///< the client waits for the server to speak first
  Alpn,               ///< the client does not offer http/1.1
  Sni,                ///< the client asks for another name than that of CONNECT
  Version,            ///< the client offers neither TLS 1.2 nor 1.3 as we speak them
  NoEcdsa,            ///< the client does not take a certificate with ECDSA over P-256
  Certificate,        ///< the server's certificate was refused
  ClientCertificate,  ///< the server asks for a certificate of the client
  UpstreamTls,        ///< no TLS connection to the server could be made
  Refused,            ///< such a client has refused our certificate (`refused = "tunnel"`)
};

inline constexpr std::size_t kTunnelReasonCount = static_cast<std::size_t>(TunnelReason::Refused) + 1;

/// As the access log names it, "not-tls"; "" for None.
[[nodiscard]] std::string_view describe(TunnelReason reason) noexcept;

/// A certificate is only signed by a generation that lives for another 14 days, since clients keep connections, and
/// trust it already.
inline constexpr std::chrono::hours kLeastRemainingLife{24 * 14};

/// Which generation of the local CA signs for `host` (as in Origin): the oldest one that may name it and lives for
/// another kLeastRemainingLife, for it is the one that most clients trust already; if there is none such, the one of
/// those that may name it that lives longest. Index into `generations`; nullopt: none may name it now.
[[nodiscard]] std::optional<std::size_t> signing_generation(std::span<const CaGeneration> generations,
                                                            std::string_view host,
                                                            std::chrono::system_clock::time_point now);

/// What counts of a client's ClientHello.
struct HelloOffer {
  std::string_view server_name;  ///< as in Origin; "": it has none
  bool has_server_name = false;
  bool http_1_1 = true;  ///< offered by ALPN, or there is no ALPN
  bool version = true;   ///< TLS 1.2 or 1.3 with a cipher that we have
  bool ecdsa_p256 = true;
};

/// What is against answering this hello with a certificate for `host` (as in Origin).
[[nodiscard]] TunnelReason judge_hello(const HelloOffer& offer, std::string_view host) noexcept;

}  // namespace keepwarm::policy
