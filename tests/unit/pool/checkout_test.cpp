#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// Which connection an exchange gets, and in which order exchanges are served.
namespace keepwarm::pool::test {
namespace {

using Order = std::vector<Client*>;

policy::HostSettings with_limit(std::uint32_t max_connections) {
  policy::HostSettings settings;
  settings.max_connections = max_connections;
  return settings;
}

TEST_CASE("the first exchange has a connection opened for it, the next one reuses it") {
  Fixture fixture;
  Client first;
  fixture.checkout(first, kUnsafe);
  CHECK(first.waiting());
  CHECK(fixture.host->open() == 1);
  CHECK(fixture.host->waiting() == 1);
  fixture.run_until([&] { return first.events > 0; });
  REQUIRE(first.lease);
  CHECK_FALSE(first.waiting());
  CHECK_FALSE(first.lease.connection().reused());
  CHECK(first.lease.connection().address() == literal("127.0.0.1", Fixture::kPort));
  CHECK(first.times.dns > Duration::zero());
  CHECK(first.times.connect > Duration::zero());
  CHECK(fixture.host->opening_cost() == first.times.dns + first.times.connect);
  const std::uint16_t name = Fixture::name_of(first);
  fixture.give_back(first);
  CHECK(fixture.host->idle() == 1);

  Client second;
  fixture.take(second, kUnsafe);
  CHECK(Fixture::name_of(second) == name);
  CHECK(second.lease.connection().reused());
  CHECK(second.lease.connection().served() == 1);
  CHECK(second.times.dns == Duration::zero());
  CHECK(second.times.connect == Duration::zero());
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.stats.leases_fresh == 1);
  CHECK(fixture.stats.leases_reused == 1);
  CHECK(fixture.stats.opened == 1);
  CHECK(fixture.stats.connections == 1);
  CHECK(first.events == 1);
}

TEST_CASE("keepalive is switched on once, when the first request has gone out") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  const FakeWire& wire = fixture.network.wire(Fixture::name_of(client));
  CHECK(wire.keepalive_calls == 0);
  client.lease.connection().request_sent(fixture.clock.now());
  CHECK(wire.keepalive_calls == 1);
  client.lease.connection().request_sent(fixture.clock.now());
  fixture.give_back(client);
  CHECK(wire.keepalive_calls == 1);
}

TEST_CASE("a connection for which nobody waits any more has keepalive from the start") {
  Fixture fixture;
  Client client;
  fixture.checkout(client, kReplayable);
  client.waiter->withdraw();
  fixture.run_until([&] { return fixture.host->idle() == 1; });
  fixture.take(client, kReplayable);
  CHECK(fixture.network.wire(Fixture::name_of(client)).keepalive_calls == 1);
}

TEST_CASE("the connection returned last serves first") {
  Fixture fixture;
  const std::uint16_t older = fixture.add_idle();
  const std::uint16_t newer = fixture.add_idle();
  Client first, second;
  fixture.take(first, kReplayable);
  fixture.take(second, kReplayable);
  CHECK(Fixture::name_of(first) == newer);
  CHECK(Fixture::name_of(second) == older);
}

TEST_CASE("a connection that the server has closed is found before it is leased") {
  Fixture fixture;
  const std::uint16_t open = fixture.add_idle(5ms);
  const std::uint16_t dead = fixture.add_idle(5ms);
  const std::uint16_t dead_too = fixture.add_idle(5ms);
  SUBCASE("FIN") {
    fixture.close_far_end(dead);
    fixture.close_far_end(dead_too);
  }
  SUBCASE("bytes") {
    for (const std::uint16_t each : {dead, dead_too}) fixture.send_from_far_end(each, "x");
  }
  Client client;  // the loop has not turned: nobody has heard of it
  fixture.take(client, kReplayable);
  CHECK(Fixture::name_of(client) == open);
  CHECK(fixture.closed(CloseReason::ServerClosedIdle) == 2);
  CHECK(fixture.host->open() == 1);
}

TEST_CASE("for replayable exchanges all connections are looked at once a turn, for the others each time") {
  for (const bool replayable : {true, false}) {
    CAPTURE(replayable);
    Fixture fixture;
    const std::uint16_t closed_between = fixture.add_idle(5ms);
    fixture.add_idle(5ms);
    fixture.turn();
    Client first;
    fixture.take(first, replayable ? kReplayable : kUnsafe);
    fixture.close_far_end(closed_between);
    Client second;
    fixture.checkout(second, replayable ? kReplayable : kUnsafe);
    CHECK(fixture.closed(CloseReason::ServerClosedIdle) == (replayable ? 0 : 1));
  }
}

