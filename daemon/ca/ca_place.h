#pragma once

#include <string>

#include "config/config.h"
#include "core/net/tls/local_ca.h"

/// Where the files of the local CA are.
namespace keepwarm::daemon {

struct CaPlace {
  std::string folder;         ///< of the keys
  std::string public_folder;  ///< of what everybody may read

  [[nodiscard]] std::string bundle() const { return public_folder + "/bundle.pem"; }
  /// The same authorities as in the bundle, for Java.
  [[nodiscard]] std::string java_trust_store() const { return public_folder + "/truststore.jks"; }
  /// All our roots, and no others.
  [[nodiscard]] std::string roots() const { return public_folder + "/roots.pem"; }
};

/// As the configuration says (config/ca_folder.h).
[[nodiscard]] CaPlace ca_place(const config::Config& config);

/// The same for who only uses the CA: if it is not where the configuration says, and that says nothing, the one of the
/// system.
[[nodiscard]] CaPlace ca_place_to_use(const config::Config& config);

/// What the daemon reads its CA from. A key that is a credential is read as such only in the service; others take the
/// file in the CA's folder for it.
[[nodiscard]] net::LocalCa::Source ca_source(const config::Config& config);

}  // namespace keepwarm::daemon
