#include "core/pool/idle_keeper.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/part_fakes.h"

/// What an IdleKeeper does with idle connections, without a pool: what it believes of the server comes from a real
/// ServerModel, and what it closes or reports is written down.
namespace keepwarm::pool::test {
namespace {

struct Close {
  const Connection* connection;
  CloseReason reason;
  bool operator==(const Close&) const = default;
};

/// A process with one worker more, to which closes are reported.
struct SpyPeers final : Peers {
  using Peers::Peers;
  void report_close(const policy::IdlePeriod& period) override { reported.push_back(period); }
  std::vector<policy::IdlePeriod> reported;
};

struct Keeper : Surroundings, LeaseEvents, PeerPool {
  explicit Keeper(const policy::HostSettings& its_settings = {}) : host_settings(its_settings) {}

  // LeaseEvents
  void give_back(Connection&, const GiveBack&, TimePoint) override {}
  bool keep_bound(Connection&, const GiveBack&, TimePoint) override { return false; }
  void close(Connection& connection, CloseReason reason, TimePoint) override {
    closes.push_back({&connection, reason});
    connections.remove(connection).reset();
  }
  std::unique_ptr<net::Stream> detach(Connection&, TimePoint) override { return nullptr; }
  // PeerPool
  std::uint32_t open() const noexcept override { return connections.size(); }
  std::uint32_t idle() const noexcept override { return connections.idle(); }
  const policy::HostSettings& settings() const noexcept override { return host_settings; }
  Gift give_to_peer(const CheckoutRequirements&, bool, TimePoint) override { return {}; }
  void received_from_peer(std::unique_ptr<TransferredConnection>, TimePoint) override {}
  void check_warmth(TimePoint) override {}

  /// One that has served, and lies idle from now on.
  Connection& add_idle(std::optional<Duration> hint = {}, const char* address = "127.0.0.1") {
    Connection& connection = connections.add(std::make_unique<StillStream>(), literal(address, 80), now());
    server.answered(connection.facts, hint, now());
    connections.make_idle(connection, server.held_until(connection.facts, now()), now());
    return connection;
  }
  /// The server is seen to close one that has been idle for so long.
  void learn(Duration age) {
    Connection& connection = add_idle();
    pass(age);
    if (connections.find_idle([&](const Connection& each) { return &each == &connection; }) == nullptr) return;
    keeper.idle_ended(connection, CloseReason::ServerClosedIdle, now());
    closes.clear();
  }
  [[nodiscard]] std::ptrdiff_t logged(std::string_view words) const {
    return std::count_if(log.lines.begin(), log.lines.end(),
                         [words](const std::string& line) { return line.find(words) != std::string::npos; });
  }

