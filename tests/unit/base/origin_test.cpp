#include "core/base/origin.h"

#include <set>
#include <string>
#include <unordered_map>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

TEST_CASE("schemes have their names and default ports") {
  CHECK(name_of(Scheme::Http) == "http");
  CHECK(name_of(Scheme::Https) == "https");
  CHECK(default_port(Scheme::Http) == 80);
  CHECK(default_port(Scheme::Https) == 443);
}

TEST_CASE("host and port are written as in a URL, IPv6 literals in brackets") {
  CHECK(host_and_port("example.com", 80) == "example.com:80");
  CHECK(host_and_port("127.0.0.1", 65535) == "127.0.0.1:65535");
  CHECK(host_and_port("::1", 8080) == "[::1]:8080");
}

TEST_CASE("an origin is found by views of its parts, and by nothing that differs in one of them") {
  std::unordered_map<Origin, int, OriginHash, OriginEqual> map;
  map[Origin{Scheme::Http, "example.com", 80}] = 1;
  map[Origin{Scheme::Https, "example.com", 80}] = 2;
  map[Origin{Scheme::Http, "example.com", 8080}] = 3;
  map[Origin{Scheme::Http, "example.org", 80}] = 4;
  CHECK(map.size() == 4);

  const std::string text = "http://example.com:80";
  const std::string_view host = std::string_view(text).substr(7, 11);
  CHECK(map.find(OriginView(Scheme::Http, host, 80))->second == 1);
  CHECK(map.find(OriginView(Scheme::Https, host, 80))->second == 2);
  CHECK(map.find(OriginView(Scheme::Http, host, 8080))->second == 3);
  CHECK(map.find(OriginView(Scheme::Http, "example.org", 80))->second == 4);
  CHECK(map.find(OriginView(Scheme::Https, host, 8080)) == map.end());
}

TEST_CASE("an origin and its view have one hash, and neighbours have others") {
  const Origin origin{Scheme::Https, "example.com", 443};
  CHECK(OriginHash{}(origin) == OriginHash{}(OriginView(origin)));
  std::set<std::size_t> hashes;
  for (std::uint16_t port = 1; port <= 1000; ++port) {
    hashes.insert(OriginHash{}(OriginView(Scheme::Http, "example.com", port)));
    hashes.insert(OriginHash{}(OriginView(Scheme::Https, "example.com", port)));
  }
  CHECK(hashes.size() == 2000);
}

}  // namespace
}  // namespace keepwarm
