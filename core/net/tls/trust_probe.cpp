#include "core/net/tls/trust_probe.h"

#include <array>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/net/tls/alpn.h"
#include "core/net/tls/certificate_fields.h"

namespace keepwarm::net {
namespace {

constexpr std::string_view kAnswer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Why a call has failed, as an alert of the client, or that it has gone.
std::string reason() {
  constexpr int kFirstAlert = 1000;  // SSL_AD_REASON_OFFSET
  const int code = ERR_GET_REASON(ERR_peek_error());
  ERR_clear_error();
  if (code < kFirstAlert) return "it closed the connection";
  return SSL_alert_desc_string_long(code - kFirstAlert);
}

}  // namespace

std::unique_ptr<TrustProbe> TrustProbe::make(const LocalCa& ca, std::size_t generation, std::string_view host,
                                             WallTime now) {
  const PkeyHandle key = make_key();
  const X509Handle leaf = key ? ca.make_leaf(generation, host, key.get(), now) : nullptr;
  ContextHandle context(SSL_CTX_new(TLS_server_method()));
  if (!leaf || !context) return nullptr;
  choose_http_1_1(context.get());
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  const bool ready = SSL_CTX_use_certificate(context.get(), leaf.get()) == 1 &&
                     SSL_CTX_use_PrivateKey(context.get(), key.get()) == 1 &&
                     SSL_CTX_add1_chain_cert(context.get(), ca.issuer(generation)) == 1;
  ERR_clear_error();
  return ready ? std::unique_ptr<TrustProbe>(new TrustProbe(std::move(context))) : nullptr;
}

TrustProbe::Outcome TrustProbe::serve(int socket) {
  using Kind = Outcome::Kind;
  const SslHandle ssl(SSL_new(context_.get()));
  if (!ssl || SSL_set_fd(ssl.get(), socket) != 1) return {};
  ERR_clear_error();
  // In TLS 1.3 a client refuses the certificate after our part of the handshake is over, so a request is what counts.
  std::array<char, 4096> request{};
  if (SSL_accept(ssl.get()) != 1) {
    const bool saw_certificate = SSL_get_state(ssl.get()) != TLS_ST_BEFORE;
    std::string text = reason();
    return saw_certificate ? Outcome{Kind::Refused, std::move(text)} : Outcome{};
  }
  if (SSL_read(ssl.get(), request.data(), static_cast<int>(request.size())) <= 0) return {Kind::Refused, reason()};
  SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
  SSL_shutdown(ssl.get());
  ERR_clear_error();
  return {Kind::Trusted, {}};
}

}  // namespace keepwarm::net
