#include "core/net/tls/local_ca_create.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "core/net/tls/certificate_fields.h"
#include "core/net/tls/name_constraints.h"

namespace keepwarm::net {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kOrganisation = "keepwarm";
constexpr auto kClocksDiffer = 1h;  // so much may a client's clock be behind

std::string utc_date(WallTime time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 16> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

/// "keepwarm local CA HOSTNAME YYYY-MM-DD XXXX"; of the machine's name as much as there is room for.
std::string common_name(std::string_view what, const LocalCaRequest& request, WallTime now) {
  const std::string rest = ' ' + utc_date(now) + ' ' + request.name;
  std::string machine;
  for (const char c : request.machine) {
    if (c > ' ' && c < 0x7F) machine += c;
  }
  if (machine.empty()) machine = "localhost";
  const std::string begin = "keepwarm " + std::string(what) + ' ';
  machine.resize(std::min(machine.size(), kLongestCommonName - begin.size() - rest.size()));
  return begin + machine + rest;
}

struct Validity {
  WallTime from;
  WallTime to;
};

/// What both have, without issuer and signature.
X509Handle begin_authority(evp_pkey_st* key, const Validity& validity, const std::string& name, int longest_path,
                           const CertificateScope& scope) {
  X509Handle certificate = begin_certificate(key, validity.from, validity.to);
  x509_st* const x509 = certificate.get();
  const bool made = x509 != nullptr && set_subject(x509, kOrganisation, name) &&
                    add_authority_constraints(x509, longest_path) &&
                    add_key_usage(x509, KeyPurpose::SignCertificates) && add_subject_key_id(x509) &&
                    add_name_constraints(x509, scope);
  return made ? std::move(certificate) : nullptr;
}

/// PKCS #8, not encrypted. OpenSSL's own copy is in memory that it clears.
SecretText key_to_pem(evp_pkey_st* key) {
  const BioHandle memory(BIO_new(BIO_s_secmem()));
  if (!memory || PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return {};
  }
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &text);
  return SecretText(std::string_view(text, static_cast<std::size_t>(length)));
}

}  // namespace

Result<LocalCaText, std::string> create_local_ca(const LocalCaRequest& request, WallTime now) {
  const std::string failure = "no certificates could be made: OpenSSL has no memory, or no randomness";
  const Validity validity{now - kClocksDiffer, now + request.lifetime};
  const PkeyHandle root_key = make_key();
  const PkeyHandle issuer_key = make_key();
  if (!root_key || !issuer_key) return failure;
  const X509Handle root =
      begin_authority(root_key.get(), validity, common_name("local CA", request, now), 1, request.scope);
  const X509Handle issuer =
      begin_authority(issuer_key.get(), validity, common_name("issuer", request, now), 0, request.scope);
  const bool made = root && issuer && set_issuer(root.get(), root.get()) && sign(root.get(), root_key.get()) &&
                    set_issuer(issuer.get(), root.get()) && add_server_usage(issuer.get()) &&
                    add_authority_key_id(issuer.get(), root.get()) && sign(issuer.get(), root_key.get());
  LocalCaText text;
  if (made) text = {to_pem(root.get()), to_pem(issuer.get()), key_to_pem(issuer_key.get())};
  ERR_clear_error();
  if (text.root.empty() || text.issuer.empty() || text.issuer_key.size() == 0) return failure;
  return text;
}

}  // namespace keepwarm::net
