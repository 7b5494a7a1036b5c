#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// What becomes of a connection between two exchanges: returned, trusted, held, closed.
namespace keepwarm::pool::test {
namespace {

using Hint = http::KeepAliveHint;

/// Settings that differ from the default in one thing.
template <typename T>
policy::HostSettings with(T policy::HostSettings::*member, T value) {
  policy::HostSettings settings;
  settings.*member = std::move(value);
  return settings;
}

TEST_CASE("what may not be pooled is closed when it comes back, and counted by its reason") {
  struct Case {
    std::string_view name;
    policy::HostSettings settings;
    Hint hint;
    CloseReason reason;
  };
  const Case cases[] = {
      {"reuse off", with(&policy::HostSettings::reuse, false), {}, CloseReason::ReuseOff},
      {"request limit", with(&policy::HostSettings::max_requests, 1U), {}, CloseReason::RequestLimit},
      {"lifetime", with(&policy::HostSettings::max_lifetime, Duration(1)), {}, CloseReason::Lifetime},
      {"timeout=0", {}, {.timeout = 0s, .max = {}}, CloseReason::HintMax},
      {"max=0", {}, {.timeout = 5s, .max = 0}, CloseReason::HintMax},
      {"no idle ones", with(&policy::HostSettings::max_idle, 0U), {}, CloseReason::PoolFull},
      {"idle too long already", with(&policy::HostSettings::idle_timeout, Duration(0)), {}, CloseReason::IdleTimeout},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Fixture fixture(c.settings);
    Client client;
    fixture.open(client);
    fixture.clock.advance(1ms);
    fixture.give_back(client, Duration::zero(), c.hint);
    CHECK(fixture.closed(c.reason) == 1);
    CHECK(fixture.host->open() == 0);
    CHECK(fixture.host->idle() == 0);
  }
}

TEST_CASE("a server's hint that is not to be honoured closes nothing") {
  Fixture fixture(with(&policy::HostSettings::server_hint, false));
  fixture.add_idle(1ms, {.timeout = 0s, .max = 0});
  CHECK(fixture.host->idle() == 1);
}

TEST_CASE("a connection serves max_requests, and no more") {
  Fixture fixture(with(&policy::HostSettings::max_requests, 3U));
  Client first;
  fixture.open(first);
  const std::uint16_t name = Fixture::name_of(first);
  fixture.give_back(first);
  for (int i = 0; i < 2; ++i) {
    Client next;
    fixture.take(next, kReplayable);
    CHECK(Fixture::name_of(next) == name);
    fixture.give_back(next);
  }
  CHECK(fixture.closed(CloseReason::RequestLimit) == 1);
  CHECK(fixture.host->open() == 0);
}

TEST_CASE("a lease that is dropped closes its connection") {
  Fixture fixture;
  {
    Client client;
    fixture.open(client);
  }
  CHECK(fixture.closed(CloseReason::ClientLeft) == 1);
  CHECK(fixture.host->open() == 0);
}

TEST_CASE("a detached connection does not count any more, and lives on") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  const std::uint16_t name = Fixture::name_of(client);
  const std::unique_ptr<net::Stream> stream = client.lease.detach();
  ++fixture.detached;
  CHECK_FALSE(client.lease);
  CHECK(fixture.host->open() == 0);
  CHECK(fixture.stats.connections == 0);
  CHECK(net::write_all(*stream, "x") == net::WriteResult::Done);
  CHECK(fixture.network.wire(name).sent == "x");
  CHECK_FALSE(fixture.network.wire(name).closed);
}

TEST_CASE("whatever arrives on an idle connection ends it, by its reason") {
  struct Case {
    std::string_view name;
    std::string_view bytes;  ///< empty: it is closed
    bool reset;
    CloseReason reason;
  };
  const Case cases[] = {
      {"FIN", "", false, CloseReason::ServerClosedIdle},
      {"RST", "", true, CloseReason::ServerClosedIdle},
      {"stray bytes", "HTTP/1.1 200 OK\r\n\r\n", false, CloseReason::StrayBytes},
      {"one byte", "H", false, CloseReason::StrayBytes},
      {"a 408 that nobody asked for", "HTTP/1.1 408 Request Timeout\r\n\r\n", false, CloseReason::ServerClosedIdle},
      {"a 408 of HTTP/1.0", "HTTP/1.0 408 \r\n\r\n", false, CloseReason::ServerClosedIdle},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Fixture fixture;
    const std::uint16_t name = fixture.add_idle();
    const std::uint16_t other = fixture.add_idle();
    if (!c.bytes.empty()) {
      fixture.send_from_far_end(name, c.bytes);
    } else {
      c.reset ? fixture.reset_far_end(name) : fixture.close_far_end(name);
    }
    fixture.run_until([&] { return fixture.host->idle() == 1; });
    CHECK(fixture.closed(c.reason) == 1);
    CHECK(fixture.host->open() == 1);
    Client client;
    fixture.take(client, kReplayable);
    CHECK(Fixture::name_of(client) == other);
  }
}

TEST_CASE("what came in the very turn in which a connection returns is found by an exchange that cannot be replayed") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  fixture.close_far_end(Fixture::name_of(client));
  SUBCASE("and that asks afterwards") {
    fixture.give_back(client);
    CHECK_FALSE(fixture.served(kUnsafe));
  }
  SUBCASE("and that waits") {
    fixture.network.hold();
    Client waits;
    fixture.checkout(waits, kUnsafe);
    fixture.give_back(client);
    CHECK(waits.events == 0);
    fixture.network.release();
    fixture.run_until([&] { return waits.events > 0; });
    CHECK_FALSE(waits.lease.connection().reused());
  }
  CHECK(fixture.closed(CloseReason::ServerClosedIdle) == 1);
}