  policy::HostSettings host_settings;
  policy::ServerModel server{host_settings, all_hosts};
  UpstreamTarget target{context, {Scheme::Http, "origin.test", 80}, plain_hop()};
  std::unique_ptr<Peers> peers = std::make_unique<SpyPeers>(*this);
  SpyPeers& spy = dynamic_cast<SpyPeers&>(*peers);
  std::vector<Close> closes;
  ConnectionSet connections{wheel, {*this, keeper}};
  IdleKeeper keeper{{context, target, server, connections, peers, *this}};
};

constexpr Duration kLongHint = 60s;

/// A close by the server teaches nothing.
policy::HostSettings not_learning() {
  policy::HostSettings settings;
  settings.learn = false;
  return settings;
}

// ---- Which one serves ----

TEST_CASE_FIXTURE(Keeper, "a trusted connection serves before a newer one that is not trusted") {
  Connection& trusted = add_idle(kLongHint);
  add_idle();
  pass(1s);
  for (const CheckoutRequirements& requirements : {kReplayable, kUnsafe}) {
    CHECK(keeper.find(requirements, now()) == &trusted);
    CHECK(trusted.trusted());
  }
  CHECK(closes.empty());
  CHECK(connections.idle() == 2);
}

TEST_CASE_FIXTURE(Keeper, "else the newest one that the request may use") {
  add_idle();
  pass(1s);
  Connection& newer = add_idle();
  pass(1s);
  CHECK(keeper.find(kReplayable, now()) == &newer);
  CHECK_FALSE(newer.trusted());
  CHECK(keeper.find(kFresh, now()) == nullptr);
}

TEST_CASE_FIXTURE(Keeper, "one that the client may not reach is passed over") {
  remote_filter.denied = {literal("127.0.0.2", 80)};
  Connection& reachable = add_idle();
  Connection& newer = add_idle({}, "127.0.0.2");
  CHECK(keeper.find(kReplayable, now()) == &newer);
  CHECK(keeper.find(kRemote, now()) == &reachable);
  CHECK(keeper.fit(newer, kRemote, now()) == policy::Fit::No);
}

TEST_CASE("what turns out to be dead is closed, and the next one serves") {
  Keeper its(not_learning());
  Connection& older = its.add_idle(kLongHint);
  Connection& newer = its.add_idle(kLongHint);
  its.pass(1s);
  StillStream::of(newer).alive = false;
  CheckoutRequirements requirements = kReplayable;
  SUBCASE("replayable") {}
  SUBCASE("not replayable") {
    requirements = kUnsafe;
  }
  CHECK(its.keeper.find(requirements, its.now()) == &older);
  CHECK(its.closes == std::vector<Close>{{&newer, CloseReason::ServerClosedIdle}});
}

TEST_CASE_FIXTURE(Keeper, "a replayable request needs no check of what has just been returned, and any other does") {
  Connection& connection = add_idle();
  StillStream& stream = StillStream::of(connection);
  CHECK(keeper.find(kReplayable, now()) == &connection);
  CHECK(stream.checks == 0);
  CHECK(keeper.find(kUnsafe, now()) == &connection);
  CHECK(stream.checks == 1);
  pass(2ms);
  CHECK(keeper.find(kReplayable, now()) == &connection);
  CHECK(stream.checks == 2);
}

TEST_CASE_FIXTURE(Keeper, "the oldest one, if it is still open, proves its age for younger ones") {
  Connection& oldest = add_idle();
  pass(1s);
  Connection& younger = add_idle();
  pass(1s);
  SUBCASE("it is open") {
    CHECK(keeper.find(kUnsafe, now()) == &younger);
    CHECK(younger.trusted());
  }
  SUBCASE("it is not") {
    StillStream::of(oldest).alive = false;
    CHECK(keeper.find(kUnsafe, now()) == nullptr);
  }
  CHECK(closes.empty());
}

TEST_CASE_FIXTURE(Keeper, "32 connections are considered for a request, and no more") {
  remote_filter.denied = {literal("127.0.0.2", 80)};
  Connection& reachable = add_idle();
  for (int i = 0; i < 31; ++i) add_idle({}, "127.0.0.2");
  CHECK(keeper.find(kRemote, now()) == &reachable);
  add_idle({}, "127.0.0.2");
  CHECK(keeper.find(kRemote, now()) == nullptr);
}

// ---- What is learned ----

TEST_CASE_FIXTURE(Keeper, "a close by the server is learned from, logged, and reported to the other workers") {
  Connection& connection = add_idle();
  pass(3s);
  keeper.idle_ended(connection, CloseReason::ServerClosedIdle, now());
  CHECK(closes == std::vector<Close>{{&connection, CloseReason::ServerClosedIdle}});
  CHECK(server.learned() == 3s);
  CHECK(logged("upstream origin.test:80 learned: closes when idle for 3000 ms") == 1);
  REQUIRE(spy.reported.size() == 1);
  CHECK(spy.reported[0].age == 3s);
}

TEST_CASE_FIXTURE(Keeper, "what else ends it teaches nothing") {
  Connection& connection = add_idle();
  pass(3s);
  keeper.idle_ended(connection, CloseReason::StrayBytes, now());
  CHECK(closes == std::vector<Close>{{&connection, CloseReason::StrayBytes}});
  CHECK_FALSE(server.learned());
  CHECK(spy.reported.empty());
}

TEST_CASE_FIXTURE(Keeper, "what another worker reports is learned and logged, and not reported again") {
  learn(3s);
  const policy::IdlePeriod seen = spy.reported.at(0);
  Keeper other;
  other.keeper.learn_close(seen);
  CHECK(other.server.learned() == 3s);
  CHECK(other.logged("learned: closes when idle for 3000 ms") == 1);
  CHECK(other.spy.reported.empty());
}

TEST_CASE_FIXTURE(Keeper, "an idle period that a connection lived through is a proof") {
  Connection& connection = add_idle();
  pass(2s);
  keeper.survived(connection, 2s, now());
  connections.remove(connection).reset();
  Connection& next = add_idle();
  pass(1900ms);
  CHECK(keeper.find(kUnsafe, now()) == &next);
}

TEST_CASE_FIXTURE(Keeper, "after a failed request, what has been idle as long is closed, each for its own reason") {
  Connection& alive = add_idle();
  Connection& dead = add_idle();
  StillStream::of(dead).alive = false;
  const TimePoint since = now();
  pass(1s);
  add_idle();
  keeper.close_idle_since(since, 1s, now());
  REQUIRE(closes.size() == 2);
  CHECK(std::count(closes.begin(), closes.end(), Close{&alive, CloseReason::SuspectedStale}) == 1);
  CHECK(std::count(closes.begin(), closes.end(), Close{&dead, CloseReason::ServerClosedIdle}) == 1);
  CHECK(connections.idle() == 1);
}

// ---- When they are closed ----

TEST_CASE("a connection whose time is over is closed for what ended it") {
  policy::HostSettings settings = not_learning();
  settings.idle_timeout = 10s;
  CloseReason reason = CloseReason::IdleTimeout;
  Duration passes = 10s;
  bool alive = true;
  SUBCASE("the idle timeout") {}
  SUBCASE("its life was long enough") {
    settings.max_lifetime = 5s;
    passes = 5s;
    reason = CloseReason::Lifetime;
  }
  SUBCASE("the server was first, unseen") {
    alive = false;
    reason = CloseReason::ServerClosedIdle;
  }
  Keeper its(settings);
  Connection& connection = its.add_idle();
  StillStream::of(connection).alive = alive;
  its.pass(passes - 1ms);
  CHECK(its.closes.empty());
  its.pass(200ms);
  CHECK(its.closes == std::vector<Close>{{&connection, reason}});
}

TEST_CASE_FIXTURE(Keeper, "a deadline that comes too early is put off") {
  Connection& connection = add_idle();
  connections.hold_until(connection, now() + 1s);
  pass(2s);
  CHECK(closes.empty());
  CHECK(connection.due() == server.held_until(connection.facts, now()));
}

TEST_CASE_FIXTURE(Keeper, "one of those that are over is left to lapse, as a test, and the others are closed") {
  learn(3s);
  Connection& tested = add_idle();
  Connection& other = add_idle();
  pass(2100ms);  // the margin is a second
  CHECK(tested.facts.lapse_test);
  CHECK(closes == std::vector<Close>{{&other, CloseReason::IdleTimeout}});
  keeper.apply_what_was_learned(now());
  CHECK(connections.idle() == 1);
}

TEST_CASE_FIXTURE(Keeper, "what is over by what was learned meanwhile is closed, though its deadline is later") {
  Connection& old = add_idle(kLongHint);
  pass(1s);
  Connection& young = add_idle(kLongHint);
  pass(1500ms);
  server.learn_close({.age = 3s, .address = 1, .ended = now()});
  REQUIRE(server.learned());
  keeper.apply_what_was_learned(now());
  // The first is left for a lapse test, unless it is closed: either way its time counts as over.
  CHECK((old.facts.lapse_test || closes == std::vector<Close>{{&old, CloseReason::IdleTimeout}}));
  CHECK_FALSE(young.facts.lapse_test);
  CHECK(connections.newest_idle() == &young);
}

TEST_CASE_FIXTURE(Keeper, "new settings change the deadlines of those that are idle") {
  Connection& connection = add_idle();
  const TimePoint before = connection.due();
  host_settings.idle_timeout = 2s;
  keeper.recheck_deadlines(now());
  CHECK(connection.due() < before);
  pass(2100ms);
  CHECK(closes == std::vector<Close>{{&connection, CloseReason::IdleTimeout}});
}

TEST_CASE_FIXTURE(Keeper, "close_all() closes what matches, the oldest first") {
  Connection& first = add_idle();
  Connection& kept = add_idle();
  Connection& last = add_idle();
  keeper.close_all(CloseReason::Shutdown, now(), [&](const Connection& each) { return &each != &kept; });
  CHECK(closes == std::vector<Close>{{&first, CloseReason::Shutdown}, {&last, CloseReason::Shutdown}});
}

TEST_CASE_FIXTURE(Keeper,
                  "a connection that is bound to a client is usable while it is alive and its time is not over") {
  Connection& connection = add_idle(10s);
  CHECK(keeper.still_usable(connection, now()));
  CHECK_FALSE(keeper.still_usable(connection, now() + 9s));  // the margin is a second
  connection.retiring = CloseReason::NetworkChanged;
  CHECK_FALSE(keeper.still_usable(connection, now()));
  connection.retiring.reset();
  StillStream::of(connection).alive = false;
  CHECK_FALSE(keeper.still_usable(connection, now()));
}

TEST_CASE_FIXTURE(Keeper, "a hint that leaves no time is explained once, and counted each time") {
  Connection& connection = add_idle(1ms);
  connection.facts.round_trip = {.smoothed_us = 2000, .variation_us = 0};
  Connection& other = add_idle(kLongHint);
  keeper.explain_no_time(other, now());
  CHECK(stats.hints_without_room == 0);
  keeper.explain_no_time(connection, now());
  keeper.explain_no_time(connection, now());
  CHECK(stats.hints_without_room == 2);
  CHECK(logged("it says that it closes idle connections after 1 ms, and a round trip takes 2 ms") == 1);
}

}  // namespace
}  // namespace keepwarm::pool::test
