#include "core/net/tls/java_trust_store.h"

#include <array>
#include <memory>
#include <vector>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "core/net/tls/openssl_handles.h"

namespace keepwarm::net {
namespace {

constexpr std::uint32_t kMagic = 0xFEEDFEED;
constexpr std::uint32_t kVersion = 2;
constexpr std::uint32_t kTrustedCertificate = 2;  // an entry of that kind
constexpr std::string_view kPassword = "changeit";
constexpr std::string_view kSalt = "Mighty Aphrodite";  // sun.security.provider.JavaKeyStore

/// Big-endian, as java.io.DataOutput writes it.
void append_number(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) out += static_cast<char>(number >> (8 * (i - 1)));
}

void append_text(std::string& out, std::string_view text) {
  append_number(out, text.size(), 2);
  out += text;
}

std::string der_of(X509* certificate) {
  unsigned char* bytes = nullptr;
  const int length = i2d_X509(certificate, &bytes);
  if (length < 0) return {};
  std::string der(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
  OPENSSL_free(bytes);
  return der;
}

std::vector<std::string> certificates_in(std::string_view pem) {
  std::vector<std::string> all;
  const BioHandle memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  while (memory) {
    const X509Handle certificate(PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    all.push_back(der_of(certificate.get()));
  }
  ERR_clear_error();
  return all;
}

/// SHA-1 over the password in UTF-16, the salt and all that is before it.
std::string digest_of(std::string_view content) {
  std::string text;
  for (const char c : kPassword) text += {'\0', c};
  text.append(kSalt).append(content);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  EVP_Digest(text.data(), text.size(), digest.data(), &length, EVP_sha1(), nullptr);
  return {reinterpret_cast<const char*>(digest.data()), length};
}

}  // namespace

std::string java_trust_store(std::string_view pem, std::chrono::system_clock::time_point now) {
  const std::vector<std::string> certificates = certificates_in(pem);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
  std::string out;
  append_number(out, kMagic, 4);
  append_number(out, kVersion, 4);
  append_number(out, certificates.size(), 4);
  for (std::size_t i = 0; i < certificates.size(); ++i) {
    append_number(out, kTrustedCertificate, 4);
    append_text(out, "authority-" + std::to_string(i));
    append_number(out, static_cast<std::uint64_t>(milliseconds), 8);
    append_text(out, "X.509");
    append_number(out, certificates[i].size(), 4);
    out += certificates[i];
  }
  return out + digest_of(out);
}

}  // namespace keepwarm::net
