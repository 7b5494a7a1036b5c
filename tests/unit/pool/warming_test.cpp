#include <algorithm>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/pool/pair_fixture.h"

/// keep_warm on a real loop. Time is real: what has to happen is awaited; what must not happen is given a while.
namespace keepwarm::pool::test {
namespace {

using Hint = http::KeepAliveHint;

constexpr Hint kOneSecond{.timeout = 1s, .max = {}};  // trusted for half of it

policy::HostSettings keep(std::uint32_t count) {
  policy::HostSettings settings;
  settings.keep_warm = count;
  return settings;
}

/// Where the server's timeout is assumed to be a second, and half of it is margin.
policy::HostSettings keep_short(std::uint32_t count) {
  policy::HostSettings settings = keep(count);
  settings.assumed_idle_timeout = 1s;
  return settings;
}

struct Warm : Fixture {
  explicit Warm(const policy::HostSettings& settings = keep(2)) : Fixture(settings) {}

  void await_idle(std::uint32_t count) {
    run_until([&] { return host->idle() == count && stats.attempts == 0; });
  }
  void await_warmed(std::uint64_t count) {
    run_until([&] { return stats.prewarmed >= count && stats.attempts == 0; });
  }
  /// The server closes the connection that was opened last.
  void lose_newest() {
    Client client;
    take(client, kReplayable);
    const std::uint16_t name = name_of(client);
    give_back(client);
    close_far_end(name);
  }
  /// The server closes all that it has accepted so far.
  void close_far_ends() { network.close_far_ends(); }
  [[nodiscard]] bool logged(std::string_view words) const {
    return std::any_of(log.lines.begin(), log.lines.end(),
                       [&](const std::string& line) { return line.find(words) != std::string::npos; });
  }
};

TEST_CASE_FIXTURE(Warm,
                  "as soon as the host is reached, what is missing is opened beside the one in use, and no more") {
  Client client;
  open(client);
  await_idle(1);
  CHECK(stats.prewarmed == 1);
  CHECK(logged("(kept warm)"));
  give_back(client);
  CHECK(host->idle() == 2);
  pass(300ms);
  CHECK(stats.opened == 2);
}

TEST_CASE_FIXTURE(Warm, "what was kept warm is reused, and trusted as far as any") {
  Client first;
  open(first);
  await_idle(1);
  Client second;
  take(second, kUnsafe);
  CHECK(second.lease.connection().reused());
  CHECK(second.lease.connection().trusted());
  CHECK(second.lease.connection().served() == 0);
}

TEST_CASE("nothing is kept warm where nothing could be used") {
  policy::HostSettings settings = keep(2);
  SUBCASE("keep_warm = 0") {
    settings.keep_warm = 0;
  }
  SUBCASE("reuse = false") {
    settings.reuse = false;
  }
  SUBCASE("max_idle = 0") {
    settings.max_idle = 0;
  }
  SUBCASE("an assumed timeout of no time") {
    settings.assumed_idle_timeout = 400ms;
  }
  Warm fixture(settings);
  Client client;
  fixture.open(client);
  fixture.pass(250ms);
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE_FIXTURE(Warm, "a host that cannot be reached is not tried for nobody") {
  network.forget("origin.test");
  Client client;
  checkout(client, kReplayable);
  run_until([&] { return client.events > 0; });
  pass(250ms);
  CHECK(stats.open_failures == 1);
}

TEST_CASE("each connection is replaced shortly before its trust ends, and then closed") {
  Warm fixture(keep(1));
  Client client;
  fixture.open(client);
  fixture.pass(150ms);  // it has looked, and saw no end
  fixture.give_back(client, 0s, kOneSecond);
  bool always_one = true;
  for (std::uint64_t closed = 1; closed <= 3; ++closed) {
    fixture.run_until([&] {
      always_one = always_one && fixture.host->idle() >= 1;
      return fixture.closed(CloseReason::IdleTimeout) == closed;
    });
    CHECK(fixture.stats.opened <= closed + 2);
  }
  CHECK(always_one);
}

TEST_CASE("of a server whose timeout is only assumed the oldest that has served is left to be observed") {
  Warm fixture(keep_short(1));
  Client client;
  fixture.open(client);
  const std::uint16_t served = Fixture::name_of(client);
  fixture.give_back(client);
  // The first that was opened for nobody has been replaced twice.
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 2; });
  CHECK(fixture.stats.opened <= 5);
  CHECK(fixture.host->idle() <= 3);
  fixture.close_far_end(served);
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) == 1; });
  CHECK(fixture.host->expected_idle().source == policy::ExpectedIdle::Source::Learned);
}

