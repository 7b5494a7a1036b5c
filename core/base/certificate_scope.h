#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/ip.h"

/// What is known of a local CA without its keys: whom it may name, and until when. Values; OpenSSL reads and writes
/// them in core/net/tls.
namespace keepwarm {

/// The hosts that an authority may name in certificates (RFC 5280 §4.2.1.10).
struct CertificateScope {
  bool any_host = false;  ///< all but what is excluded
  /// Permitted names, in lower case, without a final dot. Each covers its subdomains; one that begins with "." only
  /// those; "" covers every name.
  std::vector<std::string> names;
  std::vector<Cidr> addresses;              ///< permitted addresses
  std::vector<std::string> excluded_names;  ///< as `names`, and stronger than they are
  std::vector<Cidr> excluded_addresses;     ///< stronger than `addresses`

  /// `host` as in an Origin: in lower case, without brackets. IPv4-mapped IPv6 addresses are permitted to nobody but
  /// who may name any host: a certificate and its reader may take them for different addresses.
  [[nodiscard]] bool permits(std::string_view host) const;

  bool operator==(const CertificateScope&) const = default;
};

/// What both permit: an authority whose issuer is constrained, too.
[[nodiscard]] CertificateScope both(const CertificateScope& one, const CertificateScope& other);

/// The same hosts in fewer words: without permitted addresses that are excluded as a whole, and without exclusions of
/// what is not permitted anyway.
[[nodiscard]] CertificateScope simplified(CertificateScope scope);

/// One line for a reader: "example.com, 192.0.2.7", "any host".
[[nodiscard]] std::string to_text(const CertificateScope& scope);

/// One generation of the local CA.
struct CaGeneration {
  unsigned number = 1;      ///< 1: the files are in the CA's folder itself; 2: in its sub-folder "2", …
  std::string name;         ///< four hex digits, by which its certificates are found in stores
  std::string fingerprint;  ///< SHA-256 of the root's certificate, "AB:CD:…"
  CertificateScope scope;
  std::chrono::system_clock::time_point not_before;  ///< of root and issuer, the later one
  std::chrono::system_clock::time_point not_after;   ///< of root and issuer, the earlier one
};

}  // namespace keepwarm
