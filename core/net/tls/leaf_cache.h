#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "core/base/intrusive_list.h"
#include "core/net/tls/openssl_handles.h"

struct evp_pkey_st;
struct x509_st;

namespace keepwarm::net {

/// One key, and the certificates that were made for it lately: one for each host and generation of the local CA. It
/// serves for a day, so that a key that leaks from memory is worth little; then key and certificates go together, as
/// they do when the wall clock jumps back. So no certificate that is shown is older than a day, of the six that it
/// lives. Part of a TlsServer.
class LeafCache {
 public:
  using Time = std::chrono::system_clock::time_point;
  static constexpr std::size_t kMaxLeaves = 1000;
  static constexpr std::chrono::hours kLife{24};

  /// Makes the key (on P-256, some 20 µs).
  explicit LeafCache(Time now);
  LeafCache(const LeafCache&) = delete;
  LeafCache& operator=(const LeafCache&) = delete;

  /// Whether it may still be used.
  [[nodiscard]] bool serves(Time now) const noexcept { return made_ <= now && now < made_ + kLife; }
  /// nullptr: OpenSSL failed.
  [[nodiscard]] evp_pkey_st* key() const noexcept { return key_.get(); }

  /// The certificate for `host`, from `make` if there is none yet; the one that was not used for longest goes for it.
  /// nullptr if `make` returns that. Valid until the next call.
  [[nodiscard]] x509_st* find(std::size_t generation, std::string_view host, const std::function<X509Handle()>& make);
  [[nodiscard]] std::size_t count() const noexcept { return leaves_.size(); }

 private:
  struct Leaf : ListHook<Leaf> {
    X509Handle certificate;
    const std::string* name = nullptr;  ///< its key in the map
  };

  Time made_;
  PkeyHandle key_;
  std::unordered_map<std::string, Leaf> leaves_;  ///< by generation and host
  IntrusiveList<Leaf, Leaf> by_use_;              ///< the one used last is the last
};

}  // namespace keepwarm::net
