#pragma once

#include <memory>
#include <string>

struct x509_store_st;

namespace keepwarm::net {

/// The authorities that the system trusts, parsed. A value: copies share one store, which OpenSSL locks, so that all
/// event loops verify with the same one and it is parsed once. shared_ptr, since none of them outlives the others for
/// certain.
class TrustStore {
 public:
  /// Nobody is trusted.
  TrustStore() noexcept = default;
  /// Reads them, which takes some 15 to 40 ms: on any thread, but not on one of an event loop that serves clients. That
  /// there is nothing to read is no failure: nobody is trusted then.
  [[nodiscard]] static TrustStore of_system();

  /// nullptr: nobody is trusted.
  [[nodiscard]] x509_store_st* get() const noexcept { return store_.get(); }

 private:
  std::shared_ptr<x509_store_st> store_;
};

/// The file that most of them come from: $SSL_CERT_FILE, or what OpenSSL was built with.
[[nodiscard]] std::string system_authorities_file();

}  // namespace keepwarm::net
