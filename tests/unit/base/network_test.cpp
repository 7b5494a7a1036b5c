#include "core/base/network.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace keepwarm {

namespace {

constexpr std::uint32_t kMain = 254;
constexpr std::uint32_t kLocal = 255;

IpAddress ip_of(std::string_view text) {
  const auto address = IpAddress::parse(text);
  REQUIRE(address);
  return *address;
}

Route route(std::string_view to, std::string way, std::uint32_t metric = 0, std::uint32_t table = kMain) {
  const auto range = Cidr::parse(to);
  REQUIRE(range);
  Route made;
  made.to = *range;
  made.way = std::move(way);
  made.metric = metric;
  made.table = table;
  return made;
}

/// A laptop in its Wi-Fi, with a container bridge.
NetworkState laptop() {
  NetworkState state;
  state.addresses = {ip_of("127.0.0.1"), ip_of("192.168.1.5"), ip_of("172.17.0.1")};
  state.routes = {route("0.0.0.0/0", "192.168.1.1 wlan0"), route("192.168.1.0/24", "wlan0"),
                  route("172.17.0.0/16", "docker0"), route("127.0.0.0/8", "lo", 0, kLocal),
                  route("192.168.1.5", "wlan0", 0, kLocal)};
  for (Route& each : state.routes) each.own = each.table == kLocal;
  state.rules = {"local", "main", "default"};
  return state;
}

NetworkChange change_to(NetworkState after) {
  return NetworkChange::between(laptop(), std::move(after));
}

}  // namespace

TEST_CASE("nothing changed, in whatever order and however often it is told") {
  NetworkState after = laptop();
  std::swap(after.routes.front(), after.routes.back());
  std::swap(after.addresses.front(), after.addresses.back());
  after.addresses.push_back(after.addresses.front());
  const NetworkChange change = change_to(after);
  CHECK(change.empty());
  CHECK_FALSE(change.any_address_gone());
  CHECK_FALSE(change.route_changed(ip_of("203.0.113.9")));
  CHECK(change.text().empty());
}

TEST_CASE("an address that is gone") {
  NetworkState after = laptop();
  after.addresses = {ip_of("127.0.0.1"), ip_of("172.17.0.1"), ip_of("10.0.0.9")};
  const NetworkChange change = change_to(after);
  CHECK(change.any_address_gone());
  CHECK(change.address_gone(ip_of("192.168.1.5")));
  CHECK_FALSE(change.address_gone(ip_of("172.17.0.1")));
  CHECK_FALSE(change.address_gone(ip_of("10.0.0.9")));
  CHECK(change.concerns_names());
  CHECK(change.text() == "addresses gone: 192.168.1.5; new addresses: 10.0.0.9");
}

TEST_CASE("another default route affects what has no nearer one") {
  NetworkState after = laptop();
  after.routes[0].way = "192.168.1.254 wlan0";
  const NetworkChange change = change_to(after);
  CHECK(change.route_changed(ip_of("203.0.113.9")));
  CHECK_FALSE(change.route_changed(ip_of("192.168.1.77")));
  CHECK_FALSE(change.route_changed(ip_of("172.17.0.4")));
  CHECK_FALSE(change.route_changed(ip_of("127.0.0.1")));
  CHECK_FALSE(change.route_changed(ip_of("2001:db8::1")));
  CHECK(change.concerns_names());
  CHECK(change.text() == "other routes to: default default");
}

TEST_CASE("a nearer route affects what it leads to") {
  NetworkState after = laptop();
  after.routes.push_back(route("203.0.113.0/24", "tun0"));
  const NetworkChange change = change_to(after);
  CHECK(change.route_changed(ip_of("203.0.113.9")));
  CHECK_FALSE(change.route_changed(ip_of("203.0.114.9")));
  CHECK_FALSE(change.concerns_names());
}

TEST_CASE("the metric decides between two routes for the same addresses") {
  NetworkState after = laptop();
  after.routes.push_back(route("0.0.0.0/0", "10.0.0.1 eth0", 100));
  CHECK_FALSE(change_to(after).route_changed(ip_of("203.0.113.9")));
  NetworkState before = laptop();
  before.routes[0].metric = 600;
  NetworkState better = before;
  better.routes.push_back(route("0.0.0.0/0", "10.0.0.1 eth0", 100));
  CHECK(NetworkChange::between(before, better).route_changed(ip_of("203.0.113.9")));
}

TEST_CASE("a route of another table counts, since rules may lead there") {
  NetworkState after = laptop();
  after.routes.push_back(route("0.0.0.0/0", "wg0", 0, 51820));
  CHECK(change_to(after).route_changed(ip_of("192.168.1.77")));
  CHECK_FALSE(change_to(after).route_changed(ip_of("127.0.0.1")));
}

TEST_CASE("other rules affect all but this machine itself") {
  NetworkState after = laptop();
  after.rules.insert(after.rules.begin(), "not from all fwmark 0xca6c lookup 51820");
  const NetworkChange change = change_to(after);
  CHECK_FALSE(change.empty());
  CHECK(change.route_changed(ip_of("172.17.0.4")));
  CHECK_FALSE(change.route_changed(ip_of("127.0.0.1")));
  CHECK_FALSE(change.route_changed(ip_of("192.168.1.5")));
  CHECK(change.concerns_names());
}

TEST_CASE("a container that comes or goes affects nobody else") {
  NetworkState after = laptop();
  after.addresses.push_back(ip_of("fe80::42:1"));
  after.routes.push_back(route("fe80::/64", "veth1", 256));
  const NetworkChange change = change_to(after);
  CHECK_FALSE(change.empty());
  CHECK_FALSE(change.concerns_names());
  for (const char* peer : {"172.17.0.4", "203.0.113.9", "fe80::7", "2001:db8::1"}) {
    CAPTURE(peer);
    CHECK_FALSE(change.route_changed(ip_of(peer)));
  }
}

TEST_CASE("a long change is told in short") {
  NetworkState after = laptop();
  for (int i = 1; i <= 6; ++i) after.addresses.push_back(ip_of("10.0.0." + std::to_string(i)));
  CHECK(change_to(after).text() == "new addresses: 10.0.0.1 10.0.0.2 10.0.0.3 10.0.0.4 and 2 more");
}

}  // namespace keepwarm
