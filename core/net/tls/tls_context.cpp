#include "core/net/tls/tls_context.h"

#include <utility>

#include <openssl/ssl.h>

namespace keepwarm::net {

TlsContext::TlsContext(TlsSettings settings, ssl_ctx_st* context) noexcept
    : settings_(std::move(settings)), context_(context) {}

TlsContext::~TlsContext() {
  SSL_CTX_free(context_);
}

}  // namespace keepwarm::net
