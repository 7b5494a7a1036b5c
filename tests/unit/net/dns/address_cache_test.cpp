#include "core/net/dns/address_cache.h"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm::net {
namespace {

using namespace std::chrono_literals;

const TimePoint kStart{1000h};

LookupAnswer answer(std::string_view literal) {
  return {.addresses = {*SocketAddress::parse(literal, 0)}, .error = 0};
}
LookupAnswer failure() {
  return {.addresses = {}, .error = UV_EAI_NONAME};
}

TEST_CASE("an answer is used until its time is over, a failure until its own") {
  AddressCache cache(10, {.ttl = 30s, .negative_ttl = 1s});
  cache.store("good.example", answer("192.0.2.1"), kStart);
  cache.store("bad.example", failure(), kStart);

  REQUIRE(cache.find("good.example", kStart) != nullptr);
  CHECK(cache.find("good.example", kStart)->addresses == answer("192.0.2.1").addresses);
  REQUIRE(cache.find("bad.example", kStart) != nullptr);
  CHECK(cache.find("bad.example", kStart)->error == UV_EAI_NONAME);

  CHECK(cache.find("bad.example", kStart + 1s - 1ns) != nullptr);
  CHECK(cache.find("bad.example", kStart + 1s) == nullptr);
  CHECK(cache.find("good.example", kStart + 30s - 1ns) != nullptr);
  CHECK(cache.find("good.example", kStart + 30s) == nullptr);
  CHECK(cache.find("other.example", kStart) == nullptr);
}

TEST_CASE("a new answer replaces the old one and counts from its own time") {
  AddressCache cache(10, {.ttl = 30s, .negative_ttl = 1s});
  cache.store("a.example", failure(), kStart);
  cache.store("a.example", answer("192.0.2.1"), kStart + 20s);
  cache.store("a.example", answer("192.0.2.2"), kStart + 40s);
  CHECK(cache.size() == 1);
  REQUIRE(cache.find("a.example", kStart + 60s) != nullptr);
  CHECK(cache.find("a.example", kStart + 60s)->addresses == answer("192.0.2.2").addresses);
}

TEST_CASE("a time of zero keeps nothing") {
  AddressCache cache(10, {.ttl = 0s, .negative_ttl = 0s});
  cache.store("a.example", answer("192.0.2.1"), kStart);
  cache.store("b.example", failure(), kStart);
  CHECK(cache.find("a.example", kStart) == nullptr);
  CHECK(cache.size() == 0);
}

TEST_CASE("new terms hold for what is in the cache already") {
  AddressCache cache(10, {.ttl = 30s, .negative_ttl = 1s});
  cache.store("a.example", answer("192.0.2.1"), kStart);
  cache.set_terms({.ttl = 5s, .negative_ttl = 1s});
  CHECK(cache.find("a.example", kStart + 4s) != nullptr);
  CHECK(cache.find("a.example", kStart + 5s) == nullptr);
}

TEST_CASE("an answer that stayed the same when the name was asked again is confirmed for a second") {
  struct Case {
    const char* name;
    std::vector<const char*> before, after;
    bool asked_again, confirmed;
  };
  const Case cases[] = {{"the same", {"192.0.2.1"}, {"192.0.2.1"}, true, true},
                        {"in another order", {"192.0.2.1", "192.0.2.2"}, {"192.0.2.2", "192.0.2.1"}, true, true},
                        {"another one", {"192.0.2.1"}, {"192.0.2.2"}, true, false},
                        {"one more", {"192.0.2.1"}, {"192.0.2.1", "192.0.2.2"}, true, false},
                        {"the same, since its time was over", {"192.0.2.1"}, {"192.0.2.1"}, false, false}};
  const auto several = [](const std::vector<const char*>& literals) {
    LookupAnswer all;
    for (const char* literal : literals) all.addresses.push_back(*SocketAddress::parse(literal, 0));
    return all;
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    AddressCache cache(10, {.ttl = 30s, .negative_ttl = 1s});
    CHECK_FALSE(cache.confirmed_lately("a.example", kStart));
    cache.store("a.example", several(c.before), kStart);
    CHECK_FALSE(cache.confirmed_lately("a.example", kStart));
    cache.store("a.example", several(c.after), kStart + 5s, c.asked_again);
    CHECK(cache.confirmed_lately("a.example", kStart + 5s) == c.confirmed);
    CHECK(cache.confirmed_lately("a.example", kStart + 6s - 1ns) == c.confirmed);
    CHECK_FALSE(cache.confirmed_lately("a.example", kStart + 6s));
  }
}

TEST_CASE("what is forgotten is not known, and may come again") {
  AddressCache cache(10, {.ttl = 30s, .negative_ttl = 1s});
  cache.forget("a.example");
  cache.store("a.example", answer("192.0.2.1"), kStart);
  cache.forget("a.example");
  CHECK(cache.find("a.example", kStart) == nullptr);
  CHECK(cache.size() == 0);
  cache.store("a.example", answer("192.0.2.2"), kStart);
  CHECK(cache.find("a.example", kStart) != nullptr);
}

TEST_CASE("beyond its capacity the cache forgets the oldest answer") {
  AddressCache cache(3, {.ttl = 30s, .negative_ttl = 30s});
  for (const char* name : {"a", "b", "c"}) cache.store(name, answer("192.0.2.1"), kStart);
  cache.store("a", answer("192.0.2.2"), kStart + 1s);  // now b is the oldest
  cache.store("d", answer("192.0.2.1"), kStart + 2s);
  CHECK(cache.size() == 3);
  CHECK(cache.find("b", kStart + 2s) == nullptr);
  for (const char* name : {"a", "c", "d"}) CHECK(cache.find(name, kStart + 2s) != nullptr);
}

TEST_CASE("all answers can be dropped at once") {
  AddressCache cache(3, {.ttl = 30s, .negative_ttl = 30s});
  for (const char* name : {"a", "b"}) cache.store(name, answer("192.0.2.1"), kStart);
  cache.clear();
  CHECK(cache.size() == 0);
  CHECK(cache.find("a", kStart) == nullptr);
  cache.store("a", answer("192.0.2.2"), kStart);
  CHECK(cache.find("a", kStart) != nullptr);
}

TEST_CASE("names that are never asked for again do not stay for ever") {
  AddressCache cache(100000, {.ttl = 1s, .negative_ttl = 1s});
  for (int i = 0; i < 10000; ++i) cache.store("n" + std::to_string(i), answer("192.0.2.1"), kStart + i * 1ms);
  CHECK(cache.size() == 1000);
}

TEST_CASE("two hundred thousand names leave no more than the capacity behind") {
  AddressCache cache(10000, {.ttl = 30s, .negative_ttl = 1s});
  for (int i = 0; i < 200000; ++i) cache.store("n" + std::to_string(i), answer("192.0.2.1"), kStart);
  CHECK(cache.size() == 10000);
  CHECK(cache.find("n199999", kStart) != nullptr);
  CHECK(cache.find("n0", kStart) == nullptr);
}

}  // namespace
}  // namespace keepwarm::net
