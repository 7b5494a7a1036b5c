#include "core/net/tls/leaf_cache.h"

#include <chrono>
#include <string>

#include <doctest/doctest.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

namespace keepwarm::net::test {
namespace {

using namespace std::chrono_literals;

const LeafCache::Time kBirth{std::chrono::hours(24 * 365 * 60)};

struct CountingMaker {
  int made = 0;
  X509Handle operator()() {
    ++made;
    return X509Handle(X509_new());
  }
};

TEST_CASE("a leaf is made once for each host and generation") {
  LeafCache cache(kBirth);
  CountingMaker maker;
  x509_st* const first = cache.find(0, "a.example", std::ref(maker));
  CHECK(first != nullptr);
  CHECK(cache.find(0, "a.example", std::ref(maker)) == first);
  CHECK(maker.made == 1);
  CHECK(cache.find(1, "a.example", std::ref(maker)) != first);
  CHECK(cache.find(0, "b.example", std::ref(maker)) != first);
  CHECK(maker.made == 3);
  CHECK(cache.count() == 3);
}

TEST_CASE("of more than 1,000 leaves those go that were not used for longest") {
  LeafCache cache(kBirth);
  CountingMaker maker;
  const auto find = [&](std::size_t i) { return cache.find(0, std::to_string(i) + ".example", std::ref(maker)); };
  for (std::size_t i = 0; i < LeafCache::kMaxLeaves; ++i) find(i);
  find(0);
  CHECK(maker.made == 1000);
  find(1000);
  CHECK(cache.count() == LeafCache::kMaxLeaves);
  find(0);
  CHECK(maker.made == 1001);
  find(1);
  CHECK(maker.made == 1002);
  for (std::size_t i = 0; i < 5000; ++i) find(i);
  CHECK(cache.count() == LeafCache::kMaxLeaves);
}

TEST_CASE("a leaf that could not be made is tried again") {
  LeafCache cache(kBirth);
  CHECK(cache.find(0, "a.example", [] { return X509Handle(); }) == nullptr);
  CHECK(cache.count() == 0);
  CountingMaker maker;
  CHECK(cache.find(0, "a.example", std::ref(maker)) != nullptr);
}

TEST_CASE("key and leaves serve for a day, and not when the clock has jumped back") {
  LeafCache cache(kBirth);
  CHECK(cache.serves(kBirth));
  CHECK(cache.serves(kBirth + 24h - 1s));
  CHECK_FALSE(cache.serves(kBirth + 24h));
  CHECK_FALSE(cache.serves(kBirth - 1s));
  REQUIRE(cache.key() != nullptr);
  CHECK(EVP_PKEY_eq(cache.key(), LeafCache(kBirth).key()) != 1);
}

}  // namespace
}  // namespace keepwarm::net::test
