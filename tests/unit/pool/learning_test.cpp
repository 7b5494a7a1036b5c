#include <algorithm>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// What a pool learns of its server's idle timeout, and does with it. The estimate itself:
/// policy/idle_history_test.cpp; what follows from it, and from other hosts: policy/server_model_test.cpp.
namespace keepwarm::pool::test {
namespace {

using Source = policy::ExpectedIdle::Source;

policy::HostSettings without_margin() {
  policy::HostSettings settings;
  settings.idle_margin = 0s;
  return settings;
}

/// The server closes a connection that has been idle for `age`.
void lapse(Fixture& fixture, Duration age) {
  const std::uint64_t before = fixture.closed(CloseReason::ServerClosedIdle);
  fixture.close_far_end(fixture.add_lying(age));
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) > before; });
}

bool served_at(Fixture& fixture, Duration age, const CheckoutRequirements& requirements) {
  fixture.add_idle(age);
  const bool given = fixture.served(requirements);
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  return given;
}

TEST_CASE("one close by the server bounds what is trusted and what is held") {
  Fixture fixture;
  CHECK(fixture.host->expected_idle().source == Source::Assumed);
  lapse(fixture, 3s);
  const policy::ExpectedIdle expected = fixture.host->expected_idle();
  CHECK(expected.source == Source::Learned);
  CHECK(expected.timeout >= 3s - 1ms);
  CHECK(expected.timeout < 3500ms);
  CHECK(served_at(fixture, 1900ms, kUnsafe));  // the margin is a second
  CHECK_FALSE(served_at(fixture, 2500ms, kUnsafe));
  CHECK_FALSE(served_at(fixture, 2500ms, kReplayable));  // we close first
}

TEST_CASE("a host that does not learn keeps its assumption") {
  policy::HostSettings settings;
  settings.learn = false;
  Fixture fixture(settings);
  lapse(fixture, 3s);
  CHECK(fixture.host->expected_idle().source == Source::Assumed);
  CHECK(served_at(fixture, 3500ms, kReplayable));
}

TEST_CASE("a hint that is shorter than what was learned decides, and a longer one does not") {
  Fixture fixture;
  lapse(fixture, 3s);
  fixture.add_idle(0s, {.timeout = 2s, .max = {}});
  CHECK(fixture.host->expected_idle().source == Source::Hint);
  CHECK(fixture.host->expected_idle().timeout == 2s);
  fixture.add_idle(0s, {.timeout = 30s, .max = {}});
  CHECK(fixture.host->expected_idle().source == Source::Learned);
}

TEST_CASE("a request that met the close teaches the idle timeout, too") {
  Fixture fixture;
  fixture.add_lying(3s);
  Client client;
  fixture.take(client, kReplayable);
  client.lease.was_closed_idle(fixture.now());
  client.lease.close(CloseReason::StaleFailure);
  CHECK(fixture.host->expected_idle().source == Source::Learned);
}

TEST_CASE("a close teaches nothing where nobody knows when the server began to count") {
  Fixture fixture;
  // A body that was under way for 30 s, and read slowly: the server may have sent its last byte long ago, or just now.
  const TimePoint now = fixture.now();
  const policy::Arrival slow{.first_byte = now - 30s, .last_byte = now, .last_pause = now - 20s, .body_bytes = 1000000};
  Client client;
  fixture.open(client);
  const std::uint16_t name = Fixture::name_of(client);
  client.lease.give_back({.idle_since = policy::idle_since(slow), .hint = {}});
  fixture.close_far_end(name);
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) == 1; });
  CHECK(fixture.host->expected_idle().source == Source::Assumed);
}

TEST_CASE("a restart is no idle timeout, whether a request meets it or not") {
  Fixture fixture;
  std::uint16_t names[] = {fixture.add_lying(20s), fixture.add_lying(8s), fixture.add_lying(1s)};
  Client client;
  SUBCASE("nobody asks") {
    for (const std::uint16_t name : names) fixture.close_far_end(name);
    fixture.run_until([&] { return fixture.host->idle() == 0; });
  }
  SUBCASE("a request crosses the youngest one's close") {
    fixture.take(client, kReplayable);
    REQUIRE(Fixture::name_of(client) == names[2]);
    for (const std::uint16_t name : names) fixture.close_far_end(name);
    const TimePoint since = client.lease.connection().idle_since();
    client.lease.was_closed_idle(fixture.now());
    client.lease.close(CloseReason::StaleFailure);
    fixture.host->close_idle_since(since, 1s, fixture.now());
  }
  CHECK(fixture.host->expected_idle().source == Source::Assumed);
}

TEST_CASE("when its time is over a connection is closed, and now and then one is left to lapse, as a test") {
  policy::HostSettings risky = without_margin();
  risky.unsafe_reuse = policy::UnsafeReuse::Always;
  Fixture fixture(without_margin());
  lapse(fixture, 400ms);
  fixture.add_idle();
  fixture.add_idle();
  fixture.run_until([&] { return fixture.closed(CloseReason::IdleTimeout) == 1; });
  fixture.pass(200ms);
  REQUIRE(fixture.host->idle() == 1);
  SUBCASE("which serves no request that cannot be replayed") {
    CHECK_FALSE(fixture.served(kUnsafe));
    CHECK(fixture.served(kReplayable));
  }
  SUBCASE("which serves none either where the user takes the risk of reuse") {
    fixture.host->set_settings(risky);
    CHECK_FALSE(fixture.served(kUnsafe));
  }
}

