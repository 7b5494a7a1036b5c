#include "core/pool/warmer.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "core/pool/waiter_queue.h"
#include "tests/unit/pool/part_fakes.h"

/// What a Warmer does with the connections of a pool that the test plays: what is opened, closed and told to others.
/// What is to be done, and when: policy/keep_warm_test.cpp.
namespace keepwarm::pool::test {
namespace {

/// Other workers, as the test wants them.
struct SpyPeers final : Peers {
  using Peers::Peers;
  bool take_prewarming(bool wants) noexcept override {
    able = wants;
    return ours;
  }
  void resign_prewarming() noexcept override { ++resigned; }
  void remind_prewarmer() override { ++reminded; }
  bool ours = true;
  std::optional<bool> able;
  int resigned = 0;
  int reminded = 0;
};

policy::HostSettings with_keep_warm(std::uint32_t count) {
  policy::HostSettings settings;
  settings.keep_warm = count;
  return settings;
}

struct Warmth : Surroundings, LeaseEvents, IdleEvents, PeerPool, WarmPool, ConnectEvents, WaiterEvents {
  explicit Warmth(const policy::HostSettings& its_settings = with_keep_warm(2)) : host_settings(its_settings) {}
  ~Warmth() {
    warmer.reset();
    attempts.cancel_all();
  }
  Warmth(const Warmth&) = delete;
  Warmth& operator=(const Warmth&) = delete;

  // LeaseEvents
  void give_back(Connection&, const GiveBack&, TimePoint) override {}
  bool keep_bound(Connection&, const GiveBack&, TimePoint) override { return false; }
  void close(Connection& connection, CloseReason reason, TimePoint at) override {
    closes.push_back(reason);
    warmer->lost(connection, reason, at);
    warmer->gone(connection, at);
    connections.remove(connection).reset();
  }
  std::unique_ptr<net::Stream> detach(Connection&, TimePoint) override { return nullptr; }
  // IdleEvents
  void idle_ended(Connection&, CloseReason, TimePoint) override {}
  void idle_time_over(Connection&, TimePoint) override {}
  void was_closed_idle(Connection&, TimePoint) override {}
  bool still_usable(Connection&, TimePoint) override { return true; }
  // PeerPool and WarmPool
  std::uint32_t open() const noexcept override { return connections.size() + attempts.count(); }
  std::uint32_t idle() const noexcept override { return connections.idle(); }
  const policy::HostSettings& settings() const noexcept override { return host_settings; }
  Gift give_to_peer(const CheckoutRequirements&, bool, TimePoint) override { return {}; }
  void received_from_peer(std::unique_ptr<TransferredConnection>, TimePoint) override {}
  void check_warmth(TimePoint at) override {
    ++checks;
    if (warmer) warmer->check(at);
  }
  bool prewarm(TimePoint at) override {
    if (!has_place) return false;
    attempts.start_prewarming(true, 5s, at);
    return true;
  }
  // ConnectEvents
  void connected(ConnectAttempt& attempt, Dialed dialed, TimePoint at) override {
    const auto taken = attempts.take(attempt);
    Connection& connection = connections.add(std::move(dialed.stream), dialed.address, at);
    connection.prewarmed = true;
    connection.facts.idle_since = at;
    connections.make_idle(connection, at + 60s, at);
    warmer->connect_ended(*taken, true, at);
    warmer->made_idle(connection, at);
  }
  void connect_failed(ConnectAttempt& attempt, const DialFailure&, TimePoint at) override {
    warmer->connect_ended(*attempts.take(attempt), false, at);
  }
  void addresses_seen(std::span<const net::SocketAddress>, TimePoint) override {}
  // WaiterEvents
  void waiter_left(ConnectAttempt*, TimePoint) noexcept override {}
  void waiter_timed_out(Waiter&, TimePoint) override {}

