// Two workers' pools on one loop: what they do for each other, step by step.

#include <optional>

#include <doctest/doctest.h>

#include "tests/unit/pool/pair_fixture.h"

namespace keepwarm::pool::test {
namespace {

policy::HostSettings with_max_connections(std::uint32_t max_connections) {
  policy::HostSettings settings;
  settings.max_connections = max_connections;
  return settings;
}

TEST_CASE_FIXTURE(Pair, "a worker without an idle connection borrows one instead of opening another") {
  const std::uint16_t idle = add_idle();
  Client client;
  ask_other(client);
  CHECK(other_stats.attempts == 0);
  await(client);
  CHECK(name_of(client) == idle);
  CHECK(client.lease.connection().served() == 1);
  CHECK(client.lease.connection().reused());
  CHECK(opened() == 1);
  CHECK(stats.transferred_away == 1);
  CHECK(other_stats.transferred_here == 1);
  CHECK(shared_host->open() == 1);
  give_back(client);
  CHECK(other_host->idle() == 1);
}

TEST_CASE_FIXTURE(Pair, "its own idle connection goes first") {
  Client own;
  ask_other(own, kFresh);
  await(own);
  const std::uint16_t mine = name_of(own);
  add_idle();
  give_back(own);
  Client client;
  ask_other(client);
  REQUIRE(client.lease);
  CHECK(name_of(client) == mine);
}

TEST_CASE_FIXTURE(Pair, "what was lent meanwhile is refused, and the waiter has a connection opened") {
  add_idle();
  Client client, quicker;
  ask_other(client);
  take(quicker, kReplayable);
  await(client);
  CHECK(opened() == 2);
  CHECK(other_stats.transferred_here == 0);
}

TEST_CASE_FIXTURE(Pair, "no more is asked for than is there") {
  add_idle();
  Client one, two;
  ask_other(one);
  CHECK(other_stats.attempts == 0);
  ask_other(two);
  CHECK(other_stats.attempts == 1);
  await(one);
  await(two);
  CHECK(opened() == 2);
}

TEST_CASE_FIXTURE(Pair, "a retry borrows nothing") {
  add_idle();
  Client client;
  ask_other(client, kFresh);
  CHECK(other_stats.attempts == 1);
  await(client);
  CHECK(stats.transferred_away == 0);
}

TEST_CASE_FIXTURE(Pair, "what is not trusted is not lent to a request that is not replayable") {
  add_idle(30s);
  Client client;
  ask_other(client, kUnsafe);
  await(client);
  CHECK(opened() == 2);
  CHECK(host->idle() == 1);
}

TEST_CASE_FIXTURE(Pair, "a loan whose waiter has left joins the idle ones of who borrowed it") {
  add_idle();
  {
    Client client;
    ask_other(client);
  }
  run_until([&] { return other_host->idle() == 1; });
  CHECK(opened() == 1);
  CHECK(host->open() == 0);
}

TEST_CASE_FIXTURE(Pair, "the next waiter gets the loan of one that has left") {
  add_idle();
  Client next;
  {
    Client client;
    ask_other(client);
  }
  ask_other(next);
  CHECK(other_stats.attempts == 0);
  await(next);
  CHECK(opened() == 1);
}

TEST_CASE_FIXTURE(Pair, "a connection that the server closed on its way is not used") {
  const std::uint16_t idle = add_idle();
  Client client;
  ask_other(client);
  close_far_end(idle);
  await(client);
  CHECK(name_of(client) != idle);
  CHECK(opened() == 2);
}

TEST_CASE_FIXTURE(Pair, "where loans are needed all the time a further connection is opened") {
  add_idle();
  std::uint64_t loans = 0;
  for (int i = 0; i < 200 && opened() == 1; ++i) {
    Client client, back;
    ask_other(client);
    await(client);
    give_back(client);
    if (opened() > 1) break;
    checkout(back, kReplayable);
    await(back);
    give_back(back);
    ++loans;
  }
  CHECK(opened() == 2);
  CHECK(loans >= 60);
}

struct PairOfOne : Pair {
  PairOfOne() : Pair(with_max_connections(1)) {}
};

TEST_CASE_FIXTURE(PairOfOne, "at max_connections a returned one goes to the worker whose waiter has waited longest") {
  Client first, second, third;
  std::vector<Client*> order;
  second.order = third.order = &order;
  open(first);
  ask_other(second);
  pass(1ms);  // within one event it is one time for both
  checkout(third, kReplayable);
  turn();
  CHECK(shared_host->open() == 1);
  give_back(first);
  await(second);
  CHECK(third.waiting());
  give_back(second);
  await(third);
  CHECK(order == std::vector{&second, &third});
  CHECK(opened() == 1);
}

TEST_CASE_FIXTURE(PairOfOne, "what is handed over without having lain idle has proved no idle age") {
  Client first, second, third;
  open(first);
  ask_other(second);
  turn();
  give_back(first);
  await(second);
  give_back(second, 1s);
  ask_other(third, kUnsafe);
  await(third);
  CHECK_FALSE(third.lease.connection().reused());
}

TEST_CASE_FIXTURE(PairOfOne, "a waiter of its own that has waited longer goes first") {
  Client first, second, third;
  open(first);
  checkout(second, kReplayable);
  pass(1ms);
  ask_other(third);
  turn();
  give_back(first);
  REQUIRE(second.lease);
  CHECK(third.waiting());
  give_back(second);
  await(third);
  CHECK(opened() == 1);
}

TEST_CASE_FIXTURE(PairOfOne, "when one closes, its place goes to the worker whose waiter has waited longest") {
  Client first, second, third;
  open(first);
  ask_other(second);
  pass(1ms);
  checkout(third, kReplayable);
  first.lease.close(CloseReason::ServerSaidClose);
  CHECK(shared_host->open() == 1);  // never free for others
  await(second);
  CHECK(third.waiting());
  second.lease.close(CloseReason::ServerSaidClose);
  await(third);
  CHECK(opened() == 3);
}

TEST_CASE_FIXTURE(PairOfOne, "a waiter that may use no idle one has one of the other worker closed") {
  const std::uint16_t idle = add_idle();
  Client client;
  ask_other(client, kFresh);
  await(client);
  CHECK(name_of(client) != idle);
  CHECK(closed(CloseReason::PoolFull) == 1);
  CHECK(shared_host->open() == 1);
}

/// Whoever has a client's bound connection while that is idle.
struct Holder final : BoundHolder {
  Holder(Lease of, bool with_credentials) : BoundHolder(with_credentials), lease(std::move(of)) {}
  void give_way() override { lease.close(CloseReason::PoolFull); }
  Lease lease;
};

TEST_CASE_FIXTURE(PairOfOne, "a bound connection that lies idle gives way to a waiter of the other worker") {
  for (const bool waits_before : {false, true}) {
    CAPTURE(waits_before);
    Client first, second;
    open(first);
    if (waits_before) {
      ask_other(second);
      turn();
    }
    REQUIRE(first.lease.keep_bound({.idle_since = now(), .hint = {}}));
    Holder holder(std::move(first.lease), false);
    host->hold_bound(holder, now());
    if (!waits_before) ask_other(second);
    await(second);
    CHECK_FALSE(holder.lease);
    CHECK(shared_host->open() == 1);
    second.lease.close(CloseReason::ServerSaidClose);
  }
}

TEST_CASE_FIXTURE(PairOfOne, "with credentials it gives way to the other worker only after queue_timeout") {
  Client first, early, late;
  open(first);
  REQUIRE(first.lease.keep_bound({.idle_since = now(), .hint = {}}));
  Holder holder(std::move(first.lease), true);
  host->hold_bound(holder, now());
  ask_other(early);
  turn();
  CHECK(early.waiting());
  early.waiter->withdraw();
  pass(host->settings().queue_timeout);
  ask_other(late);
  await(late);
  CHECK_FALSE(holder.lease);
}

TEST_CASE_FIXTURE(PairOfOne, "a waiter of the other worker has the place as soon as credentials have had their time") {
  const Duration limit = host->settings().queue_timeout;
  Client first, second;
  open(first);
  REQUIRE(first.lease.keep_bound({.idle_since = now(), .hint = {}}));
  Holder holder(std::move(first.lease), true);
  host->hold_bound(holder, now());
  pass(limit / 2);
  ask_other(second);
  turn();
  pass(limit / 2 - 1s);
  CHECK(second.waiting());
  CHECK(holder.lease);
  pass(1s + DeadlineWheel::kTick);
  await(second);
  CHECK_FALSE(holder.lease);
}

TEST_CASE_FIXTURE(PairOfOne, "a place that came for a waiter that has left is free again") {
  Client first;
  open(first);
  {
    Client leaving;
    ask_other(leaving);
    turn();
    first.lease.close(CloseReason::ServerSaidClose);
  }
  turn();
  CHECK(shared_host->open() == 0);
  Client next;
  open(next);
}

TEST_CASE_FIXTURE(PairOfOne, "a waiter that left is waited for no more") {
  Client first;
  open(first);
  {
    Client leaving;
    ask_other(leaving);
    turn();
    CHECK(shared_host->anybody_waits());
  }
  CHECK_FALSE(shared_host->anybody_waits());
  give_back(first);
  CHECK(host->idle() == 1);
}

TEST_CASE_FIXTURE(Pair, "max_idle is for all workers") {
  policy::HostSettings settings;
  settings.max_idle = 1;
  pool->reconfigure(table_of(settings));
  other_pool->reconfigure(table_of(settings));
  Client one, two;
  open(one, kFresh);
  ask_other(two, kFresh);
  await(two);
  give_back(one);
  give_back(two);
  CHECK(host->idle() + other_host->idle() == 1);
}

TEST_CASE_FIXTURE(Pair, "a connection that arrives where settings have changed since is closed") {
  add_idle();
  Client client;
  ask_other(client);
  run_until([&] { return stats.transferred_away == 1; });
  if (client.lease) return;  // it was delivered in the same turn
  policy::HostSettings changed;
  changed.queue_timeout = 3s;
  other_pool->reconfigure(table_of(changed));
  await(client);
  CHECK(opened() == 2);
  CHECK(other_stats.closed[static_cast<std::size_t>(CloseReason::Reconfigured)] == 1);
}

TEST_CASE_FIXTURE(Pair, "after a reload the workers know each other again, and what is open") {
  const std::uint16_t idle = add_idle();
  policy::HostSettings changed;
  changed.queue_timeout = 3s;
  pool->reconfigure(table_of(changed));
  CHECK(shared_host->open() == 0);
  other_pool->reconfigure(table_of(changed));
  const auto now = shared_pool.host({Scheme::Http, "origin.test", kPort}, changed);
  CHECK(now->open() == 1);
  CHECK(now->idle() == 1);
  Client client;
  ask_other(client);
  await(client);
  CHECK(name_of(client) == idle);
}

TEST_CASE_FIXTURE(Pair, "after a stale failure what is as old closes at all workers") {
  add_idle(5s);
  other_host->close_idle_since(now(), 1s, now());
  run_until([&] { return closed(CloseReason::SuspectedStale) == 1; });
  CHECK(host->idle() == 0);
}

TEST_CASE_FIXTURE(Pair, "a worker without a descriptor has the others close an idle connection, and is told") {
  add_idle();
  bool freed = false;
  other_context.descriptor_freed = [&] { freed = true; };
  CHECK_FALSE(other_pool->free_a_descriptor());
  run_until([&] { return freed; });
  CHECK(host->idle() == 0);
  CHECK(closed(CloseReason::OutOfDescriptors) == 1);
}

TEST_CASE("a lapse test is not transferred: its end is what it is there for") {
  policy::HostSettings settings;
  settings.idle_margin = 0s;
  Pair pair(settings);
  pair.close_far_end(pair.add_lying(400ms));
  pair.run_until([&] { return pair.closed(CloseReason::ServerClosedIdle) == 1; });
  pair.add_idle();
  pair.pass(700ms);
  REQUIRE(pair.host->idle() == 1);
  Client client;
  pair.ask_other(client);
  pair.await(client);
  CHECK(pair.stats.transferred_away == 0);
  CHECK(pair.host->idle() == 1);
}

}  // namespace
}  // namespace keepwarm::pool::test
