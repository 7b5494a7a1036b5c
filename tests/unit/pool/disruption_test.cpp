// The machine slept, or its network is another one: what was open before is not used any more, and teaches nothing.

#include <cstdint>

#include <doctest/doctest.h>

#include "tests/unit/pool/pair_fixture.h"

namespace keepwarm::pool::test {
namespace {

TEST_CASE_FIXTURE(Fixture, "what is idle closes when the machine has slept, and the next request goes on a fresh one") {
  const std::uint16_t idle = add_idle();
  add_idle();
  clock.advance(1s);
  pool->disrupted(CloseReason::Slept);
  CHECK(host->idle() == 0);
  CHECK(closed(CloseReason::Slept) == 2);
  Client client;
  open(client, kReplayable);
  CHECK(name_of(client) != idle);
  give_back(client);
  CHECK(host->idle() == 1);
}

TEST_CASE_FIXTURE(Fixture,
                  "while nobody knows what has changed of the network, idle ones serve what can be sent again") {
  const std::uint16_t idle = add_idle();
  pool->set_network_uncertain(true);
  Client post, get, later;
  open(post, kUnsafe);
  CHECK(name_of(post) != idle);
  open(get, kReplayable);
  CHECK(name_of(get) == idle);
  give_back(get);
  pool->set_network_uncertain(false);
  open(later, kUnsafe);
  CHECK(name_of(later) == idle);
}

TEST_CASE_FIXTURE(Fixture, "what is leased meanwhile does not come back") {
  Client client, bound;
  open(client);
  open(bound);
  clock.advance(1s);
  pool->disrupted(CloseReason::ClockStepped);
  CHECK_FALSE(bound.lease.still_usable());
  give_back(client);
  CHECK_FALSE(bound.lease.keep_bound({.idle_since = now(), .hint = {}}));
  bound.lease = {};
  CHECK(host->idle() == 0);
  CHECK(closed(CloseReason::ClockStepped) == 2);
}

TEST_CASE_FIXTURE(Fixture, "a connection that was being opened meanwhile serves nobody: its waiter gets another") {
  Client client;
  checkout(client, kUnsafe);
  clock.advance(1s);
  pool->disrupted(CloseReason::Slept);
  run_until([&] { return client.events > 0; });
  CHECK(client.lease);
  CHECK(stats.opened == 2);
  CHECK(closed(CloseReason::Slept) == 1);
  give_back(client);
  CHECK(host->idle() == 1);
}

TEST_CASE_FIXTURE(Fixture, "nothing is learned from the ends of connections that were open before") {
  for (const bool slept : {false, true}) {
    CAPTURE(slept);
    add_lying(10s);
    Client client;
    take(client, kReplayable);
    add_idle();
    clock.advance(1s);
    if (slept) pool->disrupted(CloseReason::Slept);
    const TimePoint since = client.lease.connection().idle_since();
    client.lease.was_closed_idle(now());
    client.lease.close(CloseReason::StaleFailure);
    host->close_idle_since(since, 10s, now());
    CHECK((host->expected_idle().source == policy::ExpectedIdle::Source::Learned) == !slept);
    if (!slept) {
      host.reset();
      pool.emplace(context, table_of({}));
      host = HostRef(pool->host(origin()));
    }
  }
}

TEST_CASE_FIXTURE(Pair, "a connection on its way between workers is not used when it arrives") {
  const std::uint16_t idle = add_idle();
  Client client;
  ask_other(client, kUnsafe);
  mailboxes[0].deliver([this] { clock.begin_event(); });  // it is on its way
  CHECK(stats.transferred_away == 1);
  clock.advance(1s);
  other_pool->disrupted(CloseReason::Slept);
  pool->disrupted(CloseReason::Slept);
  await(client);
  CHECK(name_of(client) != idle);
  CHECK(opened() == 2);
}

}  // namespace
}  // namespace keepwarm::pool::test
