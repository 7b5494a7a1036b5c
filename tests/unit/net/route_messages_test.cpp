#include "core/net/route_messages.h"

#include <initializer_list>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include <doctest/doctest.h>

namespace keepwarm::net {

namespace {

using namespace std::string_literals;

template <typename Struct>
std::string bytes_of(const Struct& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string attribute(std::uint16_t kind, const std::string& payload) {
  rtattr header{};
  header.rta_type = kind;
  header.rta_len = static_cast<std::uint16_t>(sizeof header + payload.size());
  std::string bytes = bytes_of(header) + payload;
  bytes.resize((bytes.size() + 3) / 4 * 4);
  return bytes;
}

std::string number(std::uint32_t value) {
  return bytes_of(value);
}

rtmsg ipv4_route(std::uint8_t prefix) {
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = prefix;
  header.rtm_table = RT_TABLE_MAIN;
  header.rtm_type = RTN_UNICAST;
  return header;
}

NetworkState read(std::uint16_t type, const std::string& payload) {
  NetworkState state;
  add_to_state(state, type, payload);
  return state;
}

const std::string kTenNet = attribute(RTA_DST, "\x0a\x00\x00\x00"s);

}  // namespace

TEST_CASE("a route is read whole") {
  rtmsg header = ipv4_route(8);
  const std::string message = bytes_of(header) + kTenNet + attribute(RTA_TABLE, number(1000)) +
                              attribute(RTA_PRIORITY, number(600)) + attribute(RTA_OIF, number(3));
  const NetworkState state = read(RTM_NEWROUTE, message);
  REQUIRE(state.routes.size() == 1);
  const Route& route = state.routes.front();
  CHECK(route.to.text() == "10.0.0.0/8");
  CHECK(route.table == 1000);
  CHECK(route.metric == 600);
  CHECK_FALSE(route.own);
  header.rtm_type = RTN_LOCAL;
  CHECK(read(RTM_NEWROUTE, bytes_of(header) + kTenNet).routes.front().own);
}

TEST_CASE("a route without a destination is the default") {
  CHECK(read(RTM_NEWROUTE, bytes_of(ipv4_route(0))).routes.front().to.text() == "0.0.0.0/0");
  rtmsg header = ipv4_route(0);
  header.rtm_family = AF_INET6;
  CHECK(read(RTM_NEWROUTE, bytes_of(header)).routes.front().to.text() == "::/0");
}

TEST_CASE("what says where packets go makes another route, and the time that is left does not") {
  const std::string start = bytes_of(ipv4_route(8)) + kTenNet;
  const Route plain = read(RTM_NEWROUTE, start + attribute(RTA_OIF, number(3))).routes.front();
  for (const std::uint16_t kind : {RTA_OIF, RTA_GATEWAY, RTA_VIA, RTA_PREFSRC, RTA_MULTIPATH, RTA_ENCAP, RTA_NH_ID}) {
    CAPTURE(kind);
    CHECK(read(RTM_NEWROUTE, start + attribute(kind, number(4))).routes.front() != plain);
  }
  for (const std::uint16_t kind : {RTA_CACHEINFO, RTA_METRICS, RTA_PREF}) {
    CAPTURE(kind);
    CHECK(read(RTM_NEWROUTE, start + attribute(RTA_OIF, number(3)) + attribute(kind, number(4))).routes.front() ==
          plain);
  }
}

TEST_CASE("what leads no packets of ours is left out") {
  for (const std::uint8_t type : {RTN_BROADCAST, RTN_ANYCAST, RTN_MULTICAST}) {
    rtmsg header = ipv4_route(8);
    header.rtm_type = type;
    CHECK(read(RTM_NEWROUTE, bytes_of(header) + kTenNet).routes.empty());
  }
  rtmsg noted = ipv4_route(8);
  noted.rtm_flags = RTM_F_CLONED;
  CHECK(read(RTM_NEWROUTE, bytes_of(noted) + kTenNet).routes.empty());
  rtmsg other = ipv4_route(0);
  other.rtm_family = AF_MPLS;
  CHECK(read(RTM_NEWROUTE, bytes_of(other)).routes.empty());
}

TEST_CASE("an address, and our end of a link from point to point") {
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  const std::string own = attribute(IFA_LOCAL, "\x0a\x00\x00\x01"s);
  const std::string other = attribute(IFA_ADDRESS, "\x0a\x00\x00\x02"s);
  for (const std::string& both : {own + other, other + own}) {
    const NetworkState state = read(RTM_NEWADDR, bytes_of(header) + both);
    REQUIRE(state.addresses.size() == 1);
    CHECK(state.addresses.front().text() == "10.0.0.1");
  }
  header.ifa_family = AF_INET6;
  const std::string v6(16, '\x11');
  CHECK(read(RTM_NEWADDR, bytes_of(header) + attribute(IFA_ADDRESS, v6)).addresses.size() == 1);
}

TEST_CASE("a message that is cut anywhere, or lies about lengths, is no trouble") {
  const std::string whole = bytes_of(ipv4_route(8)) + kTenNet + attribute(RTA_OIF, number(3));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK(read(RTM_NEWROUTE, whole.substr(0, size)).routes.size() <= 1);
  }
  rtmsg header = ipv4_route(33);
  CHECK(read(RTM_NEWROUTE, bytes_of(header) + kTenNet).routes.empty());
  CHECK(read(RTM_NEWROUTE, bytes_of(ipv4_route(8)) + attribute(RTA_DST, "\x0a"s)).routes.empty());
  for (const std::uint16_t length : {std::uint16_t{0}, std::uint16_t{3}, std::uint16_t{0xffff}}) {
    std::string lies = kTenNet;
    lies.replace(0, sizeof length, bytes_of(length));
    const NetworkState state = read(RTM_NEWROUTE, bytes_of(ipv4_route(0)) + lies);
    REQUIRE(state.routes.size() == 1);
    CHECK(state.routes.front().to.text() == "0.0.0.0/0");
  }
}

TEST_CASE("of what comes unasked, a link counts when it is down") {
  ifinfomsg link{};
  CHECK(tells_of_change(RTM_NEWLINK, bytes_of(link)));
  link.ifi_flags = IFF_UP;
  CHECK_FALSE(tells_of_change(RTM_NEWLINK, bytes_of(link)));
  CHECK_FALSE(tells_of_change(RTM_NEWLINK, ""));
  for (const std::uint16_t type :
       {RTM_NEWADDR, RTM_DELADDR, RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, RTM_DELRULE, RTM_DELLINK}) {
    CHECK(tells_of_change(type, ""));
  }
  CHECK_FALSE(tells_of_change(RTM_NEWNEIGH, ""));
}

}  // namespace keepwarm::net
