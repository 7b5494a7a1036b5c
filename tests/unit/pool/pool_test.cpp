#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// All hosts of an engine: their settings, the ones that are forgotten, reload and shutdown.
namespace keepwarm::pool::test {
namespace {

policy::HostSettings without_reuse() {
  policy::HostSettings settings;
  settings.reuse = false;
  return settings;
}

/// So many hosts come and go, `from` being the first.
void visit(Pool& pool, std::size_t from, std::size_t count) {
  for (std::size_t i = from; i < from + count; ++i) {
    const HostRef host(pool.host({Scheme::Http, "h" + std::to_string(i) + ".test", 80}));
  }
}

TEST_CASE("a pool key is scheme, host and port") {
  Fixture fixture;
  HostPool& host = *fixture.host;
  const std::uint16_t port = Fixture::kPort;
  CHECK(&fixture.pool->host({Scheme::Http, "origin.test", port}) == &host);
  CHECK(&fixture.pool->host({Scheme::Https, "origin.test", port}) != &host);
  CHECK(&fixture.pool->host({Scheme::Http, "other.test", port}) != &host);
  CHECK(&fixture.pool->host({Scheme::Http, "origin.test", static_cast<std::uint16_t>(port ^ 1U)}) != &host);
  CHECK(host.requested_origin() == Origin{Scheme::Http, "origin.test", port});
  CHECK(fixture.pool->host_count() == 4);
}

TEST_CASE("hosts of one configuration share their settings") {
  Fixture fixture;
  CHECK(&fixture.pool->settings_of({Scheme::Http, "a", 80}) == &fixture.pool->settings_of({Scheme::Http, "b", 81}));
  CHECK(&fixture.host->settings() == &fixture.pool->settings_of({Scheme::Http, "a", 80}));
  CHECK(fixture.pool->host_count() == 1);
}

TEST_CASE("hosts have the settings of their tables") {
  Fixture fixture;
  policy::HostTable table = table_of({});
  policy::HostTableEntry entry{.pattern = *policy::parse_host_pattern("special.test"), .values = {}, .keys = {}};
  entry.values = without_reuse();
  for (std::size_t key = 0; key < policy::host_keys().size(); ++key) entry.keys.push_back(key);
  table.add(entry);
  fixture.pool->reconfigure(table);
  CHECK_FALSE(fixture.pool->host({Scheme::Http, "special.test", 80}).settings().reuse);
  CHECK(fixture.pool->host({Scheme::Http, "plain.test", 80}).settings().reuse);
}

TEST_CASE("a reload that turns reuse off closes what is idle, and the rest when it comes back") {
  Fixture fixture;
  Client holder;
  fixture.open(holder);
  fixture.add_idle();
  fixture.pool->reconfigure(table_of(without_reuse()));
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.closed(CloseReason::Reconfigured) == 1);
  CHECK(holder.lease);
  fixture.give_back(holder);
  CHECK(fixture.host->open() == 0);
  CHECK(fixture.closed(CloseReason::ReuseOff) == 1);
}

TEST_CASE("a reload that shortens idle_timeout counts for what is idle already") {
  Fixture fixture;
  fixture.add_idle();
  policy::HostSettings settings;
  settings.idle_timeout = 10ms;
  fixture.pool->reconfigure(table_of(settings));
  fixture.run_until([&] { return fixture.host->idle() == 0; });
  CHECK(fixture.closed(CloseReason::IdleTimeout) == 1);
}

TEST_CASE("a reload that denies an address closes its connections") {
  Fixture fixture;
  Client holder;
  fixture.open(holder);
  fixture.add_idle();
  fixture.local_filter.denied = {literal("127.0.0.1")};
  fixture.pool->reconfigure(table_of({}));
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.closed(CloseReason::Reconfigured) == 1);
  fixture.give_back(holder);
  CHECK(fixture.host->open() == 0);
}