TEST_CASE("so is one that was opened for nobody, once it has served") {
  Warm fixture(keep_short(1));
  Client first, client;
  fixture.open(first);
  first.lease.close(CloseReason::Unused);
  fixture.await_warmed(1);
  fixture.take(client, kReplayable);
  const std::uint16_t served = Fixture::name_of(client);
  fixture.give_back(client);
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 2; });
  CHECK(fixture.host->idle() <= 3);
  fixture.close_far_end(served);
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) == 1; });
  CHECK(fixture.host->expected_idle().source == policy::ExpectedIdle::Source::Learned);
}

TEST_CASE("what is learned of the server counts for the connections that lie idle already") {
  policy::HostSettings settings = keep(1);
  settings.assumed_idle_timeout = 10s;
  Warm fixture(settings);
  Client first, second, third;
  fixture.open(first);
  const std::uint16_t teaches = Fixture::name_of(first);
  fixture.give_back(first);
  fixture.pass(2s);
  for (Client* each : {&second, &third}) fixture.open(*each, kFresh);
  for (Client* each : {&second, &third}) fixture.give_back(*each);
  fixture.pass(1s);
  fixture.close_far_end(teaches);  // after 3 s, so the others are warm for 2
  const TimePoint learned_at = fixture.now();
  fixture.run_until([&] { return fixture.stats.prewarmed == 1; });
  CHECK(fixture.closed(CloseReason::IdleTimeout) == 0);
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 1; });  // the other one is a lapse test
  CHECK(fixture.now() - learned_at < 1500ms);
}

TEST_CASE("connections that clients opened are held as without keep_warm") {
  Warm fixture(keep_short(1));
  Client one, two, three;
  for (Client* each : {&one, &two, &three}) fixture.open(*each, kFresh);
  for (Client* each : {&one, &two, &three}) fixture.give_back(*each);
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 1; });
  CHECK(fixture.host->idle() >= 4);
}

TEST_CASE_FIXTURE(Warm, "what the server closes is replaced at once") {
  add_idle();
  await_idle(2);
  pass(1100ms);  // else it is too young for that
  const std::uint64_t before = stats.prewarmed;
  lose_newest();
  await_warmed(before + 1);
  CHECK(host->idle() == 2);
}

TEST_CASE("a server that closes what it has just accepted is not asked over and over") {
  Warm fixture(keep(1));
  Client client;
  fixture.open(client);
  client.lease.close(CloseReason::Unused);
  fixture.await_warmed(1);
  fixture.close_far_ends();
  fixture.run_until([&] { return fixture.host->idle() == 0; });
  fixture.pass(600ms);
  CHECK(fixture.stats.prewarmed == 1);
  fixture.await_warmed(2);  // after a second
}

TEST_CASE("a server that cannot be reached any more is tried again after a pause, or when a client reaches it") {
  Warm fixture(keep(2));
  fixture.add_idle();
  fixture.await_idle(2);
  fixture.network.forget("origin.test");
  fixture.close_far_ends();
  fixture.run_until([&] { return fixture.stats.open_failures == 2; });  // both at a time
  fixture.pass(700ms);
  CHECK(fixture.stats.open_failures == 2);
  fixture.run_until([&] { return fixture.stats.open_failures == 4; });
  fixture.network.set("origin.test", "127.0.0.1");
  const TimePoint begin = fixture.now();
  Client client;
  fixture.open(client);
  fixture.await_idle(1);
  CHECK(fixture.now() - begin < 1s);  // two would have been the pause
}