TEST_CASE("when all idle connections turn out to be dead, a new one is opened") {
  Fixture fixture;
  fixture.close_far_end(fixture.add_idle(5ms));
  Client client;
  fixture.checkout(client, kReplayable);
  CHECK(client.events == 0);
  fixture.run_until([&] { return client.events > 0; });
  REQUIRE(client.lease);
  CHECK_FALSE(client.lease.connection().reused());
}

TEST_CASE("a waiter takes a returned connection before its own is ready, which then joins the pool") {
  Fixture fixture;
  Client first;
  fixture.open(first);
  const std::uint16_t name = Fixture::name_of(first);
  fixture.network.hold();
  Client second;
  fixture.checkout(second, kUnsafe);
  CHECK(fixture.host->open() == 2);
  fixture.give_back(first);
  REQUIRE(second.lease);
  CHECK(Fixture::name_of(second) == name);
  CHECK(fixture.host->idle() == 0);
  fixture.network.release();
  fixture.run_until([&] { return fixture.host->idle() == 1; });
  CHECK(second.events == 1);

  Client third;  // it has waited, so the server may have closed it: not fresh any more
  fixture.take(third, kReplayable);
  CHECK(third.lease.connection().reused());
  CHECK(third.lease.connection().served() == 0);
}

TEST_CASE("a connection that is being opened for nobody any more is for the next who waits") {
  Fixture fixture;
  Client first;
  fixture.open(first);
  fixture.network.hold();
  Client second;
  fixture.checkout(second, kReplayable);
  fixture.give_back(first);
  REQUIRE(second.lease);  // and what was opened for it is under way
  Client third, fourth;
  fixture.checkout(third, kReplayable);
  CHECK(fixture.host->open() == 2);
  fixture.checkout(fourth, kReplayable);  // the third has it
  CHECK(fixture.host->open() == 3);
  fixture.network.release();
  fixture.run_until([&] { return third.lease && fourth.lease; });
  CHECK(fixture.stats.opened == 3);
}

TEST_CASE("a connection that is ready after its waiter was served goes to the next in line") {
  Fixture fixture(with_limit(2));
  Client first;
  fixture.open(first);
  fixture.network.hold();
  Client second, third;
  fixture.checkout(second, kReplayable);
  fixture.checkout(third, kReplayable);  // no room to open one for it
  CHECK(fixture.host->open() == 2);
  fixture.give_back(first);
  CHECK(second.lease);
  CHECK(third.waiting());
  fixture.network.release();
  fixture.run_until([&] { return third.events > 0; });
  CHECK(third.lease);
  CHECK(fixture.stats.opened == 2);
}

TEST_CASE("whichever connection is ready first serves the first in line") {
  Fixture fixture;
  fixture.network.hold();
  Order order;
  Client first(&order), second(&order);
  fixture.checkout(first, kReplayable);
  fixture.checkout(second, kReplayable);
  fixture.network.release();
  fixture.run_until([&] { return order.size() == 2; });
  CHECK(order == Order{&first, &second});
}

TEST_CASE("beyond max_connections exchanges wait, and are served in order") {
  Fixture fixture(with_limit(1));
  Order order;
  Client holder;
  fixture.open(holder);
  Client first(&order), second(&order), third(&order);
  for (Client* each : {&first, &second, &third}) fixture.checkout(*each, kReplayable);
  CHECK(fixture.host->open() == 1);
  CHECK(fixture.host->waiting() == 3);
  fixture.turn();
  CHECK(order.empty());
  SUBCASE("by what is given back") {
    fixture.give_back(holder);
    CHECK(order == Order{&first});
    fixture.give_back(first);
    fixture.give_back(second);
    CHECK(fixture.stats.opened == 1);
  }
  SUBCASE("by what is opened when one is closed") {
    holder.lease.close(CloseReason::CutResponse);
    fixture.run_until([&] { return order.size() == 1; });
    first.lease.close(CloseReason::CutResponse);
    fixture.run_until([&] { return order.size() == 2; });
    second.lease.close(CloseReason::CutResponse);
    fixture.run_until([&] { return order.size() == 3; });
    CHECK(fixture.stats.opened == 4);
  }
  SUBCASE("by what is opened when one is detached") {
    const auto stream = holder.lease.detach();
    ++fixture.detached;
    CHECK(fixture.stats.connections == 0);
    fixture.run_until([&] { return order.size() == 1; });
    fixture.give_back(first);
    fixture.give_back(second);
  }
  CHECK(order == Order{&first, &second, &third});
  CHECK(fixture.host->waiting() == 0);
  CHECK(third.lease);
}

