#include "core/net/tls/tls_renegotiation.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace keepwarm::net {

namespace {

constexpr long kMost = 3;
/// No certificate is known.
constexpr std::array<unsigned char, 32> kUnknown{};

}  // namespace

Renegotiation::Renegotiation(ssl_st* ssl) : ssl_(ssl), server_(server_certificate()), seen_(begun()) {}

/// How many have begun on this connection, whichever worker's it was.
long Renegotiation::begun() const noexcept {
  return SSL_total_renegotiations(ssl_);
}

Renegotiation::Digest Renegotiation::server_certificate() const noexcept {
  Digest digest = kUnknown;
  const X509* const certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate != nullptr) X509_digest(certificate, EVP_sha256(), digest.data(), nullptr);
  return digest;
}

void Renegotiation::request_written() noexcept {
  if (begun() < kMost) SSL_clear_options(ssl_, SSL_OP_NO_RENEGOTIATION);
}

void Renegotiation::data_came() noexcept {
  SSL_set_options(ssl_, SSL_OP_NO_RENEGOTIATION);
}

Renegotiation::Step Renegotiation::look() noexcept {
  if (SSL_in_init(ssl_) != 0) return Step::UnderWay;
  if (begun() == seen_) return Step::None;
  seen_ = begun();
  const Digest shown = server_certificate();
  const bool same = server_ == kUnknown || shown == server_;
  server_ = shown;
  return same ? Step::Ended : Step::ServerChanged;
}

}  // namespace keepwarm::net