TEST_CASE("a hint that leaves no room is told once, and such a connection is not pooled") {
  Fixture fixture;
  Client client;
  for (int i = 0; i < 2; ++i) {
    fixture.open(client);
    fixture.give_back(client, 0s, {.timeout = Duration(1), .max = {}});
    client.events = 0;
  }
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.stats.hints_without_room == 2);
  CHECK(std::count_if(fixture.log.lines.begin(), fixture.log.lines.end(), [](const std::string& line) {
          return line.find("none can be used again safely") != std::string::npos;
        }) == 1);
}

// ---- The word of other hosts ----

/// So many other hosts have lived through this idle age.
void others_live(Fixture& fixture, int count, Duration age) {
  for (int i = 0; i < count; ++i) {
    policy::CloseRiskEstimator::HostSample host;
    fixture.all_hosts.lived(host, age);
  }
}

/// Whether a host that is new would be trusted at this age.
bool is_trusted_elsewhere(const Fixture& fixture, Duration age) {
  return fixture.all_hosts.may_trust({}, age, 1ms);
}

TEST_CASE("such a lease is a trusted one") {
  Fixture fixture;
  others_live(fixture, 98, 50s);
  fixture.add_idle(20s);
  Client client;
  fixture.take(client, kUnsafe);
  CHECK(client.lease.connection().trusted());
}

TEST_CASE("the others have no say about a connection that never served") {
  Fixture fixture;
  others_live(fixture, 200, 50s);
  Client nobody;
  fixture.checkout(nobody, kReplayable);
  nobody.waiter->withdraw();
  fixture.run_until([&] { return fixture.host->idle() == 1; });
  fixture.pass(300ms);  // until 250 ms any connection is trusted
  CHECK_FALSE(fixture.served(kUnsafe));
}

TEST_CASE("the others have no say about a lapse test") {
  Fixture fixture(without_margin());
  lapse(fixture, 400ms);
  fixture.add_idle();
  fixture.pass(500ms);
  REQUIRE(fixture.host->idle() == 1);
  others_live(fixture, 200, 50s);
  CHECK_FALSE(fixture.served(kUnsafe));
}

TEST_CASE("what a host lives through is told, once") {
  Fixture fixture;
  others_live(fixture, 97, 260ms);
  CHECK_FALSE(is_trusted_elsewhere(fixture, 250ms));
  SUBCASE("when a request is answered") {
    fixture.add_idle();
    fixture.pass(300ms);
    CHECK(fixture.served(kReplayable));
    fixture.pass(300ms);
    CHECK(fixture.served(kReplayable));
  }
  SUBCASE("when the oldest is still open") {
    fixture.add_idle();
    fixture.pass(300ms);
    CHECK_FALSE(fixture.served(kUnsafe));  // it proves as much for younger ones only
  }
  CHECK(is_trusted_elsewhere(fixture, 250ms));
  policy::CloseRiskEstimator::HostSample host;
  fixture.all_hosts.closed(host, 252ms);
  CHECK_FALSE(is_trusted_elsewhere(fixture, 250ms));
  others_live(fixture, 98, 260ms);
  CHECK_FALSE(is_trusted_elsewhere(fixture, 250ms));  // 196 of 197
}

TEST_CASE("the first close of a host is told, and no further one") {
  Fixture fixture;
  others_live(fixture, 99, 50s);
  SUBCASE("that it lived until then") {
    CHECK(is_trusted_elsewhere(fixture, 20s));
    lapse(fixture, 20s);
    CHECK_FALSE(is_trusted_elsewhere(fixture, 20s));
    CHECK(is_trusted_elsewhere(fixture, 10s));
    lapse(fixture, 10s);
    CHECK(is_trusted_elsewhere(fixture, 10s));
  }
  SUBCASE("or a failure that may have been one") {
    fixture.host->close_idle_since(fixture.now(), 20s, fixture.now());
    CHECK_FALSE(is_trusted_elsewhere(fixture, 20s));
  }
}

TEST_CASE("a host that does not learn, or gives hints, tells the others nothing") {
  policy::HostSettings settings;
  http::KeepAliveHint hint;
  SUBCASE("does not learn") {
    settings.learn = false;
  }
  SUBCASE("gives hints") {
    hint.timeout = 30s;
  }
  Fixture fixture(settings);
  others_live(fixture, 97, 260ms);
  fixture.add_idle({}, hint);
  fixture.pass(300ms);
  CHECK(fixture.served(kReplayable));
  CHECK_FALSE(is_trusted_elsewhere(fixture, 250ms));
  others_live(fixture, 1, 50s);
  CHECK(is_trusted_elsewhere(fixture, 250ms));
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  fixture.close_far_end(fixture.add_idle(251ms, hint));
  fixture.run_until([&] { return fixture.closed(CloseReason::ServerClosedIdle) == 1; });
  fixture.host->close_idle_since(fixture.now(), 251ms, fixture.now());
  CHECK(is_trusted_elsewhere(fixture, 250ms));
}

}  // namespace
}  // namespace keepwarm::pool::test