TEST_CASE("a retry gets a connection of its own, never a reused one, and before those who wait") {
  Fixture fixture(with_limit(1));
  Order order;
  SUBCASE("though others are idle") {
    fixture.add_idle();
  }
  SUBCASE("though one comes back") {
    Client holder;
    fixture.open(holder);
    Client retry(&order);
    fixture.checkout(retry, kFresh);
    fixture.give_back(holder);
    CHECK(retry.events == 0);
    CHECK(fixture.closed(CloseReason::PoolFull) == 1);  // it made room
    fixture.run_until([&] { return retry.events > 0; });
    CHECK_FALSE(retry.lease.connection().reused());
    fixture.give_back(retry);
    order.clear();
  }
  SUBCASE("though others came earlier") {
    Client holder;
    fixture.open(holder);
    Client early(&order), retry(&order);
    fixture.checkout(early, kReplayable);
    fixture.checkout(retry, kFresh);
    holder.lease.close(CloseReason::StaleFailure);
    fixture.run_until([&] { return order.size() == 1; });
    CHECK(order == Order{&retry});
    CHECK_FALSE(retry.lease.connection().reused());
    fixture.give_back(retry);
    CHECK(order == Order{&retry, &early});
    fixture.give_back(early);
    order.clear();
  }
  Client retry(&order);
  fixture.checkout(retry, kFresh);
  CHECK(order.empty());
  fixture.run_until([&] { return order.size() == 1; });
  REQUIRE(retry.lease);
  CHECK_FALSE(retry.lease.connection().reused());
}

TEST_CASE("nobody passes an exchange that waits for room, though a connection comes that it cannot use") {
  Fixture fixture(with_limit(1));
  Order order;
  Client holder, early(&order), retry(&order);
  fixture.open(holder);
  fixture.checkout(early, kReplayable);
  fixture.checkout(retry, kFresh);  // it goes first, but not on what comes back
  fixture.give_back(holder);
  CHECK(order.empty());
  CHECK(fixture.closed(CloseReason::PoolFull) == 1);
  fixture.run_until([&] { return order.size() == 1; });
  CHECK(order == Order{&retry});
  fixture.give_back(retry);
  CHECK(order == Order{&retry, &early});
}

TEST_CASE("an idle connection that an exchange may not use gives way at the limit") {
  Fixture fixture(with_limit(1));
  const std::uint16_t old = fixture.add_idle(1s);  // longer than was ever proved
  Client client;
  fixture.checkout(client, kUnsafe);
  CHECK(fixture.closed(CloseReason::PoolFull) == 1);
  fixture.run_until([&] { return client.events > 0; });
  CHECK(Fixture::name_of(client) != old);
  CHECK(fixture.host->open() == 1);
}

TEST_CASE("who waits longer than queue_timeout is told so, and nobody else is") {
  policy::HostSettings settings = with_limit(1);
  settings.queue_timeout = 20ms;
  Fixture fixture(settings);
  Client holder, waits;
  fixture.open(holder);
  fixture.checkout(waits, kReplayable);
  const TimePoint began = fixture.now();
  fixture.run_until([&] { return waits.events > 0; });
  CHECK(fixture.now() - began >= 20ms);
  REQUIRE(waits.failure);
  CHECK(waits.failure->queue_timeout);
  CHECK_FALSE(waits.waiting());
  CHECK(fixture.host->waiting() == 0);
  CHECK(holder.lease);
  fixture.give_back(holder);
  CHECK(waits.events == 1);

  fixture.take(waits, kReplayable);  // a waiter can be used again
}

TEST_CASE("while a connection is being opened for it, queue_timeout does not count") {
  policy::HostSettings settings = with_limit(1);
  settings.queue_timeout = 10ms;
  Fixture fixture(settings);
  fixture.network.hold();
  Client opening, queued;
  fixture.checkout(opening, kReplayable);
  fixture.checkout(queued, kReplayable);
  fixture.run_until([&] { return queued.events == 1; });
  CHECK(queued.failure->queue_timeout);
  fixture.checkout(queued, kReplayable);  // a second time: the first one's time is over by now
  fixture.run_until([&] { return queued.events == 2; });
  CHECK(opening.events == 0);
  fixture.network.release();
  fixture.run_until([&] { return opening.events > 0; });
  CHECK(opening.lease);
}

