#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "core/net/tls/openssl_handles.h"

/// The parts that certificates are made of (RFC 5280 §4.1, §4.2), one function each. False, or nullptr: OpenSSL failed,
/// for want of memory or randomness; its error queue says no more than that. Private to core/net.
namespace keepwarm::net {

using WallTime = std::chrono::system_clock::time_point;

inline constexpr std::size_t kLongestCommonName = 64;  // RFC 5280, ub-common-name

/// A new key on P-256.
[[nodiscard]] PkeyHandle make_key();

/// Version 3, with a random serial number of 159 bits (§4.1.2.2 allows 20 octets, of a positive number) and without a
/// name, an issuer and extensions. The times are in whole seconds.
[[nodiscard]] X509Handle begin_certificate(evp_pkey_st* key, WallTime not_before, WallTime not_after);

/// A subject of `organisation` ("": without) and `common_name` ("": without), both ASCII; the latter at most
/// kLongestCommonName bytes.
[[nodiscard]] bool set_subject(x509_st* certificate, std::string_view organisation, std::string_view common_name);
/// The issuer's name; a certificate may be its own issuer.
[[nodiscard]] bool set_issuer(x509_st* certificate, const x509_st* issuer);

/// Critical. `longest_path`: how many further authorities may stand below it.
[[nodiscard]] bool add_authority_constraints(x509_st* certificate, int longest_path);
[[nodiscard]] bool add_leaf_constraints(x509_st* certificate);
enum class KeyPurpose : int { DigitalSignature = 0, SignCertificates = 5 };  ///< bits of §4.2.1.3
/// Critical.
[[nodiscard]] bool add_key_usage(x509_st* certificate, KeyPurpose purpose);
[[nodiscard]] bool add_server_usage(x509_st* certificate);  ///< §4.2.1.12: serverAuth
/// Of the certificate's own key, which must be set.
[[nodiscard]] bool add_subject_key_id(x509_st* certificate);
/// Left out if the issuer has none.
[[nodiscard]] bool add_authority_key_id(x509_st* certificate, const x509_st* issuer);
/// One name: an address or a name of DNS (§4.2.1.6).
[[nodiscard]] bool add_alternative_name(x509_st* certificate, std::string_view host, bool critical);

[[nodiscard]] bool sign(x509_st* certificate, evp_pkey_st* key);

[[nodiscard]] std::string to_pem(x509_st* certificate);
[[nodiscard]] std::string sha256_fingerprint(const x509_st* certificate);  ///< "AB:CD:…"
[[nodiscard]] WallTime not_before(const x509_st* certificate);
[[nodiscard]] WallTime not_after(const x509_st* certificate);

}  // namespace keepwarm::net
