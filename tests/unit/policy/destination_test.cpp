#include "core/policy/destination.h"

#include <algorithm>
#include <iterator>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

/// The ports of the Fetch Standard's list, as its table gives them (§2.9).
constexpr std::uint16_t kListed[] = {0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,
                                     37,   42,   43,   53,   69,   77,   79,   87,   95,   101,  102,  103,  104,  109,
                                     110,  111,  113,  115,  117,  119,  123,  135,  137,  139,  143,  161,  179,  389,
                                     427,  465,  512,  513,  514,  515,  526,  530,  531,  532,  540,  548,  554,  556,
                                     563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049, 3659, 4045,
                                     4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};

}  // namespace

TEST_CASE("the bad ports are those of the Fetch Standard and no others") {
  for (unsigned port = 0; port <= 65535; ++port) {
    const bool listed = std::find(std::begin(kListed), std::end(kListed), port) != std::end(kListed);
    if (is_bad_port(static_cast<std::uint16_t>(port)) != listed) FAIL_CHECK("port ", port, " listed: ", listed);
  }
}

TEST_CASE("a bad port is refused unless it is allowed") {
  ProxySettings settings;
  CHECK_FALSE(may_forward_to(settings, 25));
  CHECK_FALSE(may_forward_to(settings, 6667));
  CHECK(may_forward_to(settings, 80));
  CHECK(may_forward_to(settings, 8080));
  CHECK(may_forward_to(settings, 65535));
  settings.bad_ports = BadPorts::Allow;
  CHECK(may_forward_to(settings, 25));
}

TEST_CASE("a tunnel reaches the ports of connect_ports, be they bad or not, and no others") {
  ProxySettings settings;
  CHECK(may_tunnel_to(settings, 443));
  CHECK_FALSE(may_tunnel_to(settings, 80));
  CHECK_FALSE(may_tunnel_to(settings, 442));
  CHECK_FALSE(may_tunnel_to(settings, 444));

  settings.connect_ports = {{22, 22}, {1024, 65535}};
  CHECK(may_tunnel_to(settings, 22));
  CHECK_FALSE(may_tunnel_to(settings, 23));
  CHECK_FALSE(may_tunnel_to(settings, 443));
  CHECK_FALSE(may_tunnel_to(settings, 1023));
  CHECK(may_tunnel_to(settings, 1024));
  CHECK(may_tunnel_to(settings, 65535));
  CHECK_FALSE(may_forward_to(settings, 22));

  settings.connect_ports.clear();
  CHECK_FALSE(may_tunnel_to(settings, 443));
}

}  // namespace keepwarm::policy
