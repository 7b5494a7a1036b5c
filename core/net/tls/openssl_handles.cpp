#include "core/net/tls/openssl_handles.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace keepwarm::net {

void FreeX509::operator()(x509_st* certificate) const noexcept {
  X509_free(certificate);
}

void FreePkey::operator()(evp_pkey_st* key) const noexcept {
  EVP_PKEY_free(key);
}

void CloseBio::operator()(bio_st* bio) const noexcept {
  BIO_free(bio);
}

void FreeSsl::operator()(ssl_st* ssl) const noexcept {
  SSL_free(ssl);
}

void FreeContext::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}

}  // namespace keepwarm::net
