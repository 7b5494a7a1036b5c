#pragma once

#include <chrono>
#include <string>

#include "core/base/certificate_scope.h"
#include "core/base/result.h"
#include "core/base/secret_text.h"

/// Makes a local CA (core/doc/design.md §11): a root, and the issuer that it signs, on P-256. Writes nothing.
namespace keepwarm::net {

struct LocalCaRequest {
  CertificateScope scope;  ///< without exclusions; names in lower case
  std::chrono::days lifetime{1095};
  std::string machine;  ///< its host name, for the subjects; what does not fit, or is not ASCII, is left out
  std::string name;     ///< CaGeneration::name: four hex digits
};

/// PEM, as the files hold it.
struct LocalCaText {
  std::string root;
  std::string issuer;
  SecretText issuer_key;
};

/// Both certificates are valid from an hour before `now`, and have the constraints of the scope, critical: Java ignores
/// those of a root, and honours those of an issuer below it. The root's key has signed the two of them and is gone when
/// this returns. The failure: OpenSSL has no memory or no randomness.
[[nodiscard]] Result<LocalCaText, std::string> create_local_ca(const LocalCaRequest& request,
                                                               std::chrono::system_clock::time_point now);

}  // namespace keepwarm::net