TEST_CASE("a reload that lowers a limit closes what has been idle longest") {
  Fixture fixture;
  fixture.add_idle();
  fixture.add_idle();
  const std::uint16_t newest = fixture.add_idle();
  policy::HostSettings settings;
  std::uint64_t left = 1;
  SUBCASE("max_idle") {
    settings.max_idle = 1;
  }
  SUBCASE("max_idle, to none") {
    settings.max_idle = 0;
    left = 0;
  }
  SUBCASE("max_connections") {
    settings.max_connections = 1;
  }
  fixture.pool->reconfigure(table_of(settings));
  CHECK(fixture.host->idle() == left);
  CHECK(fixture.closed(CloseReason::Reconfigured) == 3 - left);
  if (left == 0) return;
  Client client;
  fixture.take(client, kReplayable);
  CHECK(Fixture::name_of(client) == newest);
}

TEST_CASE("a reload that raises max_connections serves who waits") {
  policy::HostSettings settings;
  settings.max_connections = 1;
  Fixture fixture(settings);
  Client holder, waits;
  fixture.open(holder);
  fixture.checkout(waits, kReplayable);
  fixture.pool->reconfigure(table_of({}));
  fixture.run_until([&] { return waits.events > 0; });
  CHECK(waits.lease);
}

TEST_CASE("a reload that turns server_hint off forgets the hints that were honoured") {
  Fixture fixture;
  fixture.add_idle(8s, {.timeout = 10s, .max = {}});
  policy::HostSettings settings;
  settings.server_hint = false;
  fixture.pool->reconfigure(table_of(settings));
  Client client;
  fixture.checkout(client, kUnsafe);
  CHECK_FALSE(client.lease);  // 8 s is longer than was ever proved
}

TEST_CASE("a reload that changes nothing closes nothing") {
  Fixture fixture;
  Client holder;
  fixture.open(holder);
  const std::uint16_t name = Fixture::name_of(holder);
  fixture.add_idle();
  fixture.pool->reconfigure(table_of({}));
  CHECK(fixture.host->idle() == 1);
  fixture.give_back(holder);
  CHECK(fixture.host->idle() == 2);
  Client next;
  fixture.take(next, kReplayable);
  CHECK(Fixture::name_of(next) == name);
}

TEST_CASE("shutting down pools nothing any more, and lets exchanges end") {
  Fixture fixture;
  Client holder, leaves;
  fixture.open(holder);
  fixture.add_idle();
  fixture.network.hold();
  fixture.checkout(leaves, kFresh);
  fixture.pool->drain();
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.closed(CloseReason::Shutdown) == 1);
  leaves.waiter->withdraw();
  CHECK(fixture.host->open() == 1);  // nobody needs what was being opened
  fixture.give_back(holder);
  CHECK(fixture.host->open() == 0);
  CHECK(fixture.closed(CloseReason::Shutdown) == 2);
  fixture.network.release();
  Client late;
  fixture.open(late);  // a request that was queued is still served
}

TEST_CASE("what is being opened when the shutdown begins, with nobody to use it, is given up") {
  Fixture fixture;
  fixture.network.hold();
  Client leaves, stays;
  fixture.checkout(leaves, kReplayable);
  fixture.checkout(stays, kReplayable);
  leaves.waiter->withdraw();
  CHECK(fixture.host->open() == 2);
  fixture.pool->drain();
  CHECK(fixture.host->open() == 1);
  fixture.network.release();
  fixture.run_until([&] { return stays.events > 0; });
  CHECK(stays.lease);
}

TEST_CASE("a pool may end with everything under way") {
  Fixture fixture;
  fixture.add_idle();
  fixture.network.hold();
  Client waits;
  fixture.checkout(waits, kFresh);
  fixture.host.reset();
  fixture.pool.reset();
  CHECK_FALSE(waits.waiting());
  CHECK(waits.events == 0);
  CHECK(fixture.closed(CloseReason::Shutdown) == 1);
}

TEST_CASE("hosts that nobody uses are remembered, but not without limit") {
  Fixture fixture;
  Pool& pool = *fixture.pool;
  const HostRef held(pool.host({Scheme::Http, "held.test", 80}));
  visit(pool, 0, Pool::kMaxUnusedHosts);
  CHECK(pool.host_count() == Pool::kMaxUnusedHosts + 2);
  visit(pool, Pool::kMaxUnusedHosts, 100);
  CHECK(pool.host_count() == Pool::kMaxUnusedHosts + 2);
  CHECK(held->requested_origin().host == "held.test");
}

