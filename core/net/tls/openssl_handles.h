#pragma once

#include <memory>

struct bio_st;
struct evp_pkey_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;

/// Objects of OpenSSL as owners, without its headers. An object may have further owners by OpenSSL's own count.
namespace keepwarm::net {

/// Calls X509_free().
struct FreeX509 {
  void operator()(x509_st* certificate) const noexcept;
};
using X509Handle = std::unique_ptr<x509_st, FreeX509>;

/// Calls EVP_PKEY_free(), which clears a private key.
struct FreePkey {
  void operator()(evp_pkey_st* key) const noexcept;
};
using PkeyHandle = std::unique_ptr<evp_pkey_st, FreePkey>;

/// Calls BIO_free().
struct CloseBio {
  void operator()(bio_st* bio) const noexcept;
};
using BioHandle = std::unique_ptr<bio_st, CloseBio>;

/// Calls SSL_free().
struct FreeSsl {
  void operator()(ssl_st* ssl) const noexcept;
};
using SslHandle = std::unique_ptr<ssl_st, FreeSsl>;

/// Calls SSL_CTX_free().
struct FreeContext {
  void operator()(ssl_ctx_st* context) const noexcept;
};
using ContextHandle = std::unique_ptr<ssl_ctx_st, FreeContext>;

}  // namespace keepwarm::net
