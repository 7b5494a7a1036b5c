#include "core/net/tls/tls_server.h"

#include <new>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/net/tls/alpn.h"

namespace keepwarm::net {

namespace {

/// What the reader of hellos (ClientHello::offers_usable_cipher) calls ours; whatever the system's openssl.cnf says.
bool set_versions_and_ciphers(SSL_CTX* context) {
  return SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1 &&
         SSL_CTX_set_cipher_list(context,
                                 "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                                 "ECDHE-ECDSA-CHACHA20-POLY1305") == 1 &&
         SSL_CTX_set_ciphersuites(context,
                                  "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256") == 1 &&
         SSL_CTX_set1_groups_list(context, "X25519:P-256") == 1 &&
         SSL_CTX_set1_sigalgs_list(context, "ECDSA+SHA256") == 1;
}

bool set_up_server(SSL_CTX* context, EVP_PKEY* key, X509* issuer) {
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);  // TlsSession counts the messages without data
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  choose_http_1_1(context);
  if (!set_versions_and_ciphers(context) || SSL_CTX_use_PrivateKey(context, key) != 1) return false;
  // Of the context, not of the key: so that all connections share the list.
  if (X509_up_ref(issuer) != 1) return false;
  if (SSL_CTX_add_extra_chain_cert(context, issuer) == 1) return true;
  X509_free(issuer);
  return false;
}

/// A certificate that was just signed is encoded anew each time that it is sent; one that was read is not.
X509Handle read_anew(const X509Handle& made) {
  unsigned char* der = nullptr;
  const int size = made ? i2d_X509(made.get(), &der) : 0;
  if (size <= 0) return nullptr;
  const unsigned char* at = der;
  X509Handle read(d2i_X509(nullptr, &at, size));
  OPENSSL_free(der);
  return read;
}

}  // namespace

TlsServer::TlsServer(TlsClient& client, WallClock clock) : client_(client), clock_(std::move(clock)) {}

TlsServer::~TlsServer() = default;

void TlsServer::set_ca(std::shared_ptr<const LocalCa> ca) {
  ca_ = std::move(ca);
  leaves_.reset();
  contexts_.clear();
}

std::unique_ptr<TlsStream> TlsServer::accept(std::unique_ptr<TcpStream>& transport, std::string_view received,
                                             std::string_view host, std::size_t generation,
                                             TlsHandshakeEvents& events) {
  SslHandle ssl = prepare(host, generation);
  ERR_clear_error();
  if (!ssl) return nullptr;
  return TlsStream::accept(client_, std::move(ssl), std::move(transport), received, events);
}

/// nullptr: no leaf could be made.
SslHandle TlsServer::prepare(std::string_view host, std::size_t generation) {
  if (!ca_ || generation >= ca_->generations().size()) return nullptr;
  const auto now = clock_();
  if (!leaves_ || !leaves_->serves(now)) {
    contexts_.clear();
    leaves_.emplace(now);
  }
  ssl_ctx_st* const issuing = context(generation);
  if (issuing == nullptr) return nullptr;
  const auto make = [&] { return read_anew(ca_->make_leaf(generation, host, leaves_->key(), now)); };
  x509_st* const leaf = leaves_->find(generation, host, make);
  if (leaf == nullptr) return nullptr;
  SslHandle ssl(SSL_new(issuing));
  return ssl && SSL_use_certificate(ssl.get(), leaf) == 1 ? std::move(ssl) : nullptr;
}

/// What the connections with leaves of one issuer share. nullptr: OpenSSL failed.
ssl_ctx_st* TlsServer::context(std::size_t generation) {
  if (leaves_->key() == nullptr) return nullptr;
  if (contexts_.size() <= generation) contexts_.resize(generation + 1);
  ContextHandle& known = contexts_[generation];
  if (!known) {
    ContextHandle made(SSL_CTX_new(TLS_server_method()));
    if (made && set_up_server(made.get(), leaves_->key(), ca_->issuer(generation))) known = std::move(made);
  }
  return known.get();
}

}  // namespace keepwarm::net
