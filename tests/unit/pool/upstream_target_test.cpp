#include "core/pool/upstream_target.h"

#include <memory>
#include <optional>
#include <string_view>

#include <doctest/doctest.h>

#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_tickets.h"
#include "tests/unit/pool/part_fakes.h"

namespace keepwarm::pool::test {
namespace {

using policy::HostSettings;

policy::NextHop hop_to(Scheme scheme, std::string_view host, const HostSettings& settings = {}) {
  return policy::next_hop({scheme, host, scheme == Scheme::Https ? std::uint16_t{443} : std::uint16_t{80}}, settings);
}

HostSettings through_parent() {
  HostSettings settings;
  settings.parent = policy::parse_parent("http://user:secret@10.0.0.1:3128");
  REQUIRE(settings.parent);
  return settings;
}

HostSettings to_backend() {
  HostSettings settings;
  settings.connect_to = policy::parse_connect_to("10.0.0.2:8080");
  REQUIRE(settings.connect_to);
  return settings;
}

struct Target : Surroundings, LeaseEvents, IdleEvents {
  // LeaseEvents
  void give_back(Connection&, const GiveBack&, TimePoint) override {}
  bool keep_bound(Connection&, const GiveBack&, TimePoint) override { return false; }
  void close(Connection&, CloseReason, TimePoint) override {}
  std::unique_ptr<net::Stream> detach(Connection&, TimePoint) override { return nullptr; }
  // IdleEvents
  void idle_ended(Connection&, CloseReason, TimePoint) override {}
  void idle_time_over(Connection&, TimePoint) override {}
  void was_closed_idle(Connection&, TimePoint) override {}
  bool still_usable(Connection&, TimePoint) override { return false; }

  UpstreamTarget& make(Scheme scheme, std::string_view host, const HostSettings& settings = {}) {
    return target.emplace(context, Origin{scheme, std::string(host), 80}, hop_to(scheme, host, settings));
  }
  Connection& connection_to(const char* address) {
    return connections.add(std::make_unique<StillStream>(), literal(address, 80), now());
  }

  std::optional<UpstreamTarget> target;
  ConnectionSet connections{wheel, {*this, *this}};
};

TEST_CASE_FIXTURE(Target, "its name is where it leads, and the origin is as the client named it") {
  HostSettings upgraded;
  upgraded.upgrade = true;
  make(Scheme::Http, "origin.test", upgraded);
  CHECK(target->requested_origin().scheme == Scheme::Http);
  CHECK(target->hop().origin.scheme == Scheme::Https);
  CHECK(target->name() == "origin.test:443");
}

TEST_CASE_FIXTURE(Target, "a parent is sent its credentials with each request, unless a tunnel goes through it") {
  CHECK(make(Scheme::Http, "origin.test", through_parent()).proxy_authorization() == "Basic dXNlcjpzZWNyZXQ=");
  CHECK(make(Scheme::Https, "origin.test", through_parent()).proxy_authorization().empty());
  CHECK(make(Scheme::Http, "origin.test").proxy_authorization().empty());
}

TEST_CASE_FIXTURE(Target, "TLS sessions are kept for a host that is spoken TLS to, and for no other") {
  net::Loop loop;
  net::TlsClient client(loop);
  dialer.tickets = std::make_shared<net::TlsTickets>(client.ticket_bound());
  CHECK(make(Scheme::Https, "origin.test").tls_tickets() == dialer.tickets);
  CHECK(make(Scheme::Http, "origin.test").tls_tickets() == nullptr);
}

TEST_CASE_FIXTURE(Target, "a client that is not local reaches what it could have connected to itself") {
  remote_filter.denied = {literal("127.0.0.1", 80)};
  Connection& loopback = connection_to("127.0.0.1");
  Connection& elsewhere = connection_to("127.0.0.2");
  make(Scheme::Http, "origin.test");
  CHECK(target->reachable(loopback, true));
  CHECK_FALSE(target->reachable(loopback, false));
  CHECK(target->reachable(elsewhere, false));
  remote_filter.denied.clear();
  CHECK_FALSE(target->reachable(loopback, false));  // worked out once in a connection's life
  CHECK(target->reachable(connection_to("127.0.0.1"), false));
}

TEST_CASE_FIXTURE(Target, "where the operator says what to connect to, every client reaches it") {
  remote_filter.denied = {literal("10.0.0.1", 80), literal("10.0.0.2", 80)};
  make(Scheme::Http, "origin.test", to_backend());
  CHECK(target->reachable(connection_to("10.0.0.2"), false));
  make(Scheme::Http, "origin.test", through_parent());
  CHECK(target->reachable(connection_to("10.0.0.1"), false));
}

TEST_CASE_FIXTURE(Target, "new rules forbid an address, but not a parent's own") {
  local_filter.denied = {literal("10.0.0.1", 80), literal("10.0.0.3", 80)};
  make(Scheme::Http, "origin.test");
  CHECK(target->may_lead_to(literal("10.0.0.2", 80)));
  CHECK_FALSE(target->may_lead_to(literal("10.0.0.3", 80)));
  make(Scheme::Http, "origin.test", to_backend());
  CHECK_FALSE(target->may_lead_to(literal("10.0.0.3", 80)));
  make(Scheme::Http, "origin.test", through_parent());
  CHECK(target->may_lead_to(literal("10.0.0.1", 80)));
}

TEST_CASE_FIXTURE(Target, "through a parent's tunnel new rules forbid an origin that is named by its address") {
  local_filter.denied = {literal("10.0.0.3", 80)};
  make(Scheme::Https, "10.0.0.3", through_parent());
  CHECK_FALSE(target->may_lead_to(literal("10.0.0.1", 80)));
  make(Scheme::Https, "10.0.0.4", through_parent());
  CHECK(target->may_lead_to(literal("10.0.0.1", 80)));
  make(Scheme::Https, "origin.test", through_parent());
  CHECK(target->may_lead_to(literal("10.0.0.1", 80)));
}

}  // namespace
}  // namespace keepwarm::pool::test
