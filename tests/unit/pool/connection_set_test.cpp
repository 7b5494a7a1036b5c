#include "core/pool/connection_set.h"

#include <memory>
#include <optional>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/part_fakes.h"

namespace keepwarm::pool::test {
namespace {

using Connections = std::vector<Connection*>;

/// A set of connections, and what these report.
struct Set : Surroundings, LeaseEvents, IdleEvents {
  // LeaseEvents
  void give_back(Connection&, const GiveBack&, TimePoint) override {}
  bool keep_bound(Connection&, const GiveBack&, TimePoint) override { return false; }
  void close(Connection&, CloseReason, TimePoint) override {}
  std::unique_ptr<net::Stream> detach(Connection&, TimePoint) override { return nullptr; }
  // IdleEvents
  void idle_ended(Connection& connection, CloseReason reason, TimePoint) override {
    ended = reason;
    connections.remove(connection).reset();
  }
  void idle_time_over(Connection& connection, TimePoint) override { over.push_back(&connection); }
  void was_closed_idle(Connection&, TimePoint) override {}
  bool still_usable(Connection&, TimePoint) override { return false; }

  Connection& open() { return connections.add(std::make_unique<StillStream>(), literal("127.0.0.1", 80), now()); }
  /// One that is idle, the server having counted for so long by then.
  Connection& add_idle(Duration counted_before = {}) {
    Connection& connection = open();
    connection.facts.idle_since = now() - counted_before;
    connections.make_idle(connection, now() + 60s, now());
    return connection;
  }
  [[nodiscard]] Connections newest_first() {
    Connections all;
    for (Connection* each = connections.newest_idle(); each != nullptr; each = connections.next_older(*each)) {
      all.push_back(each);
    }
    return all;
  }

  std::optional<CloseReason> ended;
  Connections over;
  ConnectionSet connections{wheel, {*this, *this}};
};

TEST_CASE_FIXTURE(Set, "a connection that has just been opened is leased, and not reused") {
  Connection& connection = open();
  CHECK(connections.size() == 1);
  CHECK(connections.idle() == 0);
  CHECK(connection.state() == Connection::State::Leased);
  CHECK(connection.opened_at() == now());
  CHECK_FALSE(connection.reused());
  CHECK(connection.take_lease_age() == Duration::zero());
}

TEST_CASE_FIXTURE(Set, "one of another worker is reused, and has lain there for as long as it says") {
  const policy::ConnectionFacts facts{.opened_at = now() - 9s, .returned_at = now() - 2s, .served = 0};
  Connection& connection =
      connections.add_transferred(std::make_unique<StillStream>(), literal("127.0.0.1", 80), facts, now());
  CHECK(connection.state() == Connection::State::Leased);
  CHECK(connection.reused());
  CHECK(connection.opened_at() == now() - 9s);
  CHECK(connection.take_lease_age() == 2s);
  CHECK(connection.take_lease_age() == Duration::zero());  // once
}

TEST_CASE_FIXTURE(Set, "idle ones are a stack") {
  Connection& first = add_idle();
  Connection& second = add_idle();
  Connection& third = add_idle();
  CHECK(connections.idle() == 3);
  CHECK(newest_first() == Connections{&third, &second, &first});
  CHECK(connections.oldest_idle() == &first);
  CHECK(connections.next_newer(first) == &second);
  Connections visited;
  connections.for_each_idle([&](Connection& each) {
    visited.push_back(&each);
    if (&each == &second) connections.remove(each).reset();
  });
  CHECK(visited == Connections{&first, &second, &third});
  CHECK(newest_first() == Connections{&third, &first});
}

TEST_CASE_FIXTURE(Set, "a lease takes one out of the idle ones, and ends its time") {
  Connection& connection = add_idle();
  pass(3s);
  connections.lease(connection, now());
  CHECK(connection.state() == Connection::State::Leased);
  CHECK(connections.idle() == 0);
  CHECK(connections.size() == 1);
  CHECK(connection.reused());
  CHECK(connection.take_lease_age() == 3s);
  pass(60s);
  CHECK(over.empty());
  connections.make_idle(connection, now() + 60s, now());
  CHECK(connection.facts.returned_at == now());
}

TEST_CASE_FIXTURE(Set, "the end of its time is reported, once it has come") {
  Connection& first = add_idle();
  Connection& second = add_idle();
  connections.hold_until(second, now() + 10s);
  pass(11s);
  CHECK(over == Connections{&second});
  pass(50s);
  CHECK(over == Connections{&second, &first});
}

TEST_CASE_FIXTURE(Set, "what is taken out leaves the others as they are") {
  Connection& first = add_idle();
  Connection& leased = open();
  Connection& last = add_idle();
  SUBCASE("an idle one") {
    CHECK(connections.remove(first).get() == &first);
    CHECK(newest_first() == Connections{&last});
  }
  SUBCASE("a leased one") {
    CHECK(connections.remove(leased).get() == &leased);
    CHECK(newest_first() == Connections{&last, &first});
  }
  SUBCASE("the one that was added last") {
    CHECK(connections.remove(last).get() == &last);
    CHECK(newest_first() == Connections{&first});
  }
  CHECK(connections.size() == 2);
  while (!connections.empty()) connections.remove(*connections.all().front()).reset();
  CHECK(connections.idle() == 0);
  CHECK(connections.oldest_idle() == nullptr);
}

TEST_CASE_FIXTURE(Set, "what comes on an idle one is reported") {
  Connection& connection = add_idle();
  CHECK(StillStream::of(connection).reading());
  StillStream::of(connection).events()->on_end();
  CHECK(ended == CloseReason::ServerClosedIdle);
  CHECK(connections.empty());
}

TEST_CASE_FIXTURE(Set, "the oldest that matches is found") {
  add_idle();
  Connection& second = add_idle();
  Connection& third = add_idle();
  second.prewarmed = third.prewarmed = true;
  const auto prewarmed = [](const Connection& each) { return each.prewarmed; };
  CHECK(connections.find_idle(prewarmed) == &second);
  second.prewarmed = third.prewarmed = false;
  CHECK(connections.find_idle(prewarmed) == nullptr);
}

TEST_CASE_FIXTURE(Set, "those that have been idle since some moment are found, in whatever order they joined") {
  const TimePoint start = now();
  Connection& early = add_idle(1s);
  pass(3s);
  add_idle();
  pass(1s);
  Connection& read_slowly = add_idle(5s);
  pass(1s);
  add_idle(2s);
  CHECK(connections.find_idle_since(start - 2s) == nullptr);
  CHECK(connections.find_idle_since(start - 1s) == &early);  // both: it joined first
  connections.remove(early).reset();
  CHECK(connections.find_idle_since(start - 1s) == &read_slowly);
  connections.remove(read_slowly).reset();
  CHECK(connections.find_idle_since(start + 2s) == nullptr);
  CHECK(connections.find_idle_since(start + 3s) == connections.oldest_idle());
}

}  // namespace
}  // namespace keepwarm::pool::test
