#include "core/net/tls/leaf_cache.h"

#include <utility>

#include <openssl/ec.h>
#include <openssl/evp.h>

namespace keepwarm::net {

LeafCache::LeafCache(Time now) : made_(now), key_(EVP_EC_gen("P-256")) {}

x509_st* LeafCache::find(std::size_t generation, std::string_view host, const std::function<X509Handle()>& make) {
  std::string name = std::to_string(generation).append(" ").append(host);
  if (const auto known = leaves_.find(name); known != leaves_.end()) {
    by_use_.remove(known->second);
    by_use_.push_back(known->second);
    return known->second.certificate.get();
  }
  X509Handle certificate = make();
  if (!certificate) return nullptr;
  if (leaves_.size() == kMaxLeaves) {
    Leaf& oldest = *by_use_.front();
    by_use_.remove(oldest);
    leaves_.erase(leaves_.find(*oldest.name));
  }
  const auto made = leaves_.try_emplace(std::move(name)).first;
  made->second.certificate = std::move(certificate);
  made->second.name = &made->first;
  by_use_.push_back(made->second);
  return made->second.certificate.get();
}

}  // namespace keepwarm::net
