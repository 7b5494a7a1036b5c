#include "core/net/tls/trust_store.h"

#include <cstdlib>
#include <new>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

namespace keepwarm::net {

TrustStore TrustStore::of_system() {
  TrustStore trust;
  trust.store_ = {X509_STORE_new(), X509_STORE_free};
  if (!trust.store_) throw std::bad_alloc();
  X509_STORE_set_default_paths(trust.store_.get());
  ERR_clear_error();
  return trust;
}

std::string system_authorities_file() {
  const char* named = std::getenv(X509_get_default_cert_file_env());
  return named != nullptr ? named : X509_get_default_cert_file();
}

}  // namespace keepwarm::net