TEST_CASE("max_connections and max_idle hold") {
  policy::HostSettings settings = keep(3);
  SUBCASE("connections") {
    settings.max_connections = 2;
  }
  SUBCASE("idle ones") {
    settings.max_idle = 2;
  }
  Warm fixture(settings);
  fixture.add_idle();
  fixture.await_idle(2);
  fixture.pass(300ms);
  CHECK(fixture.stats.opened == 2);
  CHECK(fixture.closed(CloseReason::PoolFull) == 0);
}

TEST_CASE("where no more may be open, those whose time is over make room") {
  policy::HostSettings settings = keep_short(2);
  settings.max_connections = 2;
  Warm fixture(settings);
  fixture.add_idle();
  fixture.add_idle();
  std::uint32_t most = 0;
  fixture.run_until([&] {
    most = std::max(most, fixture.host->open());
    return fixture.stats.prewarmed >= 4;
  });
  CHECK(most == 2);
}

TEST_CASE("a host that is not used any more lets go of all") {
  policy::HostSettings settings = keep(2);
  settings.keep_warm_for = 400ms;
  Warm fixture(settings);
  fixture.add_idle();
  fixture.await_idle(2);
  fixture.run_until([&] { return fixture.host->open() == 0; });
  CHECK(fixture.closed(CloseReason::HostUnused) == 2);
  fixture.pass(300ms);
  CHECK(fixture.stats.opened == 2);
  SUBCASE("until somebody comes") {
    fixture.add_idle();
    fixture.await_idle(2);
  }
}

TEST_CASE("each request puts that off") {
  policy::HostSettings settings = keep(1);
  settings.keep_warm_for = 600ms;
  Warm fixture(settings);
  fixture.add_idle();
  for (int i = 0; i < 5; ++i) {
    fixture.pass(250ms);
    Client client;
    fixture.take(client, kReplayable);
    fixture.give_back(client);
  }
  CHECK(fixture.closed(CloseReason::HostUnused) == 0);
}

TEST_CASE("new settings take effect") {
  Warm fixture(keep(0));
  fixture.add_idle();
  fixture.pool->reconfigure(table_of(keep(3)));
  fixture.await_idle(3);
  fixture.pool->reconfigure(table_of(keep(0)));
  fixture.close_far_ends();
  fixture.run_until([&] { return fixture.host->idle() == 0; });
  fixture.pass(300ms);
  CHECK(fixture.stats.opened == 3);
}

TEST_CASE_FIXTURE(Warm, "who shuts down keeps nothing warm") {
  add_idle();
  await_idle(2);
  pool->drain();
  pass(250ms);
  CHECK(stats.opened == 2);
  CHECK(host->open() == 0);
}

TEST_CASE_FIXTURE(Warm, "what was given up for want of descriptors is not opened again at once") {
  add_idle();
  await_idle(2);
  REQUIRE(host->close_oldest_idle(CloseReason::OutOfDescriptors, now()));
  pass(500ms);
  CHECK(stats.opened == 2);
}

TEST_CASE("a waiter takes what is being opened for nobody, unless that takes too long") {
  Warm fixture(keep(2));
  Client first;
  fixture.open(first);
  fixture.network.hold();
  fixture.run_until([&] { return fixture.stats.attempts == 1; });
  Client second;
  SUBCASE("it has just begun") {
    fixture.checkout(second, kReplayable);
    CHECK(fixture.stats.attempts == 1);
  }
  SUBCASE("it takes long") {
    fixture.pass(200ms);
    fixture.checkout(second, kReplayable);
    CHECK(fixture.stats.attempts == 2);
  }
  fixture.network.release();
  fixture.run_until([&] { return second.events > 0; });
  CHECK(second.lease);
}

