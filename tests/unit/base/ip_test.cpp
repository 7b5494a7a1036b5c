#include "core/base/ip.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

using namespace std::string_view_literals;

IpAddress ip(std::string_view text) {
  const auto address = IpAddress::parse(text);
  REQUIRE_MESSAGE(address, std::string(text));
  return *address;
}

TEST_CASE("a port to connect to is digits, 1 to 65535") {
  CHECK(parse_port("80") == 80);
  CHECK(parse_port("0080") == 80);
  CHECK(parse_port("65535") == 65535);
  for (const auto text : {""sv, "0"sv, "00"sv, "65536"sv, "-1"sv, "+80"sv, " 80"sv, "80 "sv, "8x"sv, "0x50"sv, "80\0"sv,
                          "18446744073709551696"sv}) {
    CAPTURE(text);
    CHECK_FALSE(parse_port(text));
  }
}

TEST_CASE("an address is read and written back in one form, IPv4-mapped IPv6 as IPv4") {
  struct Case {
    const char* text;
    const char* again;
    bool v4;
  };
  const Case cases[] = {{"127.0.0.1", "127.0.0.1", true},
                        {"255.255.255.255", "255.255.255.255", true},
                        {"::", "::", false},
                        {"::1", "::1", false},
                        {"2001:DB8:0:0:0:0:0:1", "2001:db8::1", false},
                        {"::ffff:10.1.2.3", "10.1.2.3", true},
                        {"::FFFF:7f00:1", "127.0.0.1", true},
                        {"0:0:0:0:0:ffff:10.1.2.3", "10.1.2.3", true},
                        {"::10.1.2.3", "::10.1.2.3", false},
                        {"::fffe:10.1.2.3", "::fffe:a01:203", false}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const IpAddress address = ip(c.text);
    CHECK(address.text() == c.again);
    CHECK(address.is_v4() == c.v4);
    CHECK(address.bytes().size() == (c.v4 ? 4 : 16));
    CHECK(address == ip(c.again));
  }
  CHECK_FALSE(ip("0.0.0.0") == ip("::"));
}

TEST_CASE("what is no literal is no address") {
  for (const auto text : {""sv,
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
                          "fe80::1%1"sv,
                          "fe80::1%lo"sv,
                          "127.0.0.1%lo"sv,
                          "::ffff:127.1"sv,
                          "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"sv}) {
    CAPTURE(text);
    CHECK_FALSE(IpAddress::parse(text));
    CHECK_FALSE(Cidr::parse(text));
  }
}

TEST_CASE("the name of a host that is an IPv6 address has one form, and stays mapped") {
  CHECK(canonical_ipv6("2001:DB8:0:0::1") == "2001:db8::1");
  CHECK(canonical_ipv6("::FFFF:10.0.0.1") == "::ffff:10.0.0.1");
  for (const auto text : {""sv, "10.0.0.1"sv, "[::1]"sv, "fe80::1%lo"sv, "::1\0"sv, "a.test"sv}) {
    CAPTURE(text);
    CHECK_FALSE(canonical_ipv6(text));
  }
}

TEST_CASE("addresses know what is special about them") {
  struct Case {
    const char* text;
    bool loopback, link_local, unspecified;
  };
  const Case cases[] = {{"127.0.0.1", true, false, false},
                        {"127.255.255.254", true, false, false},
                        {"128.0.0.1", false, false, false},
                        {"126.255.255.255", false, false, false},
                        {"::1", true, false, false},
                        {"::2", false, false, false},
                        {"1::1", false, false, false},
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
    CAPTURE(c.text);
    const IpAddress address = ip(c.text);
    CHECK(address.is_loopback() == c.loopback);
    CHECK(address.is_link_local() == c.link_local);
    CHECK(address.is_unspecified() == c.unspecified);
  }
}

TEST_CASE("a range contains exactly the addresses under its prefix") {
  struct Case {
    const char* range;
    const char* address;
    bool contained;
  };
  const Case cases[] = {{"10.0.0.0/8", "10.255.255.255", true},
                        {"10.0.0.0/8", "11.0.0.0", false},
                        {"10.1.2.3/8", "10.9.9.9", true},
                        {"192.168.4.0/22", "192.168.7.255", true},
                        {"192.168.4.0/22", "192.168.8.0", false},
                        {"192.0.2.1", "192.0.2.1", true},
                        {"192.0.2.1", "192.0.2.2", false},
                        {"192.0.2.128/25", "192.0.2.127", false},
                        {"0.0.0.0/0", "203.0.113.9", true},
                        {"0.0.0.0/0", "::1", false},
                        {"::/0", "::1", true},
                        {"::/0", "127.0.0.1", false},
                        {"::/0", "::ffff:127.0.0.1", false},
                        {"fe80::/10", "febf:ffff::1", true},
                        {"fe80::/10", "fec0::1", false},
                        {"2001:db8::1/128", "2001:db8::1", true},
                        {"2001:db8::1/127", "2001:db8::2", false},
                        {"10.0.0.0/8", "::ffff:10.0.0.1", true},
                        {"::ffff:10.0.0.0/104", "10.200.0.1", true},
                        {"::ffff:10.0.0.0/104", "11.0.0.1", false},
                        {"::ffff:0.0.0.0/96", "203.0.113.9", true}};
  for (const Case& c : cases) {
    CAPTURE(c.range);
    CAPTURE(c.address);
    const auto range = Cidr::parse(c.range);
    REQUIRE(range);
    CHECK(range->contains(ip(c.address)) == c.contained);
    CHECK(Cidr::parse(range->text()) == range);
  }
  const std::vector<Cidr> set = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("::1")};
  CHECK(any_contains(set, ip("10.1.1.1")));
  CHECK(any_contains(set, ip("::1")));
  CHECK_FALSE(any_contains(set, ip("127.0.0.1")));
  CHECK_FALSE(any_contains({}, ip("127.0.0.1")));
}

