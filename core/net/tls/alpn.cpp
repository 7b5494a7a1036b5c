#include "core/net/tls/alpn.h"

#include <openssl/ssl.h>

namespace keepwarm::net {

namespace {

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const int result = SSL_select_next_proto(&found, size, kAlpnHttp11.data(), kAlpnHttp11.size(), offered, offered_size);
  *chosen = found;
  return result == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

}  // namespace

void choose_http_1_1(ssl_ctx_st* context) noexcept {
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
}

}  // namespace keepwarm::net
