#pragma once

#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include <doctest/doctest.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

/// Certificates for tests, made when they are needed.
namespace keepwarm::net::test {

/// A key on P-256 and a certificate for it.
struct Certificate {
  struct FreeKey {
    void operator()(EVP_PKEY* pkey) const noexcept { EVP_PKEY_free(pkey); }
  };
  struct FreeX509 {
    void operator()(X509* certificate) const noexcept { X509_free(certificate); }
  };
  std::unique_ptr<EVP_PKEY, FreeKey> key;
  std::unique_ptr<X509, FreeX509> x509;
};

struct CertificateSpec {
  std::string name = "server.example";
  std::string alternative_names = "DNS:server.example";  ///< as OpenSSL's configuration has them; "": none
  std::string usage = "serverAuth";                      ///< extended key usage; "": none
  std::time_t begins = std::time(nullptr) - 3600;
  std::time_t ends = std::time(nullptr) + 3600;
  bool authority = false;
  const Certificate* issuer = nullptr;  ///< nullptr: itself
};

inline void add_extension(X509* x509, int id, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, id, value.c_str());
  REQUIRE(extension != nullptr);
  REQUIRE(X509_add_ext(x509, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

inline void add_name(X509_NAME* to, const char* field, const std::string& value) {
  const auto* bytes = reinterpret_cast<const unsigned char*>(value.c_str());
  REQUIRE(X509_NAME_add_entry_by_txt(to, field, MBSTRING_UTF8, bytes, -1, -1, 0) == 1);
}

inline Certificate make_certificate(const CertificateSpec& spec) {
  Certificate made;
  made.key.reset(EVP_EC_gen("P-256"));
  made.x509.reset(X509_new());
  X509* const x509 = made.x509.get();
  REQUIRE(made.key);
  X509_set_version(x509, X509_VERSION_3);
  std::uint32_t serial = 0;
  RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ASN1_INTEGER_set_uint64(X509_get_serialNumber(x509), serial);
  ASN1_TIME_set(X509_getm_notBefore(x509), spec.begins);
  ASN1_TIME_set(X509_getm_notAfter(x509), spec.ends);
  X509_set_pubkey(x509, made.key.get());
  if (!spec.name.empty()) add_name(X509_get_subject_name(x509), "CN", spec.name);
  const Certificate& issuer = spec.issuer != nullptr ? *spec.issuer : made;
  X509_set_issuer_name(x509, X509_get_subject_name(issuer.x509.get()));
  add_extension(x509, NID_basic_constraints, spec.authority ? "critical,CA:TRUE" : "CA:FALSE");
  if (!spec.alternative_names.empty()) add_extension(x509, NID_subject_alt_name, spec.alternative_names);
  if (!spec.usage.empty()) add_extension(x509, NID_ext_key_usage, spec.usage);
  REQUIRE(X509_sign(x509, issuer.key.get(), EVP_sha256()) > 0);
  return made;
}

inline Certificate make_authority(const std::string& name = "Test CA") {
  return make_certificate({.name = name, .alternative_names = "", .usage = "", .authority = true});
}

/// The authority that the tests trust, and a certificate of it for server.example: made once, since each takes a
/// moment.
inline const Certificate& authority() {
  static const Certificate made = make_authority();
  return made;
}
inline const Certificate& good_certificate() {
  static const Certificate made = make_certificate({.issuer = &authority()});
  return made;
}

/// In PEM: certificate first, then the key unless it is left out.
inline void write_pem(const std::string& path, const Certificate& certificate, bool with_key = false) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  REQUIRE(PEM_write_X509(file, certificate.x509.get()) == 1);
  if (with_key) {
    REQUIRE(PEM_write_PrivateKey(file, certificate.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  }
  std::fclose(file);
}

}  // namespace keepwarm::net::test
