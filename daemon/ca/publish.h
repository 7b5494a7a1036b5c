#pragma once

#include <string>
#include <vector>

#include "core/net/tls/local_ca_files.h"
#include "daemon/ca/ca_place.h"

/// What everybody may read of the local CA.
namespace keepwarm::daemon {

/// The authorities that programs of this system trust, in PEM, and where they come from.
struct SystemAuthorities {
  std::string file;  ///< "": there is none
  std::string text;
};
/// The file that SSL_CERT_FILE names, unless it is `own`, a bundle of ours; else the first of the usual places.
[[nodiscard]] SystemAuthorities system_authorities(const std::string& own);

/// The text of a bundle: the system's authorities, and all roots of ours.
[[nodiscard]] std::string bundle_text(const SystemAuthorities& system, const std::vector<net::CaCertificates>& ours);

/// Makes the public folder what it should be: copies of the certificates, roots.pem, bundle.pem and truststore.jks.
/// What went wrong;
/// "": nothing.
[[nodiscard]] std::string publish(const CaPlace& place, const SystemAuthorities& system,
                                  const std::vector<net::CaCertificates>& ours);

}  // namespace keepwarm::daemon