TEST_CASE("a connection that is bound to its client serves on, within the same limits") {
  struct Case {
    std::string_view name;
    policy::HostSettings settings;
    Hint hint;
    std::optional<CloseReason> closed;
  };
  const Case cases[] = {
      {"kept", {}, {}, std::nullopt},
      {"request limit", with(&policy::HostSettings::max_requests, 1U), {}, CloseReason::RequestLimit},
      {"max=0", {}, {.timeout = {}, .max = 0}, CloseReason::HintMax},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Fixture fixture(c.settings);
    Client client;
    fixture.open(client);
    CHECK(client.lease.keep_bound({.idle_since = fixture.now(), .hint = c.hint}) == !c.closed);
    CHECK(static_cast<bool>(client.lease) == !c.closed);
    CHECK(fixture.host->idle() == 0);
    if (c.closed) {
      CHECK(fixture.closed(*c.closed) == 1);
    } else {
      CHECK(client.lease.connection().served() == 1);
      CHECK(fixture.host->open() == 1);
    }
  }
}

TEST_CASE("a bound connection is used no longer than an idle one would be held, nor when something has come") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  const auto keep = [&](Duration age) {
    return client.lease.keep_bound({.idle_since = fixture.now() - age, .hint = {.timeout = 10s, .max = {}}});
  };
  REQUIRE(keep(0s));
  CHECK(client.lease.still_usable());
  REQUIRE(keep(9500ms));
  CHECK_FALSE(client.lease.still_usable());
  REQUIRE(keep(0s));
  fixture.close_far_end(Fixture::name_of(client));
  CHECK_FALSE(client.lease.still_usable());
}

