#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/certificate_scope.h"
#include "core/net/tls/openssl_handles.h"

namespace keepwarm::net {

/// The local CA as the daemon holds it: the issuers of all generations that can sign, with their keys. Immutable, so
/// that all event loops share one (hence the shared_ptr); the next reload brings another. Which generation signs for a
/// host is decided in core/policy, by the facts. (core/doc/design.md §11)
class LocalCa {
 public:
  struct Source {
    std::string folder;
    /// The file with the key of one of the issuers. "": of each the credential "ca.key" ("ca.2.key" of the second
    /// generation) if it is there, else issuer.key in its folder.
    std::string key;
    /// Where the service manager has put credentials, of which it says itself who may read them; "": there are none.
    std::string credentials = {};
  };
  struct Read {
    std::shared_ptr<const LocalCa> ca;  ///< nullptr: there is none that could sign
    std::vector<std::string> problems;  ///< a sentence each, for the log
  };
  /// Reads all files. Whatever is wrong with them is a problem of one generation, and the others go on. Nothing is
  /// judged by the time: a generation that has expired is there, too.
  [[nodiscard]] static Read read(const Source& source);

  ~LocalCa();
  LocalCa(const LocalCa&) = delete;
  LocalCa& operator=(const LocalCa&) = delete;

  /// By their numbers, so the oldest first; not empty.
  [[nodiscard]] std::span<const CaGeneration> generations() const noexcept { return facts_; }
  /// The issuer's certificate, which is sent behind the leaf. `generation`: an index into generations().
  [[nodiscard]] x509_st* issuer(std::size_t generation) const noexcept {
    return signers_[generation].certificate.get();
  }

  /// A certificate for the server `host` (as in an Origin: A-labels in lower case, no brackets) and its key, valid from
  /// an hour before `now` for six days and an hour, but no longer than the issuer. nullptr: OpenSSL failed. It does not
  /// ask whether the issuer may name the host.
  [[nodiscard]] X509Handle make_leaf(std::size_t generation, std::string_view host, evp_pkey_st* key,
                                     std::chrono::system_clock::time_point now) const;

 private:
  struct Signer {
    X509Handle certificate;
    PkeyHandle key;
  };
  LocalCa() = default;

  std::vector<CaGeneration> facts_;
  std::vector<Signer> signers_;  ///< of each of facts_
};

/// The sentence that stands for a CA that is not there.
[[nodiscard]] std::string no_ca_text(const std::string& folder);

}  // namespace keepwarm::net
