#include "core/net/tls/tls_client.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/net/tls/alpn.h"
#include "core/net/tls/openssl_handles.h"
#include "core/net/tls/tls_session.h"

namespace keepwarm::net {

namespace {

/// Why OpenSSL could not use a file: "ca_file /x.pem: No such file or directory". Empties the error queue.
std::string file_failure(const char* key, const std::string& path) {
  // The first error is the cause: what the kernel said, or the parser.
  const unsigned long error = ERR_peek_error();
  const char* reason = ERR_SYSTEM_ERROR(error) ? std::strerror(ERR_GET_REASON(error)) : ERR_reason_error_string(error);
  std::string text = std::string(key) + ' ' + path + ": " + (reason != nullptr ? reason : "cannot be used");
  ERR_clear_error();
  return text;
}

// What one call of OpenSSL may take is bounded by its input, since the call itself cannot be interrupted.
/// The certificates of one handshake. (A server's chain takes 5 KiB.)
constexpr long kMostOfCertificates = 64L * 1024;
/// Certificates between the server's and the one that is trusted.
constexpr int kLongestChain = 16;

/// Offers no key exchange over finite fields, in which the server chooses how much we calculate: 8,192 bits take tens
/// of milliseconds. Elliptic curves have taken its place long ago.
void leave_out_finite_fields(SSL_CTX* context) {
  std::string list;
  STACK_OF(SSL_CIPHER)* const ciphers = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* const cipher = sk_SSL_CIPHER_value(ciphers, i);
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    // Those of TLS 1.3 name no key exchange, and are in a list of their own.
    if (exchange == NID_kx_any || exchange == NID_kx_dhe || exchange == NID_kx_dhe_psk) continue;
    list.append(SSL_CIPHER_get_name(cipher)).append(":");
  }
  SSL_CTX_set_cipher_list(context, list.c_str());
  // From 3.5 on the built-in list has none but the shortest two.
  if (OPENSSL_version_major() == 3 && OPENSSL_version_minor() < 5) {
    SSL_CTX_set1_groups_list(context, "X25519:P-256:X448:P-521:P-384");
  }
  ERR_clear_error();
}

/// What does not depend on settings.
void set_up(SSL_CTX* context) {
  // The system's openssl.cnf may demand more than TLS 1.2.
  if (SSL_CTX_get_min_proto_version(context) < TLS1_2_VERSION) SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);  // TlsSession counts the messages without data
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_max_cert_list(context, kMostOfCertificates);
  SSL_CTX_set_verify_depth(context, kLongestChain);
  leave_out_finite_fields(context);
  SSL_CTX_set_alpn_protos(context, kAlpnHttp11.data(), kAlpnHttp11.size());
}

std::optional<std::string> trust(SSL_CTX* context, const TlsSettings& settings, const TrustStore& authorities) {
  if (settings.ca_file.empty()) {
    if (authorities.get() != nullptr) SSL_CTX_set1_cert_store(context, authorities.get());
    return std::nullopt;
  }
  if (SSL_CTX_load_verify_file(context, settings.ca_file.c_str()) != 1) {
    return file_failure("ca_file", settings.ca_file);
  }
  // Whatever is in the file is trusted, though it be an intermediate or the server's own certificate.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  return std::nullopt;
}

std::optional<std::string> identify(SSL_CTX* context, const TlsSettings& settings) {
  const std::string& certificate = settings.client_certificate;
  const std::string& key = settings.client_key.empty() ? certificate : settings.client_key;
  if (certificate.empty()) {
    if (key.empty()) return std::nullopt;
    return "client_key " + key + ": there is no client_certificate for it";
  }
  if (SSL_CTX_use_certificate_chain_file(context, certificate.c_str()) != 1) {
    return file_failure("client_certificate", certificate);
  }
  bool encrypted = false;  // OpenSSL would ask for the password on the terminal
  SSL_CTX_set_default_passwd_cb_userdata(context, &encrypted);
  SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
  });
  const bool used = SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) == 1 &&
                    SSL_CTX_check_private_key(context) == 1;
  SSL_CTX_set_default_passwd_cb(context, nullptr);
  SSL_CTX_set_default_passwd_cb_userdata(context, nullptr);
  if (used) {
    SSL_CTX_set_post_handshake_auth(context, 1);  // the server may ask for it after a request, too (RFC 8446 §4.6.2)
    return std::nullopt;
  }
  const std::string failure = file_failure("client_key", key);
  return encrypted ? "client_key " + key + ": it is encrypted with a password" : failure;
}

Result<ContextHandle, std::string> make_context(const TlsSettings& settings, const TrustStore& authorities) {
  ContextHandle context(SSL_CTX_new(TLS_client_method()));
  if (!context) throw std::bad_alloc();
  set_up(context.get());
  TlsSession::set_callbacks(context.get(), settings.verify);
  if (auto failure = trust(context.get(), settings, authorities)) return *std::move(failure);
  if (auto failure = identify(context.get(), settings)) return *std::move(failure);
  return context;
}

}  // namespace

TlsClient::TlsClient(Loop& loop, TrustStore authorities)
    : loop_(loop), trimmer_(loop), authorities_(std::move(authorities)) {}

Result<const TlsContext*, std::string> TlsClient::context(const TlsSettings& settings) {
  const auto known = std::find_if(contexts_.begin(), contexts_.end(),
                                  [&](const auto& context) { return context->settings() == settings; });
  if (known != contexts_.end()) return known->get();
  auto made = make_context(settings, authorities_);
  if (!made) return made.failure();
  contexts_.push_back(std::make_unique<TlsContext>(settings, made->release()));
  return contexts_.back().get();
}

void TlsClient::reload(TrustStore authorities) {
  contexts_.clear();
  tickets_.forget_all();
  authorities_ = std::move(authorities);
}

std::optional<std::string> check_tls_settings(const TlsSettings& settings) {
  // The system's authorities cannot be wrong, and need not be there for this.
  const auto made = make_context(settings, TrustStore());
  return made ? std::nullopt : std::optional(made.failure());
}

}  // namespace keepwarm::net
