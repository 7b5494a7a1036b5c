#include "core/net/own_route.h"

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {

TEST_CASE("each address of this machine leads to it, and all of 127.0.0.0/8, and no other does") {
  for (const SocketAddress& own : local_addresses()) {
    if (own.is_link_local()) continue;  // which is one only together with its interface
    CAPTURE(own.text());
    CHECK(leads_to_this_machine(own) == true);
  }
  CHECK(leads_to_this_machine(literal("127.200.3.4")) == true);
  CHECK(leads_to_this_machine(literal("192.0.2.1")) == false);
  CHECK(leads_to_this_machine(literal("2001:db8::1")) == false);
  CHECK(leads_to_this_machine(SocketAddress::unix_socket()) == false);
}

}  // namespace keepwarm::net::test