TEST_CASE("trust: which exchanges an idle connection of some age may serve") {
  struct Case {
    std::string_view name;
    policy::HostSettings settings;
    Duration age;
    Hint hint;
    bool replayable, unsafe;
  };
  using Settings = policy::HostSettings;
  const auto never = with(&Settings::unsafe_reuse, policy::UnsafeReuse::Never);
  const auto always = with(&Settings::unsafe_reuse, policy::UnsafeReuse::Always);
  const Case cases[] = {
      {"just returned", {}, 0s, {}, true, true},
      {"longer than proved", {}, 1s, {}, true, false},
      {"longer than assumed", {}, 30s, {}, true, false},
      {"hinted, well before it", {}, 8s, {.timeout = 10s, .max = {}}, true, true},
      {"hinted, but hints do not count",
       with(&Settings::server_hint, false),
       8s,
       {.timeout = 10s, .max = {}},
       true,
       false},
      {"never, just returned", never, 0s, {}, true, false},
      {"always, longer than proved", always, 30s, {}, true, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    for (const bool replayable : {true, false}) {
      CAPTURE(replayable);
      Fixture fixture(c.settings);
      fixture.add_idle(c.age, c.hint);
      REQUIRE(fixture.host->idle() == 1);
      CHECK(fixture.served(replayable ? kReplayable : kUnsafe) == (replayable ? c.replayable : c.unsafe));
    }
  }
}

TEST_CASE("where the server's timeout is known, a connection is not held beyond it") {
  for (const auto& [age, hint] : {std::pair<Duration, Duration>{4500ms, 5s}, {61s, 120s}}) {
    Fixture fixture;
    fixture.add_idle(age, {.timeout = hint, .max = {}});
    CHECK(fixture.host->open() == 0);
    CHECK(fixture.closed(CloseReason::IdleTimeout) == 1);
  }
}

TEST_CASE("a connection whose time is over serves nobody, though the loop has not come to closing it") {
  Fixture fixture;
  fixture.add_idle(60s - 5ms);
  fixture.clock.advance(5ms);
  CHECK_FALSE(fixture.served(kReplayable));
}

TEST_CASE("a replayable exchange prefers a trusted connection, and takes any other") {
  Fixture fixture;
  const std::uint16_t trusted = fixture.add_idle(0s);
  const std::uint16_t untrusted = fixture.add_idle(2s);  // returned last, and so at the top
  Client first, second;
  fixture.take(first, kReplayable);
  fixture.take(second, kReplayable);
  CHECK(Fixture::name_of(first) == trusted);
  CHECK(Fixture::name_of(second) == untrusted);
}

/// What an idle connection must have survived to be trusted beyond the 250 ms that are always assumed. Real time: only
/// what was seen counts. The ages that are compared with it are far enough away for a slow machine.
constexpr Duration kSurvived = 600ms;

/// A connection survives kSurvived in the pool, and is gone.
void survive(Fixture& fixture) {
  fixture.add_idle();
  fixture.pass(kSurvived);
  REQUIRE(fixture.served(kReplayable));
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
}

/// Whether an exchange that cannot be replayed is served by a connection that has been idle for so long.
bool trusted_at(Fixture& fixture, Duration age) {
  fixture.add_idle(age);
  const bool trusted = fixture.served(kUnsafe);
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  return trusted;
}

TEST_CASE("an older connection that is still open proves the younger ones, and not itself") {
  Fixture fixture;
  fixture.add_idle();
  fixture.pass(kSurvived);
  const std::uint16_t younger = fixture.add_idle(300ms);
  Client unsafe;
  fixture.take(unsafe, kUnsafe);
  CHECK(Fixture::name_of(unsafe) == younger);
  Client another;
  fixture.checkout(another, kUnsafe);
  CHECK_FALSE(another.lease);
}

TEST_CASE("an older connection whose close has arrived proves nothing") {
  Fixture fixture;
  const std::uint16_t oldest = fixture.add_idle();
  fixture.pass(kSurvived);
  fixture.add_idle(300ms);
  fixture.close_far_end(oldest);
  CHECK_FALSE(fixture.served(kUnsafe));
}

TEST_CASE("only what a connection went through in the pool proves something") {
  Fixture fixture;
  fixture.add_idle(3s);  // its answer came slowly to the client: all that time nobody looked
  fixture.add_idle(1s);
  CHECK_FALSE(fixture.served(kUnsafe));
  CHECK(fixture.served(kReplayable));
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  CHECK_FALSE(trusted_at(fixture, 1s));
}

TEST_CASE("a connection that was opened and never used proves nothing") {
  Fixture fixture;
  Client leaves;
  fixture.network.hold();
  fixture.checkout(leaves, kReplayable);
  leaves.waiter->withdraw();
  fixture.network.release();
  fixture.run_until([&] { return fixture.host->idle() == 1; });
  fixture.pass(kSurvived);
  fixture.add_idle(300ms);
  CHECK_FALSE(fixture.served(kUnsafe));
}

TEST_CASE("nothing is proved beyond what is assumed of the server") {
  policy::HostSettings settings;
  settings.assumed_idle_timeout = 400ms;
  settings.idle_margin = 100ms;
  Fixture fixture(settings);
  survive(fixture);
  CHECK_FALSE(trusted_at(fixture, 350ms));
}

TEST_CASE("an idle age that was survived is trusted from then on, until a close disproves it") {
  policy::HostSettings settings;
  settings.idle_margin = 0s;
  Fixture fixture(settings);
  CHECK_FALSE(trusted_at(fixture, 350ms));
  survive(fixture);
  CHECK(trusted_at(fixture, 350ms));
  const auto closes_at = [&](Duration age) {
    fixture.close_far_end(fixture.add_lying(age));
    fixture.run_until([&] { return fixture.host->idle() == 0; });
  };
  SUBCASE("by the server, while idle") {
    closes_at(260ms);
    CHECK_FALSE(trusted_at(fixture, 580ms));
  }
  SUBCASE("by a stale failure") {
    fixture.host->close_idle_since(fixture.now(), 300ms, fixture.now());
    CHECK_FALSE(trusted_at(fixture, 350ms));
  }
  SUBCASE("but not by a close so early that it is no idle timeout") {
    fixture.host->close_idle_since(fixture.now(), 249ms, fixture.now());
    CHECK(trusted_at(fixture, 350ms));
  }
}

TEST_CASE("a close disproves its age less the margin") {
  Fixture fixture;  // idle_margin: 1 s
  survive(fixture);
  fixture.host->close_idle_since(fixture.now(), 2s, fixture.now());
  CHECK(trusted_at(fixture, 300ms));
  fixture.host->close_idle_since(fixture.now(), 1200ms, fixture.now());
  CHECK_FALSE(trusted_at(fixture, 300ms));
}

TEST_CASE("after a stale failure all that has been idle as long is closed") {
  Fixture fixture;
  fixture.add_idle(3s);
  const std::uint16_t younger = fixture.add_idle(1s);
  fixture.add_idle(2s);
  fixture.host->close_idle_since(fixture.now() - 2s, 2s, fixture.now());
  CHECK(fixture.closed(CloseReason::SuspectedStale) == 2);
  CHECK(fixture.host->idle() == 1);
  Client client;
  fixture.take(client, kReplayable);
  CHECK(Fixture::name_of(client) == younger);
}

TEST_CASE("beyond max_idle the one that has been idle longest gives way") {
  Fixture fixture(with(&policy::HostSettings::max_idle, 2U));
  Client first, second, third;
  for (Client* each : {&first, &second, &third}) fixture.open(*each);
  const std::uint16_t names[] = {Fixture::name_of(first), Fixture::name_of(second), Fixture::name_of(third)};
  for (Client* each : {&first, &second, &third}) fixture.give_back(*each);
  CHECK(fixture.host->idle() == 2);
  CHECK(fixture.closed(CloseReason::PoolFull) == 1);
  fixture.take(first, kReplayable);
  fixture.take(second, kReplayable);
  CHECK(Fixture::name_of(first) == names[2]);
  CHECK(Fixture::name_of(second) == names[1]);
}

TEST_CASE("an idle connection is closed when its time is over") {
  Fixture fixture(with(&policy::HostSettings::idle_timeout, Duration(30ms)));
  fixture.add_idle();
  CHECK(fixture.host->idle() == 1);
  fixture.run_until([&] { return fixture.host->idle() == 0; });
  CHECK(fixture.closed(CloseReason::IdleTimeout) == 1);
}

TEST_CASE("an idle connection is closed when it has lived long enough") {
  Fixture fixture(with(&policy::HostSettings::max_lifetime, Duration(200ms)));
  Client client;
  fixture.open(client);
  const TimePoint opened = client.lease.connection().opened_at();
  fixture.give_back(client);
  fixture.run_until([&] { return fixture.host->open() == 0; });
  CHECK(fixture.now() - opened >= 200ms);
  CHECK(fixture.closed(CloseReason::Lifetime) == 1);
}

TEST_CASE("a leased connection is not closed by the time of its idleness") {
  Fixture fixture(with(&policy::HostSettings::idle_timeout, Duration(40ms)));
  fixture.add_idle();
  Client holder;
  fixture.take(holder, kReplayable);
  fixture.add_idle();  // its time is over after the first one's
  fixture.run_until([&] { return fixture.host->idle() == 0; });
  CHECK(fixture.host->open() == 1);
  CHECK(holder.lease);
}

TEST_CASE("every opening and every close is told, with its host, its reason and what the connection had done") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  client.lease.close(CloseReason::CutResponse);
  const std::string upstream = "upstream origin.test:" + std::to_string(Fixture::kPort);
  REQUIRE(fixture.log.lines.size() == 2);
  CHECK(fixture.log.lines[0] == upstream + " opened: 127.0.0.1:" + std::to_string(Fixture::kPort));
  CHECK(fixture.log.lines[1] == upstream + " closed: cut response (requests=0)");
  fixture.add_idle(5s);
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  REQUIRE(fixture.log.lines.size() == 4);
  CHECK(fixture.log.lines[3].starts_with(upstream + " closed: shutdown (requests=1 idle=5"));
  fixture.log.on = false;
  fixture.add_idle();
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  CHECK(fixture.log.lines.size() == 4);
  CHECK(fixture.closed(CloseReason::Shutdown) == 2);
}

}  // namespace
}  // namespace keepwarm::pool::test