TEST_CASE("of the hosts that nobody uses, the one unused for longest is forgotten") {
  Fixture fixture;
  Pool& pool = *fixture.pool;
  visit(pool, 0, Pool::kMaxUnusedHosts);
  HostPool* const second = &pool.host({Scheme::Http, "h1.test", 80});
  visit(pool, 0, 1);  // the first one was used last
  const std::size_t before = pool.host_count();
  HostRef in_use(*second);  // and the second one is in use
  visit(pool, Pool::kMaxUnusedHosts, 1);
  CHECK(pool.host_count() <= before);
  // Those that are still known cost no further place.
  const std::size_t known = pool.host_count();
  visit(pool, 0, 2);
  CHECK(pool.host_count() == known);
  CHECK(&pool.host({Scheme::Http, "h1.test", 80}) == second);
}

TEST_CASE("hosts that came into use again leave their places to others") {
  Fixture fixture;
  Pool& pool = *fixture.pool;
  visit(pool, 0, Pool::kMaxUnusedHosts);
  std::vector<HostRef> in_use;
  in_use.reserve(100);
  for (int i = 0; i < 100; ++i) in_use.emplace_back(pool.host({Scheme::Http, "h" + std::to_string(i) + ".test", 80}));
  visit(pool, Pool::kMaxUnusedHosts, 1);
  const std::size_t before = pool.host_count();
  visit(pool, Pool::kMaxUnusedHosts + 1, 99);
  CHECK(pool.host_count() == before + 99);
  for (const HostRef& each : in_use) CHECK(each->requested_origin().port == 80);
}

TEST_CASE("a host with a connection is not forgotten, though no exchange holds it") {
  Fixture fixture;
  fixture.add_idle();
  fixture.host.reset();
  visit(*fixture.pool, 0, Pool::kMaxUnusedHosts + 10);
  HostPool& host = fixture.pool->host(fixture.origin());
  CHECK(host.idle() == 1);
  CHECK(fixture.stats.connections == 1);
}

TEST_CASE("an idle connection of any host gives way when descriptors run out") {
  Fixture fixture;
  fixture.add_idle();
  fixture.add_idle();
  CHECK(fixture.pool->free_a_descriptor());
  CHECK(fixture.host->idle() == 1);
  CHECK(fixture.pool->free_a_descriptor());
  CHECK_FALSE(fixture.pool->free_a_descriptor());
  CHECK(fixture.closed(CloseReason::OutOfDescriptors) == 2);
}

TEST_CASE("out of descriptors, a new host is served at the cost of an idle connection") {
  Fixture fixture;
  fixture.add_idle();
  const HostRef other(fixture.pool->host({Scheme::Http, "127.0.0.1", 81}));
  fixture.network.descriptors = 0;
  fixture.network.on_close = [&] { ++*fixture.network.descriptors; };
  Client client, second;
  other->checkout(*client.waiter, kReplayable, fixture.now());
  fixture.run_until([&] { return client.events > 0; });
  other->checkout(*second.waiter, kReplayable, fixture.now());
  fixture.run_until([&] { return second.events > 0; });
  fixture.network.on_close = nullptr;

  CHECK(client.lease);
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.closed(CloseReason::OutOfDescriptors) == 1);
  REQUIRE(second.failure);  // nothing was left to be given up
  CHECK(second.failure->dial.connect.kind == net::ConnectFailure::Kind::OutOfDescriptors);
}

TEST_CASE("the end of a tunnel is a close like every other") {
  Fixture fixture;
  fixture.pool->tunnel_ended("example.com:443");
  CHECK(fixture.closed(CloseReason::TunnelEnded) == 1);
  REQUIRE(fixture.log.lines.size() == 1);
  CHECK(fixture.log.lines[0] == "upstream example.com:443 closed: tunnel ended");
  ++fixture.stats.opened;  // it was opened elsewhere
}

TEST_CASE("every close reason has words of its own") {
  for (std::size_t i = 0; i < kCloseReasonCount; ++i) {
    const std::string_view words = describe(static_cast<CloseReason>(i));
    CHECK(words != "unknown");
    for (std::size_t j = 0; j < i; ++j) CHECK(describe(static_cast<CloseReason>(j)) != words);
  }
}

}  // namespace
}  // namespace keepwarm::pool::test
