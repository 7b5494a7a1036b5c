#include "core/net/tls/tls_kept_session.h"

#include <array>
#include <cstddef>

#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace keepwarm::net {

namespace {

/// A session in DER without the certificate of the server, which would be most of it and which nobody needs again.
std::string without_certificate(const std::string& session) {
  constexpr int kCertificate = 3;  // context tag, in OpenSSL's SSL_SESSION_ASN1
  constexpr int kFailed = 0x80;
  const auto* at = reinterpret_cast<const unsigned char*>(session.data());
  long size = 0;
  int tag = 0, tag_class = 0;
  if ((ASN1_get_object(&at, &size, &tag, &tag_class, static_cast<long>(session.size())) & kFailed) != 0) return session;
  std::string fields;
  for (const auto* const end = at + size; at < end;) {
    const auto* const begin = at;
    if ((ASN1_get_object(&at, &size, &tag, &tag_class, end - at) & kFailed) != 0) return session;
    at += size;
    if (tag_class != V_ASN1_CONTEXT_SPECIFIC || tag != kCertificate) fields.append(begin, at);
  }
  const int length = static_cast<int>(fields.size());
  std::array<unsigned char, 16> header{};
  auto* to = header.data();
  ASN1_put_object(&to, 1, length, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
  return fields.insert(0, reinterpret_cast<const char*>(header.data()), static_cast<std::size_t>(to - header.data()));
}

}  // namespace

std::string kept_session(ssl_session_st* session, bool certificate_requested) {
  // A place for servers, which OpenSSL keeps for clients too.
  if (certificate_requested && SSL_SESSION_set1_ticket_appdata(session, "c", 1) != 1) return {};
  const int size = i2d_SSL_SESSION(session, nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_SSL_SESSION(session, &to);
  return without_certificate(der);
}

bool was_certificate_requested(ssl_session_st* session) noexcept {
  void* note = nullptr;
  std::size_t size = 0;
  return SSL_SESSION_get0_ticket_appdata(session, &note, &size) == 1 && size > 0;
}

void resume_session(ssl_st* ssl, std::string_view kept) {
  const auto* der = reinterpret_cast<const unsigned char*>(kept.data());
  SSL_SESSION* session = d2i_SSL_SESSION(nullptr, &der, static_cast<long>(kept.size()));
  if (session != nullptr) SSL_set_session(ssl, session);
  SSL_SESSION_free(session);
  ERR_clear_error();
}

}  // namespace keepwarm::net