TEST_CASE("a range is written back as it was meant") {
  CHECK(Cidr::parse("10.0.0.0/8")->text() == "10.0.0.0/8");
  CHECK(Cidr::parse("10.1.2.3/8")->text() == "10.1.2.3/8");
  CHECK(Cidr::parse("10.1.2.3")->text() == "10.1.2.3");
  CHECK(Cidr::parse("::FFFF:10.0.0.0/104")->text() == "10.0.0.0/8");
  CHECK(Cidr::parse("FD00:0::/8")->text() == "fd00::/8");
}

TEST_CASE("bits behind the prefix are noticed") {
  for (const char* text : {"10.1.2.3/8", "10.0.0.1/31", "fd00::1/8", "::ffff:10.0.0.1/104", "1.0.0.0/0"}) {
    CAPTURE(text);
    CHECK(Cidr::parse(text)->has_stray_bits());
  }
  for (const char* text : {"10.0.0.0/8", "10.0.0.1", "10.0.0.1/32", "fd00::/8", "::ffff:10.0.0.0/104", "0.0.0.0/0"}) {
    CAPTURE(text);
    CHECK_FALSE(Cidr::parse(text)->has_stray_bits());
  }
}

TEST_CASE("what is no range is refused") {
  for (const char* text : {"/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/8x",
                           "10.0.0.0/8/8", "10.0.0.0/ 8", "::/129", "::ffff:10.0.0.0/95", "::ffff:10.0.0.0/129",
                           "fe80::1%lo/64", "10.0.0/8", "10.0.0.0/4294967297", "[fd00::]/8"}) {
    CAPTURE(text);
    CHECK_FALSE(Cidr::parse(text));
  }
}

TEST_CASE("a place to listen at is read and written back in one form") {
  struct Case {
    const char* text;
    const char* again;
    bool local;
  };
  const Case cases[] = {{"127.0.0.1:3128", "127.0.0.1:3128", true},
                        {"[::1]:0", "[::1]:0", true},
                        {"0.0.0.0:80", "0.0.0.0:80", false},
                        {"[::]:80", "[::]:80", false},
                        {"[0:0::1]:080", "[::1]:80", true},
                        {"[::ffff:10.0.0.1]:80", "10.0.0.1:80", false},
                        {"[::ffff:127.0.0.1]:80", "127.0.0.1:80", true},
                        {"unix:/run/x.sock", "unix:/run/x.sock", true},
                        {"unix:/run//a/.././x.sock", "unix:/run/x.sock", true},
                        {"unix:/run/x:80", "unix:/run/x:80", true},
                        {"unix:/run/a b/ü", "unix:/run/a b/ü", true}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto address = ListenAddress::parse(c.text);
    REQUIRE(address);
    CHECK(address->text() == c.again);
    CHECK(address->is_local() == c.local);
    CHECK(address->is_unix() == std::string_view(c.text).starts_with("unix:"));
    CHECK(address->path().empty() != address->is_unix());
    CHECK(*address == *ListenAddress::parse(c.again));
  }
  CHECK(ListenAddress::parse("[::1]:8080")->port() == 8080);
  CHECK(ListenAddress::parse("[::1]:8080")->ip() == ip("::1"));
}

TEST_CASE("localhost and all names below it are loopback, and no other name is") {
  for (const char* name : {"localhost", "app.localhost", "a.b.localhost"}) {
    CAPTURE(name);
    CHECK(is_localhost(name));
  }
  for (const char* name : {"", ".localhost", "notlocalhost", "localhost.test", "localhost.localdomain", "127.0.0.1"}) {
    CAPTURE(name);
    CHECK_FALSE(is_localhost(name));
  }
}

// Each of these was taken by one of the two parsers that there once were, and dropped by the other one.
TEST_CASE("a place to listen at that could be read in two ways is none") {
  for (const char* text : {"::1:3128", "[127.0.0.1]:80", "[fe80::1%1]:80", "[fe80::1%lo]:80", "unix:", "unix:x.sock",
                           "unix:@x", "unix:/run/", "unix:/run/.", "unix:/run/x/..", "unix:/", "unix:/run/a\tb"}) {
    CAPTURE(text);
    CHECK_FALSE(ListenAddress::parse(text));
  }
  CHECK(ListenAddress::parse("unix:/" + std::string(106, 'x')));
  CHECK_FALSE(ListenAddress::parse("unix:/" + std::string(107, 'x')));
  CHECK_FALSE(ListenAddress::parse("unix:/run/a\0b"sv));
}

TEST_CASE("what is neither address and port nor a path is no place to listen at") {
  for (const char* text :
       {"", ":", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:1x", "127.0.0.1:+1", "localhost:80",
        "[::1]", "[::1]80", "[]:80", "[:80", "]:80", "::1]:80", "[::1:80", "/run/x.sock", "UNIX:/run/x", "unix"}) {
    CAPTURE(text);
    CHECK_FALSE(ListenAddress::parse(text));
  }
}

}  // namespace
}  // namespace keepwarm