  /// A connection that a client has opened and used, and that lies idle from now on.
  Connection& add_idle() {
    Connection& connection = connections.add(std::make_unique<StillStream>(), literal("127.0.0.1", 80), now());
    server.answered(connection.facts, {}, now());
    connections.make_idle(connection, now() + 60s, now());
    warmer->made_idle(connection, now());
    return connection;
  }
  /// A request comes, and all that is due is done.
  void use() {
    warmer->used(now());
    warmer->check_soon(now());
    pass(kTick);
  }
  /// All connects that are under way succeed.
  void let_connect() {
    while (dialer.under_way() > 0) dialer.succeed(dialer.oldest());
  }

  static constexpr Duration kTick = 100ms;

  policy::HostSettings host_settings;
  policy::ServerModel server{host_settings, all_hosts};
  UpstreamTarget target{context, {Scheme::Http, "origin.test", 80}, plain_hop()};
  std::unique_ptr<Peers> peers = std::make_unique<SpyPeers>(*this);
  SpyPeers& spy = dynamic_cast<SpyPeers&>(*peers);
  std::vector<CloseReason> closes;
  bool has_place = true;
  int checks = 0;
  ConnectionSet connections{wheel, {*this, *this}};
  ConnectAttempts attempts{context, target, *this};
  std::optional<Warmer> warmer{std::in_place,
                               Warmer::Parts{context, server, connections, attempts, peers, *this, *this}};
};

TEST_CASE_FIXTURE(Warmth, "a host that was never reached is not connected to for keep_warm alone") {
  use();
  CHECK(checks == 1);
  CHECK(dialer.begun() == 0);
  CHECK(spy.able == false);
  CHECK(peers->last_used() > TimePoint{});
}

TEST_CASE_FIXTURE(Warmth, "what is missing beside the open ones is opened, two at a time, and then no more") {
  host_settings.keep_warm = 4;
  add_idle();
  use();
  CHECK(dialer.begun() == 2);
  CHECK(spy.able == true);
  let_connect();
  pass(kTick);
  CHECK(dialer.begun() == 3);
  let_connect();
  pass(kTick);
  CHECK(connections.idle() == 4);
  CHECK(dialer.begun() == 3);
}

TEST_CASE_FIXTURE(Warmth, "several events within a tick cost one check") {
  add_idle();
  use();
  let_connect();
  pass(kTick);
  const int before = checks;
  for (int i = 0; i < 5; ++i) warmer->check_soon(now());
  CHECK(checks == before);
  pass(kTick);
  CHECK(checks == before + 1);
}

TEST_CASE_FIXTURE(Warmth, "where the pool has no place, it is asked again at the next tick") {
  has_place = false;
  add_idle();
  use();
  CHECK(dialer.begun() == 0);
  has_place = true;
  pass(kTick);
  CHECK(dialer.begun() == 1);
}

TEST_CASE("a failed connect is followed by a pause") {
  Warmth its;
  its.add_idle();
  its.use();
  REQUIRE(its.dialer.begun() == 1);
  its.dialer.fail(1);
  its.pass(500ms);
  CHECK(its.dialer.begun() == 1);
  SUBCASE("it is over after a second") {
    its.pass(400ms);
    CHECK(its.dialer.begun() == 1);
    its.pass(200ms);
    CHECK(its.dialer.begun() == 2);
  }
  SUBCASE("a client's connect ends it") {
    Client client;
    WaiterQueue queue(its.wheel, its);
    queue.add(*client.waiter, kReplayable, 10s, its.now());
    its.attempts.start_for(*client.waiter, 5s, its.now());
    its.dialer.succeed(2);
    its.connections.remove(*its.connections.newest_idle()).reset();  // the client has it
    its.pass(Warmth::kTick);
    CHECK(its.dialer.begun() == 3);
  }
}

TEST_CASE(
    "what is lost as soon as it was opened counts as a failed connect, if others could not have been kept either") {
  struct Case {
    const char* name;
    CloseReason reason;
    Duration age;
    bool pauses;
  };
  const Case cases[] = {
      {"the server closed it when it was young", CloseReason::ServerClosedIdle, 500ms, true},
      {"the server closed it later", CloseReason::ServerClosedIdle, 1100ms, false},
      {"stray bytes", CloseReason::StrayBytes, 500ms, true},
      {"the pool was full", CloseReason::PoolFull, 500ms, true},
      {"others needed its descriptor, whatever its age", CloseReason::OutOfDescriptors, 1100ms, true},
      {"its time was over, having been idle", CloseReason::IdleTimeout, 500ms, false},
      {"an exchange cut it", CloseReason::CutResponse, 500ms, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Warmth its(with_keep_warm(1));
    Connection& connection = its.connections.add(std::make_unique<StillStream>(), literal("127.0.0.1", 80), its.now());
    connection.facts.idle_since = its.now();
    its.connections.make_idle(connection, its.now() + 60s, its.now());
    its.use();
    its.pass(c.age - Warmth::kTick);
    REQUIRE(its.dialer.begun() == 0);
    its.close(connection, c.reason, its.now());
    its.pass(Warmth::kTick);
    CHECK(its.dialer.begun() == (c.pauses ? 0 : 1));
    its.pass(1s);
    CHECK(its.dialer.begun() == 1);
  }
}

TEST_CASE_FIXTURE(Warmth, "one that will soon be trusted no more is expiring, and its successor is opened") {
  host_settings.keep_warm = 1;
  Connection& first = add_idle();
  use();
  CHECK(peers->expiring() == 0);
  const TimePoint until = server.warm_time(first.facts, {}, now()).until;
  pass(until - now() - 50ms);
  CHECK(first.warmth == Connection::Warmth::Expiring);
  CHECK(peers->expiring() == 1);
  CHECK(dialer.begun() == 1);
  SUBCASE("leased, it expires no more") {
    warmer->leased(first);
    CHECK(first.warmth == Connection::Warmth::Warm);
    CHECK(peers->expiring() == 0);
  }
  SUBCASE("nor when it leaves") {
    warmer->gone(first, now());
    CHECK(peers->expiring() == 0);
  }
  SUBCASE("nor where connections are kept warm no more, and another worker may open them") {
    warmer.reset();
    CHECK(first.warmth == Connection::Warmth::Warm);
    CHECK(peers->expiring() == 0);
    CHECK(spy.resigned == 1);
  }
}

TEST_CASE_FIXTURE(
    Warmth,
    "of those that were replaced, what was opened for keep_warm is closed, but for one that shows the timeout") {
  host_settings.keep_warm = 1;
  Connection& observed = add_idle();  // by a client: it is held as without keep_warm
  use();
  pass(10s);  // its time is over, and a successor is there
  REQUIRE(dialer.under_way() == 1);
  let_connect();
  pass(10s);
  CHECK(closes.empty());  // the first successor is still the only one that is warm
  let_connect();
  pass(kTick);
  CHECK(closes == std::vector<CloseReason>{CloseReason::IdleTimeout});
  CHECK(connections.oldest_idle() == &observed);
  CHECK(connections.idle() == 2);
}

TEST_CASE_FIXTURE(Warmth, "a host that nobody uses any more gives up all that is idle, and its part") {
  host_settings.keep_warm_for = 2s;
  add_idle();
  add_idle();
  use();
  pass(1800ms);
  CHECK(closes.empty());
  pass(200ms);
  CHECK(closes == std::vector<CloseReason>{CloseReason::HostUnused, CloseReason::HostUnused});
  CHECK(spy.resigned == 1);
  CHECK(dialer.begun() == 0);
}

TEST_CASE_FIXTURE(Warmth, "where another worker opens for all, it is reminded of what is missing") {
  spy.ours = false;
  add_idle();
  use();
  CHECK(dialer.begun() == 0);
  CHECK(spy.reminded == 1);
  add_idle();
  warmer->check_soon(now());
  pass(kTick);
  CHECK(spy.reminded == 1);  // nothing is missing
}

}  // namespace
}  // namespace keepwarm::pool::test