TEST_CASE("a failure to connect fails the exchange that it was for, and no other") {
  Fixture fixture(with_limit(2));
  Client holder;
  fixture.open(holder);
  fixture.network.hold();
  Client first, second, third;
  for (Client* each : {&first, &second, &third}) fixture.checkout(*each, kReplayable);
  std::uint64_t failures = 1;
  SUBCASE("the one that asked") {
    fixture.network.forget("origin.test");
    fixture.network.release();
    fixture.run_until([&] { return first.events > 0; });
    REQUIRE(first.failure);
    CHECK_FALSE(first.failure->queue_timeout);
    CHECK(first.failure->dial.connect.kind == net::ConnectFailure::Kind::Dns);
    CHECK(second.waiting());
    CHECK(third.waiting());
    CHECK(fixture.host->open() == 2);  // there is room to open one for the second
    fixture.network.set("origin.test", "127.0.0.1");
  }
  SUBCASE("not the one that took it over, which has one opened for itself") {
    failures = 2;
    fixture.give_back(holder);
    REQUIRE(first.lease);
    fixture.network.forget("origin.test");
    fixture.network.release();
    fixture.run_until([&] { return second.events > 0; });
    CHECK(second.failure);
    CHECK(third.waiting());
    fixture.network.set("origin.test", "127.0.0.1");
  }
  CHECK(fixture.stats.open_failures == failures);
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE("two exchanges whose connections are refused are told once each") {
  Fixture fixture;
  fixture.network.refuse(81);
  const HostRef host(fixture.pool->host({Scheme::Http, "origin.test", 81}));
  Client first, second;
  host->checkout(*first.waiter, kReplayable, fixture.now());
  host->checkout(*second.waiter, kUnsafe, fixture.now());
  fixture.run_until([&] { return first.events + second.events == 2; });
  for (const Client* each : {&first, &second}) {
    CHECK(each->events == 1);
    REQUIRE(each->failure);
    CHECK(each->failure->dial.connect.kind == net::ConnectFailure::Kind::Refused);
    CHECK(each->failure->dial.connect.address == literal("127.0.0.1", 81));
  }
  CHECK(host->open() == 0);
  CHECK(fixture.stats.open_failures == 2);
}

TEST_CASE("a name look-up that takes too long fails the checkout") {
  policy::HostSettings settings;
  settings.connect_timeout = 20ms;
  Fixture fixture(settings);
  fixture.network.hold();
  Client client;
  fixture.checkout(client, kReplayable);
  fixture.run_until([&] { return client.events > 0; });
  REQUIRE(client.failure);
  CHECK(client.failure->dial.connect.kind == net::ConnectFailure::Kind::DnsTimeout);
  CHECK_FALSE(client.failure->queue_timeout);
}

TEST_CASE("a client that is not local is given no connection that it could not have opened") {
  Fixture fixture;
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  fixture.add_idle();
  Client remote;
  fixture.checkout(remote, kRemote);
  CHECK(remote.events == 0);
  fixture.run_until([&] { return remote.events > 0; });
  REQUIRE(remote.failure);
  CHECK(remote.failure->dial.connect.kind == net::ConnectFailure::Kind::Denied);
  Client local;
  fixture.take(local, kReplayable);
}

TEST_CASE("a connection that is ready or returned is not offered to clients that may not reach it") {
  Fixture fixture;
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  fixture.network.hold();
  Client local, remote;
  fixture.checkout(remote, kRemote);
  fixture.checkout(local, kReplayable);
  fixture.network.release();
  fixture.run_until([&] { return local.events + remote.events == 2; });
  CHECK(local.lease);
  CHECK(remote.failure);

  fixture.network.hold();
  Client waits;
  fixture.checkout(waits, kRemote);
  fixture.give_back(local);
  CHECK(waits.events == 0);
  CHECK(fixture.host->idle() == 1);
  fixture.network.release();
  fixture.run_until([&] { return waits.events > 0; });
  CHECK(waits.failure);
}

TEST_CASE("a reload changes which connections clients that are not local may be given") {
  Fixture fixture;
  fixture.add_idle();
  {
    Client before;
    fixture.take(before, kRemote);
    fixture.give_back(before);
  }
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  fixture.pool->reconfigure(table_of({}));
  CHECK(fixture.host->idle() == 1);  // local ones may still use it
  Client after;
  fixture.checkout(after, kRemote);
  CHECK_FALSE(after.lease);
}

TEST_CASE("who loses its connection to one that came first, and cannot take over that one's, has another opened") {
  Fixture fixture;
  fixture.network.swallow("127.0.0.2");
  fixture.network.set("origin.test", "127.0.0.2");
  Client local, remote;
  fixture.checkout(local, kReplayable);
  fixture.run_until([&] { return !fixture.network.looking_up(); });
  fixture.network.set("origin.test", "127.0.0.1");
  fixture.checkout(remote, kRemote);
  fixture.run_until([&] { return local.events > 0; });
  CHECK(local.lease);
  fixture.run_until([&] { return remote.events > 0; });
  CHECK(remote.lease);
  CHECK(fixture.stats.opened == 2);
}

TEST_CASE("local clients and others share what both may reach") {
  Fixture fixture;
  Client remote;
  fixture.open(remote, kRemote);
  const std::uint16_t name = Fixture::name_of(remote);
  fixture.give_back(remote);
  Client local;
  fixture.take(local, kReplayable);
  CHECK(Fixture::name_of(local) == name);
  fixture.give_back(local);
  Client again;
  fixture.take(again, kRemote);
  CHECK(Fixture::name_of(again) == name);
}

}  // namespace
}  // namespace keepwarm::pool::test