TEST_CASE("what a client may not reach is not opened on its account") {
  Warm fixture(keep(2));
  fixture.remote_filter.denied = {literal("127.0.0.1")};
  Client client;
  fixture.open(client);
  fixture.await_idle(1);
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  Client remote;
  fixture.checkout(remote, kRemote);
  fixture.run_until([&] { return remote.events > 0; });
  const std::uint64_t before = fixture.stats.prewarmed;
  fixture.pass(400ms);
  CHECK(remote.failure);
  CHECK(fixture.stats.prewarmed == before);
}

TEST_CASE("a server's limit for first requests bounds the connections that never served, and no others") {
  Warm fixture(keep(0));
  const auto add_unused = [&fixture] {
    Client leaves;
    fixture.checkout(leaves, kFresh);
    leaves.waiter->withdraw();
    fixture.await_idle(1);
  };
  add_unused();
  fixture.pass(400ms);
  fixture.close_far_ends();
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) == 1; });
  CHECK(fixture.host->expected_idle().source == policy::ExpectedIdle::Source::Assumed);
  add_unused();
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 1; });  // we close first
  fixture.add_idle();
  fixture.pass(500ms);
  CHECK(fixture.host->idle() == 1);
}

// ---- Several workers ----

struct WarmPair : Pair {
  explicit WarmPair(const policy::HostSettings& settings = keep(2)) : Pair(settings) {}
  void await_settled() {
    run_until([&] { return shared_host->idle() == shared_host->open() && shared_host->open() >= 2; });
  }
  void use_other() {
    Client client;
    ask_other(client);
    await(client);
    give_back(client);
  }
};

TEST_CASE_FIXTURE(WarmPair, "two workers keep as many warm as one, whichever of them is asked") {
  add_idle();
  use_other();
  await_settled();
  pass(400ms);
  CHECK(shared_host->open() == 2);
  CHECK(opened() == 2);
  use_other();
  pass(200ms);
  CHECK(opened() == 2);
}

TEST_CASE_FIXTURE(WarmPair, "what another worker loses is replaced by the one who opens") {
  add_idle();
  await_settled();
  use_other();
  REQUIRE(shared_host->prewarmer() == 0U);
  REQUIRE(other_host->idle() == 1);
  pass(1100ms);
  REQUIRE(other_host->close_oldest_idle(CloseReason::Lifetime, now()));
  run_until([&] { return shared_host->open() == 2 && stats.attempts == 0; });
  CHECK(opened() == 3);
  CHECK(other_stats.prewarmed == 0);
}

TEST_CASE("what lies idle at another worker is replaced before its trust ends") {
  WarmPair fixture(keep(1));
  fixture.add_idle();
  Client client;
  fixture.ask_other(client);
  fixture.await(client);
  fixture.give_back(client, 0s, kOneSecond);
  REQUIRE(fixture.other_host->idle() == 1);
  fixture.run_until([&] { return fixture.opened() == 2; });
  CHECK(fixture.other_host->idle() == 1);
  CHECK(fixture.stats.prewarmed == 1);
}

TEST_CASE("a host that any worker uses is in use") {
  policy::HostSettings settings = keep(2);
  settings.keep_warm_for = 1500ms;
  WarmPair fixture(settings);
  fixture.add_idle();
  fixture.await_settled();
  fixture.use_other();
  for (int i = 0; i < 4; ++i) {
    fixture.pass(600ms);
    Client client;
    fixture.ask_other(client);
    fixture.await(client);
    fixture.give_back(client);
  }
  CHECK(fixture.closed(CloseReason::HostUnused) == 0);
  fixture.run_until([&] { return fixture.shared_host->open() == 0; });
  CHECK_FALSE(fixture.shared_host->prewarmer());
}

TEST_CASE("a worker that could not reach the host leaves keep_warm to those that can") {
  WarmPair pair;
  pair.network.forget("origin.test");
  Client failed;
  pair.checkout(failed, kReplayable);
  pair.run_until([&] { return failed.events > 0; });
  pair.pass(200ms);
  pair.network.set("origin.test", "127.0.0.1");
  pair.use_other();
  pair.await_settled();
  CHECK(pair.shared_host->open() == 2);
}

}  // namespace
}  // namespace keepwarm::pool::test
