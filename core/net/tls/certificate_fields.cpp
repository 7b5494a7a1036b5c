#include "core/net/tls/certificate_fields.h"

#include <array>
#include <ctime>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace keepwarm::net {
namespace {

template <typename Object, void (*Free)(Object*)>
struct FreeBy {
  void operator()(Object* object) const noexcept { Free(object); }
};
template <typename Object, void (*Free)(Object*)>
using Owned = std::unique_ptr<Object, FreeBy<Object, Free>>;

void free_extended_usage(EXTENDED_KEY_USAGE* usage) {
  sk_ASN1_OBJECT_pop_free(usage, ASN1_OBJECT_free);
}

bool set_random_serial(X509* certificate) {
  constexpr int kBits = 159;
  const Owned<BIGNUM, BN_free> number(BN_new());
  return number && BN_rand(number.get(), kBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool set_time(ASN1_TIME* field, WallTime time) {
  return ASN1_TIME_set(field, std::chrono::system_clock::to_time_t(time)) != nullptr;
}

WallTime time_of(const ASN1_TIME* field) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(field, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

bool add_entry(X509_NAME* name, int kind, std::string_view text) {
  if (text.empty()) return true;
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  return X509_NAME_add_entry_by_NID(name, kind, MBSTRING_UTF8, bytes, static_cast<int>(text.size()), -1, 0) == 1;
}

bool add_extension(X509* certificate, int kind, void* value, bool critical) {
  return X509_add1_ext_i2d(certificate, kind, value, critical ? 1 : 0, X509V3_ADD_DEFAULT) == 1;
}

/// `longest_path`: -1 for none.
bool add_basic_constraints(X509* certificate, bool authority, int longest_path) {
  const Owned<BASIC_CONSTRAINTS, BASIC_CONSTRAINTS_free> constraints(BASIC_CONSTRAINTS_new());
  if (!constraints) return false;
  constraints->ca = authority ? 0xFF : 0;
  if (longest_path >= 0) {
    constraints->pathlen = ASN1_INTEGER_new();
    if (constraints->pathlen == nullptr || ASN1_INTEGER_set(constraints->pathlen, longest_path) != 1) return false;
  }
  return add_extension(certificate, NID_basic_constraints, constraints.get(), true);
}

/// The name as it stands in a certificate: the bytes of an address, or text.
bool set_general_name(GENERAL_NAME* name, std::string_view host) {
  const std::string text(host);
  if (ASN1_OCTET_STRING* const address = a2i_IPADDRESS(text.c_str())) {
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    return true;
  }
  ASN1_IA5STRING* const dns = ASN1_IA5STRING_new();
  if (dns == nullptr) return false;
  GENERAL_NAME_set0_value(name, GEN_DNS, dns);
  return ASN1_STRING_set(dns, text.data(), static_cast<int>(text.size())) == 1;
}

}  // namespace

PkeyHandle make_key() {
  return PkeyHandle(EVP_EC_gen("P-256"));
}

X509Handle begin_certificate(evp_pkey_st* key, WallTime not_before, WallTime not_after) {
  X509Handle certificate(X509_new());
  X509* const x509 = certificate.get();
  const bool made = x509 != nullptr && X509_set_version(x509, X509_VERSION_3) == 1 && set_random_serial(x509) &&
                    set_time(X509_getm_notBefore(x509), not_before) && set_time(X509_getm_notAfter(x509), not_after) &&
                    X509_set_pubkey(x509, key) == 1;
  return made ? std::move(certificate) : nullptr;
}

bool set_subject(x509_st* certificate, std::string_view organisation, std::string_view common_name) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  return add_entry(subject, NID_organizationName, organisation) && add_entry(subject, NID_commonName, common_name);
}

bool set_issuer(x509_st* certificate, const x509_st* issuer) {
  return X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1;
}

bool add_authority_constraints(x509_st* certificate, int longest_path) {
  return add_basic_constraints(certificate, true, longest_path);
}

bool add_leaf_constraints(x509_st* certificate) {
  return add_basic_constraints(certificate, false, -1);
}

bool add_key_usage(x509_st* certificate, KeyPurpose purpose) {
  const Owned<ASN1_BIT_STRING, ASN1_BIT_STRING_free> usage(ASN1_BIT_STRING_new());
  return usage && ASN1_BIT_STRING_set_bit(usage.get(), static_cast<int>(purpose), 1) == 1 &&
         add_extension(certificate, NID_key_usage, usage.get(), true);
}

bool add_server_usage(x509_st* certificate) {
  const Owned<EXTENDED_KEY_USAGE, free_extended_usage> usage(sk_ASN1_OBJECT_new_null());
  return usage && sk_ASN1_OBJECT_push(usage.get(), OBJ_nid2obj(NID_server_auth)) > 0 &&
         add_extension(certificate, NID_ext_key_usage, usage.get(), false);
}

bool add_subject_key_id(x509_st* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  const Owned<ASN1_OCTET_STRING, ASN1_OCTET_STRING_free> id(ASN1_OCTET_STRING_new());
  return id && X509_pubkey_digest(certificate, EVP_sha1(), digest.data(), &length) == 1 &&
         ASN1_OCTET_STRING_set(id.get(), digest.data(), static_cast<int>(length)) == 1 &&
         add_extension(certificate, NID_subject_key_identifier, id.get(), false);
}

bool add_authority_key_id(x509_st* certificate, const x509_st* issuer) {
  // The function caches in the certificate under a lock of its own, and so is const to everybody else.
  const ASN1_OCTET_STRING* const issuer_id = X509_get0_subject_key_id(const_cast<X509*>(issuer));
  if (issuer_id == nullptr) return true;
  const Owned<AUTHORITY_KEYID, AUTHORITY_KEYID_free> id(AUTHORITY_KEYID_new());
  if (!id) return false;
  id->keyid = ASN1_OCTET_STRING_dup(issuer_id);
  return id->keyid != nullptr && add_extension(certificate, NID_authority_key_identifier, id.get(), false);
}

bool add_alternative_name(x509_st* certificate, std::string_view host, bool critical) {
  const Owned<GENERAL_NAMES, GENERAL_NAMES_free> names(GENERAL_NAMES_new());
  Owned<GENERAL_NAME, GENERAL_NAME_free> name(GENERAL_NAME_new());
  if (!names || !name || !set_general_name(name.get(), host)) return false;
  if (sk_GENERAL_NAME_push(names.get(), name.get()) <= 0) return false;
  static_cast<void>(name.release());  // the list has it
  return add_extension(certificate, NID_subject_alt_name, names.get(), critical);
}

bool sign(x509_st* certificate, evp_pkey_st* key) {
  // Ed25519 and its like demand (2) that there is none beside the signature.
  std::array<char, 64> digest{};
  const bool none = EVP_PKEY_get_default_digest_name(key, digest.data(), digest.size()) == 2 &&
                    std::string_view(digest.data()) == SN_undef;
  return X509_sign(certificate, key, none ? nullptr : EVP_sha256()) > 0;
}

std::string to_pem(x509_st* certificate) {
  const BioHandle memory(BIO_new(BIO_s_mem()));
  if (!memory || PEM_write_bio_X509(memory.get(), certificate) != 1) return {};
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(length)};
}

std::string sha256_fingerprint(const x509_st* certificate) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) != 1) return {};
  std::string text;
  for (unsigned i = 0; i < length; ++i) {
    if (i > 0) text += ':';
    text += {kHex[digest[i] >> 4U], kHex[digest[i] & 0xFU]};
  }
  return text;
}

WallTime not_before(const x509_st* certificate) {
  return time_of(X509_get0_notBefore(certificate));
}

WallTime not_after(const x509_st* certificate) {
  return time_of(X509_get0_notAfter(certificate));
}

}  // namespace keepwarm::net
