#pragma once

#include <string>

struct ssl_ctx_st;

namespace keepwarm::net {

/// What distinguishes one TLS client context (SSL_CTX) from another.
struct TlsSettings {
  bool verify = true;
  std::string ca_file;             ///< PEM: whom to trust, and nobody else; "": the system's store
  std::string client_certificate;  ///< PEM, with the chain; "": none
  std::string client_key;          ///< PEM, without a password; "": in the same file as the certificate

  bool operator==(const TlsSettings&) const = default;
};

/// One SSL_CTX: what the connections of equal settings share. Connections hold it by OpenSSL's own reference count, so
/// it may go while they live.
class TlsContext {
 public:
  /// Takes over `context`.
  TlsContext(TlsSettings settings, ssl_ctx_st* context) noexcept;
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  [[nodiscard]] const TlsSettings& settings() const noexcept { return settings_; }
  [[nodiscard]] ssl_ctx_st* ssl() const noexcept { return context_; }

 private:
  TlsSettings settings_;
  ssl_ctx_st* context_;
};

}  // namespace keepwarm::net
