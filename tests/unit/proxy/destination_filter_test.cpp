#include "core/proxy/destination_filter.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::proxy::test {
namespace {

using Verdict = net::AddressFilter::Verdict;

net::SocketAddress address(std::string_view host, std::uint16_t port = 80) {
  const auto parsed = net::SocketAddress::parse(host, port);
  REQUIRE(parsed);
  return *parsed;
}

Cidr cidr(std::string_view text) {
  const auto parsed = Cidr::parse(text);
  REQUIRE(parsed);
  return *parsed;
}

struct Case {
  std::string_view name;
  DestinationRules rules;
  std::string_view host;
  std::uint16_t port;
  Verdict local, remote;
};

void check(const Case& c) {
  CAPTURE(c.name);
  const net::SocketAddress to = address(c.host, c.port);
  CHECK(DestinationFilter(c.rules, true).verdict(to) == c.local);
  CHECK(DestinationFilter(c.rules, false).verdict(to) == c.remote);
}

TEST_CASE("our own listeners are never reached, by whatever address") {
  const DestinationRules loopback{.listeners = {address("127.0.0.1", 3128)}, .denied = {}};
  const DestinationRules loopback6{.listeners = {address("::1", 3128)}, .denied = {}};
  const DestinationRules outside{.listeners = {address("192.0.2.1", 3128)}, .denied = {}};
  const DestinationRules wildcard{.listeners = {address("0.0.0.0", 3128)}, .denied = {}};
  const DestinationRules wildcard6{.listeners = {address("::", 3128)}, .denied = {}};
  const Case cases[] = {
      {"the address itself", loopback, "127.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"written as IPv6", loopback, "::ffff:127.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"0.0.0.0 connects to loopback", loopback, "0.0.0.0", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {":: does too", loopback6, "::", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"another loopback address", loopback, "127.0.0.2", 3128, Verdict::Allowed, Verdict::Denied},
      {"another port", loopback, "127.0.0.1", 3129, Verdict::Allowed, Verdict::Denied},
      {"an address of the network", outside, "192.0.2.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"0.0.0.0 does not reach it", outside, "0.0.0.0", 3128, Verdict::Allowed, Verdict::Denied},
      {"a wildcard is every local address", wildcard, "127.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"all of 127.0.0.0/8", wildcard, "127.9.9.9", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"itself too", wildcard, "0.0.0.0", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"not at another port", wildcard, "127.0.0.1", 80, Verdict::Allowed, Verdict::Denied},
      {"not elsewhere", wildcard, "192.0.2.1", 3128, Verdict::Allowed, Verdict::Allowed},
      {"the IPv6 wildcard takes both families", wildcard6, "127.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
      {"and its own", wildcard6, "::1", 3128, Verdict::Ourselves, Verdict::Ourselves},
  };
  for (const Case& c : cases) check(c);
}

TEST_CASE("a wildcard listener is reached by each address of the machine") {
  const DestinationRules wildcard{.listeners = {address("0.0.0.0", 3128)}, .denied = {}};
  for (net::SocketAddress own : net::local_addresses()) {
    own.set_port(3128);
    CAPTURE(own.text());
    CHECK(DestinationFilter(wildcard, true).verdict(own) == Verdict::Ourselves);
    own.set_port(80);
    CHECK(DestinationFilter(wildcard, true).verdict(own) == Verdict::Allowed);
  }
}

TEST_CASE("one of several listeners is enough") {
  const DestinationRules rules{.listeners = {address("127.0.0.1", 1), address("::1", 2), address("127.0.0.1", 3)},
                               .denied = {}};
  const DestinationFilter filter(rules, true);
  CHECK(filter.verdict(address("127.0.0.1", 1)) == Verdict::Ourselves);
  CHECK(filter.verdict(address("127.0.0.1", 2)) == Verdict::Allowed);
  CHECK(filter.verdict(address("::1", 2)) == Verdict::Ourselves);
  CHECK(filter.verdict(address("127.0.0.1", 3)) == Verdict::Ourselves);
}

TEST_CASE("a client that is not local may not reach this machine or its link") {
  for (const char* host : {"127.0.0.1", "127.8.8.8", "::1", "0.0.0.0", "::", "169.254.1.1", "fe80::1",
                           "::ffff:127.0.0.1", "::ffff:169.254.169.254"}) {
    check({host, {}, host, 80, Verdict::Allowed, Verdict::Denied});
  }
  for (const char* host : {"192.0.2.1", "10.0.0.1", "2001:db8::1", "128.0.0.1", "169.253.1.1"}) {
    const bool own = [host] {
      const auto locals = net::local_addresses();
      return std::any_of(locals.begin(), locals.end(),
                         [host](const net::SocketAddress& each) { return each.same_host(address(host)); });
    }();
    check({host, {}, host, 80, Verdict::Allowed, own ? Verdict::Denied : Verdict::Allowed});
  }
}

TEST_CASE("a client that is not local may not reach the machine's own addresses") {
  for (const net::SocketAddress& own : net::local_addresses()) {
    CAPTURE(own.text());
    CHECK(DestinationFilter({}, false).verdict(own) == Verdict::Denied);
    CHECK(DestinationFilter({}, true).verdict(own) == Verdict::Allowed);
  }
}

TEST_CASE("denied destinations are denied to all") {
  const DestinationRules rules{.listeners = {address("10.0.0.1", 3128)},
                               .denied = {cidr("10.0.0.0/8"), cidr("2001:db8::/32")}};
  const Case cases[] = {
      {"inside", rules, "10.200.3.4", 80, Verdict::Denied, Verdict::Denied},
      {"inside, written as IPv6", rules, "::ffff:10.200.3.4", 80, Verdict::Denied, Verdict::Denied},
      {"inside of the other", rules, "2001:db8:1::1", 80, Verdict::Denied, Verdict::Denied},
      {"outside", rules, "11.0.0.1", 80, Verdict::Allowed, Verdict::Allowed},
      {"ourselves is said first", rules, "10.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
  };
  for (const Case& c : cases) check(c);
}

TEST_CASE("an explicit list replaces what clients that are not local are denied otherwise") {
  const DestinationRules rules{
      .listeners = {address("127.0.0.1", 3128)}, .denied = {cidr("127.0.0.2/32")}, .denied_is_explicit = true};
  const Case cases[] = {
      {"loopback is open then", rules, "127.0.0.1", 80, Verdict::Allowed, Verdict::Allowed},
      {"and link-local", rules, "169.254.1.1", 80, Verdict::Allowed, Verdict::Allowed},
      {"but not what is listed", rules, "127.0.0.2", 80, Verdict::Denied, Verdict::Denied},
      {"nor ourselves", rules, "127.0.0.1", 3128, Verdict::Ourselves, Verdict::Ourselves},
  };
  for (const Case& c : cases) check(c);
}

/// A folder that goes with everything in it.
struct TempFolder {
  TempFolder() : path((std::filesystem::temp_directory_path() / "kw-XXXXXX").string()) {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  /// Any file has an inode: a socket is not needed.
  [[nodiscard]] std::string file(const std::string& name) const {
    std::ofstream(path + '/' + name) << name;
    return path + '/' + name;
  }
  std::string path;
};

TEST_CASE("our own unix listener is never reached, by whatever path") {
  const TempFolder folder;
  const std::string own = folder.file("own.sock");
  const std::string other = folder.file("other.sock");
  const std::string gone = folder.path + "/gone.sock";
  std::filesystem::create_symlink(own, folder.path + "/symbolic");
  std::filesystem::create_hard_link(own, folder.path + "/hard");
  std::filesystem::create_directory_symlink(folder.path, folder.path + "/same");
  const DestinationRules rules{.listeners = {}, .unix_listeners = {other + 'x', own, gone}, .denied = {}};
  for (const bool local : {true, false}) {
    const DestinationFilter filter(rules, local);
    CHECK(filter.is_own_unix_path(own));
    CHECK(filter.is_own_unix_path(folder.path + "/x/..//./own.sock"));
    CHECK(filter.is_own_unix_path(folder.path + "/symbolic"));
    CHECK(filter.is_own_unix_path(folder.path + "/hard"));
    CHECK(filter.is_own_unix_path(folder.path + "/same/own.sock"));
    CHECK(filter.is_own_unix_path(gone));
    CHECK_FALSE(filter.is_own_unix_path(other));
    CHECK_FALSE(filter.is_own_unix_path(folder.path + "/nothing"));
  }
  CHECK_FALSE(DestinationFilter({}, true).is_own_unix_path(own));
}

TEST_CASE("a filter sees its rules change") {
  DestinationRules rules;
  const DestinationFilter filter(rules, true);
  CHECK(filter.verdict(address("10.0.0.1")) == Verdict::Allowed);
  rules.denied.push_back(cidr("10.0.0.0/8"));
  CHECK(filter.verdict(address("10.0.0.1")) == Verdict::Denied);
  CHECK_FALSE(filter.is_own_unix_path("/run/x.sock"));
  rules.unix_listeners.emplace_back("/run/x.sock");
  CHECK(filter.is_own_unix_path("/run/x.sock"));
}

}  // namespace
}  // namespace keepwarm::proxy::test
