#include <memory>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// Exchanges that leave: before, while and after a connection is opened for them, and inside the pool's own events.
namespace keepwarm::pool::test {
namespace {

policy::HostSettings limited(std::uint32_t max_connections, bool reuse = true) {
  policy::HostSettings settings;
  settings.max_connections = max_connections;
  settings.reuse = reuse;
  return settings;
}

TEST_CASE("withdrawing what does not wait does nothing") {
  Fixture fixture;
  Client client;
  client.waiter->withdraw();
  fixture.open(client);
  client.waiter->withdraw();
  CHECK(client.lease);
  CHECK(fixture.host->open() == 1);
}

TEST_CASE("who leaves the queue gets no event, and those behind move up") {
  Fixture fixture(limited(1));
  Client holder, stays;
  fixture.open(holder);
  auto leaves = std::make_unique<Client>();
  fixture.checkout(*leaves, kReplayable);
  fixture.checkout(stays, kReplayable);
  CHECK(fixture.host->waiting() == 2);
  SUBCASE("withdrawn") {
    leaves->waiter->withdraw();
    CHECK_FALSE(leaves->waiting());
  }
  SUBCASE("destroyed") {
    leaves.reset();
  }
  CHECK(fixture.host->waiting() == 1);
  fixture.give_back(holder);
  CHECK(stays.lease);
  if (leaves) CHECK(leaves->events == 0);
}

TEST_CASE("a connection that was being opened for who left joins the pool") {
  Fixture fixture;
  fixture.network.hold();
  {
    Client leaves;
    fixture.checkout(leaves, kReplayable);
  }
  CHECK(fixture.host->waiting() == 0);
  CHECK(fixture.host->open() == 1);
  fixture.network.release();
  fixture.run_until([&] { return fixture.host->idle() == 1; });
  CHECK(fixture.stats.leases_fresh == 0);
}

TEST_CASE("a connection that was being opened for who left serves the next in line") {
  Fixture fixture(limited(1));
  fixture.network.hold();
  Client next;
  {
    Client leaves;
    fixture.checkout(leaves, kReplayable);
    fixture.checkout(next, kReplayable);
  }
  fixture.network.release();
  fixture.run_until([&] { return next.events > 0; });
  CHECK(next.lease);
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE("where nothing may be pooled, the opening is cancelled with its exchange") {
  policy::HostSettings settings;
  SUBCASE("reuse off") {
    settings.reuse = false;
  }
  SUBCASE("no idle ones") {
    settings.max_idle = 0;
  }
  Fixture fixture(settings);
  fixture.network.hold();
  Client leaves, stays;
  fixture.checkout(leaves, kReplayable);
  fixture.checkout(stays, kReplayable);
  CHECK(fixture.host->open() == 2);
  leaves.waiter->withdraw();
  CHECK(fixture.host->open() == 1);
  fixture.network.release();
  fixture.run_until([&] { return stays.events > 0; });
  CHECK(stays.lease);
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE("where nothing may be pooled, an opening still serves the next in line") {
  Fixture fixture(limited(1, false));
  fixture.network.hold();
  Client leaves, next;
  fixture.checkout(leaves, kReplayable);
  fixture.checkout(next, kReplayable);
  leaves.waiter->withdraw();
  fixture.network.release();
  fixture.run_until([&] { return next.events > 0; });
  CHECK(next.lease);
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE("the room of a cancelled opening goes to the next in line, though that one could not take it over") {
  Fixture fixture(limited(1, false));
  fixture.network.hold();
  Client leaves, remote;
  fixture.checkout(leaves, kReplayable);
  fixture.checkout(remote, kRemote);
  leaves.waiter->withdraw();
  CHECK(fixture.host->open() == 1);
  fixture.network.release();
  fixture.run_until([&] { return remote.events > 0; });
  CHECK(remote.lease);
}

TEST_CASE("a connection that nobody in line may use gives way to one that can be used") {
  policy::HostSettings settings = limited(1);
  settings.queue_timeout = 1h;
  Fixture fixture(settings);
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  fixture.network.hold();
  Client leaves, remote;
  fixture.checkout(leaves, kReplayable);
  fixture.checkout(remote, kRemote);
  leaves.waiter->withdraw();
  fixture.network.release();
  fixture.run_until([&] { return remote.events > 0; });
  REQUIRE(remote.failure);
  CHECK(remote.failure->dial.connect.kind == net::ConnectFailure::Kind::Denied);
}

TEST_CASE("a connection that the first in line may not use goes to one behind it") {
  policy::HostSettings settings = limited(2);
  settings.queue_timeout = 1h;
  Fixture fixture(settings);
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  Client holder;
  fixture.open(holder);
  fixture.network.hold();
  Client first, remote, local;
  for (const auto& [client, requirements] :
       {std::pair{&first, kReplayable}, {&remote, kRemote}, {&local, kReplayable}}) {
    fixture.checkout(*client, requirements);
  }
  fixture.give_back(holder);
  CHECK(first.lease);  // and its opening is the local one's now
  fixture.network.release();
  fixture.run_until([&] { return local.events > 0; });
  CHECK(local.lease);
  CHECK(fixture.stats.opened == 2);
}

TEST_CASE("a connection that fails with nobody waiting for it is told to nobody") {
  Fixture fixture;
  fixture.network.hold();
  {
    Client leaves;
    fixture.checkout(leaves, kReplayable);
  }
  fixture.network.forget("origin.test");
  fixture.network.release();
  fixture.run_until([&] { return fixture.host->open() == 0; });
  CHECK(fixture.stats.open_failures == 1);
}

TEST_CASE("a waiter may be destroyed in its own event") {
  Fixture fixture;
  auto client = std::make_unique<Client>();
  Lease kept;
  bool told = false;
  client->then = [&] {
    told = true;
    kept = std::move(client->lease);
    client->waiter.reset();
  };
  SUBCASE("of a lease that comes at once") {
    fixture.add_idle();
    fixture.checkout(*client, kReplayable);
  }
  SUBCASE("of a lease that comes later") {
    fixture.checkout(*client, kReplayable);
  }
  SUBCASE("of a failure") {
    fixture.network.forget("origin.test");
    fixture.checkout(*client, kReplayable);
  }
  fixture.run_until([&] { return told; });
  CHECK(client->events == 1);
}

TEST_CASE("a waiter may be destroyed when its time in the queue is over") {
  policy::HostSettings settings = limited(1);
  settings.queue_timeout = 10ms;
  Fixture fixture(settings);
  Client holder, waits;
  fixture.open(holder);
  waits.then = [&] { waits.waiter.reset(); };
  fixture.checkout(waits, kReplayable);
  fixture.run_until([&] { return waits.events == 1; });
  CHECK(fixture.host->waiting() == 0);
}

TEST_CASE("an exchange may take others along inside its event") {
  Fixture fixture;
  fixture.network.hold();
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) fixture.checkout(*clients.emplace_back(std::make_unique<Client>()), kReplayable);
  SUBCASE("of a lease") {}
  SUBCASE("of a failure") {
    fixture.network.forget("origin.test");
  }
  for (const auto& each : clients) {
    each->then = [&] {
      for (const auto& other : clients) other->waiter->withdraw();
    };
  }
  fixture.network.release();
  fixture.run_until([&] { return fixture.host->idle() + fixture.stats.open_failures >= 3; });
  int events = 0;
  for (const auto& each : clients) events += each->events;
  CHECK(events == 1);
}

TEST_CASE("an exchange may ask again inside its event") {
  Fixture fixture;
  Client client;
  SUBCASE("of a lease, once that is closed") {
    client.then = [&] {
      if (client.events > 1) return;
      client.lease.close(CloseReason::ClosedBeforeWrite);
      fixture.checkout(client, kFresh);
    };
  }
  SUBCASE("of a failure") {
    fixture.network.forget("origin.test");
    client.then = [&] {
      if (client.events > 1) return;
      fixture.network.set("origin.test", "127.0.0.1");
      fixture.checkout(client, kReplayable);
    };
  }
  fixture.checkout(client, kReplayable);
  fixture.run_until([&] { return client.events == 2; });
  CHECK(client.lease);
}

TEST_CASE("a lease may be returned inside the event that gave it") {
  Fixture fixture(limited(1));
  fixture.network.hold();
  Client first, second, third;
  for (Client* each : {&first, &second, &third}) {
    each->then = [each, &fixture] { fixture.give_back(*each); };
    fixture.checkout(*each, kReplayable);
  }
  fixture.network.release();
  fixture.run_until([&] { return third.events > 0; });
  CHECK(fixture.host->idle() == 1);
  CHECK(fixture.stats.leases_fresh == 1);
  CHECK(fixture.stats.leases_reused == 2);
}

}  // namespace
}  // namespace keepwarm::pool::test
