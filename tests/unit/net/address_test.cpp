#include "core/net/address.h"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <net/if.h>
#include <string>
#include <sys/un.h>

#include <doctest/doctest.h>

namespace keepwarm::net {
namespace {

SocketAddress parsed(std::string_view literal, std::uint16_t port = 0) {
  const auto address = SocketAddress::parse(literal, port);
  REQUIRE_MESSAGE(address, std::string(literal));
  return *address;
}

TEST_CASE("an IPv4 address in any notation is one where it is asked for") {
  for (const char* text : {"127.1", "0x7f.1", "0177.0.0.1", "2130706433", "127.000.000.001", "127.0.0.1"}) {
    CAPTURE(text);
    const auto address = SocketAddress::parse_any_notation(text, 80);
    REQUIRE(address);
    CHECK(*address == parsed("127.0.0.1", 80));
  }
  CHECK(SocketAddress::parse_any_notation("::1", 80) == parsed("::1", 80));
  CHECK_FALSE(SocketAddress::parse("127.1", 80));
  for (const char* text : {"", "1.2.3.4.5", "1e3", "0xg", "999.1.1.1.1", "a.test"}) {
    CAPTURE(text);
    CHECK_FALSE(SocketAddress::parse_any_notation(text, 80));
  }
}

TEST_CASE("an address literal is read and written back in one form") {
  struct Case {
    const char* literal;
    int family;
    const char* text;
  };
  const Case cases[] = {{"127.0.0.1", AF_INET, "127.0.0.1:80"},
                        {"255.255.255.255", AF_INET, "255.255.255.255:80"},
                        {"::1", AF_INET6, "[::1]:80"},
                        {"2001:DB8:0:0:0:0:0:1", AF_INET6, "[2001:db8::1]:80"},
                        {"::ffff:10.1.2.3", AF_INET, "10.1.2.3:80"},
                        {"::ffff:7f00:1", AF_INET, "127.0.0.1:80"},
                        {"::10.1.2.3", AF_INET6, "[::10.1.2.3]:80"}};
  for (const Case& c : cases) {
    CAPTURE(c.literal);
    const auto address = SocketAddress::parse(c.literal, 80);
    REQUIRE(address);
    CHECK(address->family() == c.family);
    CHECK(address->port() == 80);
    CHECK(address->text() == c.text);
    CHECK(address->size() == (c.family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6)));
  }
}

TEST_CASE("what is no literal is no address") {
  using namespace std::string_view_literals;
  for (const std::string_view text : {""sv,
                                      "localhost"sv,
                                      "127.1"sv,
                                      "127.0.0.01"sv,
                                      "0x7f.0.0.1"sv,
                                      "2130706433"sv,
                                      "256.0.0.1"sv,
                                      "1.2.3.4 "sv,
                                      " 1.2.3.4"sv,
                                      "1.2.3.4\0"sv,
                                      "127.0.0.1\0.example"sv,
                                      "[::1]"sv,
                                      "::1:"sv,
                                      ":::"sv,
                                      "1::2::3"sv,
                                      "%lo"sv,
                                      "fe80::1%"sv,
                                      "fe80::1%no-such-interface"sv,
                                      "fe80::1%0"sv,
                                      "fe80::1%4294967296"sv,
                                      "127.0.0.1%lo"sv,
                                      "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"sv}) {
    CAPTURE(text);
    CHECK_FALSE(SocketAddress::parse(text, 80));
  }
}

TEST_CASE("a scope may be a name or a number") {
  const unsigned index = if_nametoindex("lo");
  REQUIRE(index != 0);
  const SocketAddress by_name = parsed("fe80::1%lo", 80);
  CHECK(by_name == parsed("fe80::1%" + std::to_string(index), 80));
  CHECK(by_name.text() == "[fe80::1%lo]:80");
  CHECK(parsed("fe80::1%4000000000").host_text() == "fe80::1%4000000000");
}

TEST_CASE("addresses come out of a sockaddr, IPv4-mapped ones as IPv4") {
  sockaddr_in6 raw{};
  raw.sin6_family = AF_INET6;
  raw.sin6_port = htons(8080);
  REQUIRE(inet_pton(AF_INET6, "::ffff:192.0.2.1", &raw.sin6_addr) == 1);
  const auto address = SocketAddress::from(reinterpret_cast<sockaddr*>(&raw));
  REQUIRE(address);
  CHECK(*address == parsed("192.0.2.1", 8080));

  sockaddr other{};
  other.sa_family = AF_PACKET;
  CHECK_FALSE(SocketAddress::from(&other));
  CHECK_FALSE(SocketAddress::from(nullptr));
}

TEST_CASE("the peer of a unix socket is called unix, and is no IP address in any respect") {
  sockaddr_un raw{};
  raw.sun_family = AF_UNIX;
  std::strcpy(raw.sun_path, "/run/x.sock");
  const auto address = SocketAddress::from(reinterpret_cast<sockaddr*>(&raw));
  REQUIRE(address);
  CHECK(*address == SocketAddress::unix_socket());
  CHECK(address->family() == AF_UNIX);
  CHECK(address->size() == 0);
  CHECK(address->port() == 0);
  CHECK(address->text() == "unix");
  CHECK(address->host_text() == "unix");
  CHECK_FALSE(address->is_loopback());
  CHECK_FALSE(address->is_link_local());
  CHECK_FALSE(address->is_unspecified());
  CHECK(address->same_host(SocketAddress::unix_socket()));
  for (const SocketAddress& other : {SocketAddress(), parsed("0.0.0.0"), parsed("::")}) {
    CHECK_FALSE(*address == other);
    CHECK_FALSE(address->same_host(other));
  }
  for (const char* everything : {"0.0.0.0/0", "::/0"}) CHECK_FALSE(address->in_any({*Cidr::parse(everything)}));
}

TEST_CASE("no address at all has no text") {
  const SocketAddress none;
  CHECK(none.family() == AF_UNSPEC);
  CHECK_FALSE(none.is_unspecified());
  CHECK(none.size() == 0);
  CHECK(none.text().empty());
  CHECK(none == SocketAddress());
  CHECK_FALSE(none == parsed("0.0.0.0"));
}

TEST_CASE("addresses know what is special about them") {
  struct Case {
    const char* literal;
    bool loopback, link_local, unspecified;
  };
  const Case cases[] = {{"127.0.0.1", true, false, false},
                        {"127.255.255.254", true, false, false},
                        {"128.0.0.1", false, false, false},
                        {"126.255.255.255", false, false, false},
                        {"::1", true, false, false},
                        {"::2", false, false, false},
                        {"::ffff:127.0.0.1", true, false, false},
                        {"169.254.0.1", false, true, false},
                        {"169.253.255.255", false, false, false},
                        {"169.255.0.0", false, false, false},
                        {"fe80::1", false, true, false},
                        {"febf::1", false, true, false},
                        {"fec0::1", false, false, false},
                        {"0.0.0.0", false, false, true},
                        {"::", false, false, true},
                        {"::ffff:0.0.0.0", false, false, true},
                        {"0.0.0.1", false, false, false}};
  for (const Case& c : cases) {
    CAPTURE(c.literal);
    const SocketAddress address = parsed(c.literal, 80);
    CHECK(address.is_loopback() == c.loopback);
    CHECK(address.is_link_local() == c.link_local);
    CHECK(address.is_unspecified() == c.unspecified);
  }
}

TEST_CASE("two addresses are the same host whatever their ports") {
  CHECK(parsed("10.0.0.1", 1).same_host(parsed("10.0.0.1", 2)));
  CHECK_FALSE(parsed("10.0.0.1", 1) == parsed("10.0.0.1", 2));
  CHECK_FALSE(parsed("10.0.0.1").same_host(parsed("10.0.0.2")));
  CHECK_FALSE(parsed("0.0.0.0").same_host(parsed("::")));
  CHECK(parsed("fe80::1%1").same_host(parsed("fe80::1")));
  CHECK_FALSE(parsed("fe80::1%1").same_host(parsed("fe80::1%2")));
  CHECK_FALSE(parsed("fe80::1%1") == parsed("fe80::1%2"));
  SocketAddress moved = parsed("::1", 1);
  moved.set_port(65535);
  CHECK(moved == parsed("::1", 65535));
}

TEST_CASE("an address is in a range whatever its port and scope") {
  const std::vector<Cidr> ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("fe80::/10")};
  CHECK(parsed("10.1.1.1", 443).in_any(ranges));
  CHECK(parsed("::ffff:10.1.1.1").in_any(ranges));
  CHECK(parsed("fe80::1%1").in_any(ranges));
  CHECK_FALSE(parsed("127.0.0.1").in_any(ranges));
  CHECK_FALSE(SocketAddress().in_any(ranges));
  CHECK_FALSE(parsed("10.1.1.1").in_any({}));
}

TEST_CASE("an address of a sockaddr and its value stand for each other") {
  for (const char* text : {"10.1.2.3", "0.0.0.0", "::", "2001:db8::1"}) {
    CAPTURE(text);
    const SocketAddress address = parsed(text, 80);
    CHECK(address.ip() == IpAddress::parse(text));
    CHECK(SocketAddress(*address.ip(), 80) == address);
  }
  CHECK(parsed("fe80::1%1").ip() == IpAddress::parse("fe80::1"));
  CHECK_FALSE(SocketAddress().ip());
  CHECK_FALSE(SocketAddress::unix_socket().ip());
}

TEST_CASE("this machine's addresses include its loopback, without ports") {
  const auto addresses = local_addresses();
  CHECK(std::find(addresses.begin(), addresses.end(), parsed("127.0.0.1")) != addresses.end());
}

}  // namespace
}  // namespace keepwarm::net
