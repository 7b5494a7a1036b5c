#include <string>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// Which requests may share a connection, and what a new configuration changes of that.
namespace keepwarm::pool::test {
namespace {

/// A table for all hosts, and one for another.
policy::HostTable tables(const policy::HostSettings& all, const char* name = nullptr,
                         const policy::HostSettings& one = {}) {
  policy::HostTable table = table_of(all);
  if (name == nullptr) return table;
  policy::HostTableEntry entry{.pattern = *policy::parse_host_pattern(name), .values = one, .keys = {}};
  for (std::size_t key = 0; key < policy::host_keys().size(); ++key) entry.keys.push_back(key);
  table.add(std::move(entry));
  return table;
}

policy::HostSettings with_parent(const char* url = "http://proxy.corp:3128") {
  policy::HostSettings settings;
  settings.parent = policy::parse_parent(url).value();
  return settings;
}

policy::HostSettings with_upgrade() {
  policy::HostSettings settings;
  settings.upgrade = true;
  return settings;
}

const OriginView kA{Scheme::Http, "a.test", 80};
const OriginView kB{Scheme::Http, "b.test", 8080};
const OriginView kSecureA{Scheme::Https, "a.test", 443};

TEST_CASE("http and https to one host and port never share") {
  Fixture fixture;
  HostPool& plain = fixture.pool->host({Scheme::Http, "a.test", 443});
  HostPool& secure = fixture.pool->host(kSecureA);
  CHECK(&plain != &secure);
  CHECK_FALSE(plain.hop().tls);
  CHECK(secure.hop().tls);
}

TEST_CASE("hosts behind one parent share its connections for http, and never those for https") {
  Fixture fixture;
  fixture.pool->reconfigure(tables(with_parent()));
  HostPool& shared = fixture.pool->host(kA);
  CHECK(&fixture.pool->host(kB) == &shared);
  CHECK(shared.hop().absolute_form());
  CHECK(&fixture.pool->host(kSecureA) != &shared);
  CHECK(&fixture.pool->host({Scheme::Https, "b.test", 443}) != &fixture.pool->host(kSecureA));
}

TEST_CASE("hosts with other settings, or another parent, do not share") {
  Fixture fixture;
  policy::HostSettings other = with_parent();
  SUBCASE("another time limit") {
    other.response_timeout = 1s;
  }
  SUBCASE("other credentials") {
    other.parent = policy::parse_parent("http://user:secret@proxy.corp:3128").value();
  }
  SUBCASE("another parent") {
    other.parent = policy::parse_parent("http://other.corp:3128").value();
  }
  fixture.pool->reconfigure(tables(with_parent(), "b.test", other));
  CHECK(&fixture.pool->host(kA) != &fixture.pool->host(kB));
}

TEST_CASE("the parent itself as an origin has connections of its own") {
  Fixture fixture;
  policy::HostSettings direct;
  fixture.pool->reconfigure(tables(with_parent(), "proxy.corp", direct));
  HostPool& shared = fixture.pool->host(kA);
  CHECK(&fixture.pool->host({Scheme::Http, "proxy.corp", 3128}) != &shared);
}

TEST_CASE("upgraded requests share with those for https, if their settings are the same") {
  Fixture fixture;
  fixture.pool->reconfigure(tables(with_upgrade()));
  HostPool& upgraded = fixture.pool->host(kA);
  CHECK(upgraded.hop().tls);
  CHECK(&fixture.pool->host(kSecureA) == &upgraded);
  policy::HostSettings other = with_upgrade();
  other.tls_verify = false;
  fixture.pool->reconfigure(tables(with_upgrade(), "a.test:443", other));
  CHECK(&fixture.pool->host(kSecureA) != &fixture.pool->host(kA));
}

TEST_CASE("a reload that changes the way to a host begins with new connections, and lets those in use end") {
  Fixture fixture;
  Client holder;
  fixture.open(holder);
  fixture.add_idle();
  HostPool& before = *fixture.host;
  policy::HostSettings changed;
  SUBCASE("connect_to") {
    changed.connect_to = policy::parse_connect_to("127.0.0.1:" + std::to_string(Fixture::kPort)).value();
  }
  SUBCASE("parent") {
    changed.parent = policy::parse_parent("http://127.0.0.1:" + std::to_string(Fixture::kPort)).value();
  }
  SUBCASE("upgrade") {
    changed.upgrade = true;
  }
  fixture.pool->reconfigure(table_of(changed));
  CHECK(before.retired());
  CHECK(before.idle() == 0);
  CHECK(fixture.closed(CloseReason::Reconfigured) == 1);
  CHECK(&fixture.pool->host(fixture.origin()) != &before);
  fixture.give_back(holder);
  CHECK(before.open() == 0);
  CHECK(fixture.closed(CloseReason::Reconfigured) == 2);
}

TEST_CASE("a reload that changes the certificate authority concerns https only") {
  Fixture fixture;
  HostPool& plain = *fixture.host;
  HostPool& secure = fixture.pool->host(kSecureA);
  const HostRef in_use(secure);
  policy::HostSettings changed;
  changed.tls_ca_file = "/other.pem";
  fixture.pool->reconfigure(table_of(changed));
  CHECK(&fixture.pool->host(fixture.origin()) == &plain);
  CHECK_FALSE(plain.retired());
  CHECK(secure.retired());
  CHECK(fixture.pool->host(kSecureA).hop().tls->ca_file == "/other.pem");
}

TEST_CASE("who waits in a host that is retired still gets a connection, which is not pooled") {
  Fixture fixture;
  Client waiting;
  fixture.network.hold();
  fixture.checkout(waiting, kReplayable);
  HostPool& before = *fixture.host;
  policy::HostSettings changed;
  changed.connect_to = policy::parse_connect_to("127.0.0.1:1").value();
  fixture.pool->reconfigure(table_of(changed));
  fixture.network.release();
  fixture.run_until([&] { return waiting.events > 0; });
  REQUIRE(waiting.lease);
  fixture.give_back(waiting);
  CHECK(before.open() == 0);
}

TEST_CASE("hosts that share one and then are told apart by a reload no longer share") {
  Fixture fixture;
  fixture.pool->reconfigure(tables(with_parent()));
  HostPool& shared = fixture.pool->host(kA);
  REQUIRE(&fixture.pool->host(kB) == &shared);
  fixture.pool->reconfigure(tables(with_parent(), "b.test", {}));
  CHECK(&fixture.pool->host(kA) == &shared);
  CHECK(fixture.pool->host(kB).hop().via == policy::NextHop::Via::Client);
}

TEST_CASE("hosts that a reload makes share go on in one of them") {
  Fixture fixture;
  fixture.pool->reconfigure(tables(with_parent(), "b.test", with_parent("http://other.corp:3128")));
  const HostRef a(fixture.pool->host(kA));
  const HostRef b(fixture.pool->host(kB));
  fixture.pool->reconfigure(tables(with_parent()));
  CHECK(&fixture.pool->host(kA) == &fixture.pool->host(kB));
  CHECK(a->retired() != b->retired());
}

TEST_CASE("very many hosts behind one parent are not all remembered") {
  Fixture fixture;
  fixture.pool->reconfigure(tables(with_parent()));
  HostPool& shared = fixture.pool->host(kA);
  for (std::size_t i = 0; i < Pool::kMaxUnusedHosts + 10; ++i) {
    REQUIRE(&fixture.pool->host({Scheme::Http, "h" + std::to_string(i) + ".test", 80}) == &shared);
  }
  CHECK(fixture.pool->route_count() <= Pool::kMaxUnusedHosts + 2);
}

TEST_CASE("a shared host that is forgotten takes its routes along") {
  Fixture fixture;
  fixture.pool->reconfigure(tables({}, "*.corp", with_parent()));
  const OriginView first{Scheme::Http, "a.corp", 80};
  const OriginView second{Scheme::Http, "b.corp", 80};
  { const HostRef used(fixture.pool->host(first)); }
  REQUIRE(&fixture.pool->host(first) == &fixture.pool->host(second));
  for (std::size_t i = 0; i < Pool::kMaxUnusedHosts + 1; ++i) {
    const HostRef host(fixture.pool->host({Scheme::Http, "h" + std::to_string(i) + ".test", 80}));
  }
  // Neither name leads to what is no more.
  HostPool& anew = fixture.pool->host(second);
  CHECK(&fixture.pool->host(first) == &anew);
  CHECK(fixture.pool->host(second).requested_origin() == Origin{Scheme::Http, "b.corp", 80});
}

}  // namespace
}  // namespace keepwarm::pool::test
