#include "core/pool/peers.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/pool/shared_peers.h"
#include "tests/unit/pool/pair_fixture.h"
#include "tests/unit/pool/part_fakes.h"

/// What one worker's pool is told of the others, without pools: whoever is asked answers what the test says.
namespace keepwarm::pool::test {
namespace {

using policy::Admission;

/// A worker's pool, as its Peers sees it.
struct FakePool final : PeerPool, IdlePeer {
  [[nodiscard]] std::uint32_t open() const noexcept override { return open_count; }
  [[nodiscard]] std::uint32_t idle() const noexcept override { return idle_count; }
  [[nodiscard]] const policy::HostSettings& settings() const noexcept override { return its_settings; }
  [[nodiscard]] Gift give_to_peer(const CheckoutRequirements& requirements, bool or_place, TimePoint) override {
    asked_for.push_back(requirements);
    asked_for_place = or_place;
    return std::exchange(gift, {});
  }
  void received_from_peer(std::unique_ptr<TransferredConnection> connection, TimePoint) override {
    ++received;
    if (connection) connections.push_back(std::move(connection));
  }
  void check_warmth(TimePoint) override { ++warmth_checks; }
  void close_idle_since(TimePoint since, Duration, TimePoint) override { closed_since = since; }
  void learn_close(const policy::IdlePeriod& period) override { learned = period; }
  std::optional<Duration> displace_bound(Duration, TimePoint) override { return std::nullopt; }

  std::uint32_t open_count = 0;
  std::uint32_t idle_count = 0;
  policy::HostSettings its_settings;
  Gift gift;
  std::vector<CheckoutRequirements> asked_for;
  bool asked_for_place = false;
  int received = 0;
  std::vector<std::unique_ptr<TransferredConnection>> connections;
  int warmth_checks = 0;
  std::optional<TimePoint> closed_since;
  std::optional<policy::IdlePeriod> learned;
};

std::unique_ptr<TransferredConnection> some_connection() {
  return std::make_unique<TransferredConnection>(
      TransferredConnection{std::make_unique<StillDetachedStream>(), literal("127.0.0.1", 80), {}});
}

// ---- Alone ----

TEST_CASE("alone, its own pool is all there is") {
  FakePool pool;
  Peers peers(pool);
  pool.open_count = 3;
  pool.idle_count = 2;
  CHECK(peers.alone());
  CHECK(peers.open() == 3);
  CHECK(peers.idle() == 2);
  CHECK_FALSE(peers.full());
  CHECK(peers.reserve() == Admission::Connect);
  CHECK_FALSE(peers.needed_elsewhere(TimePoint::max()));
  CHECK_FALSE(peers.ask_for_transfer(kReplayable, TimePoint{}));
  CHECK(peers.pending_transfers() == 0);
  CHECK_FALSE(peers.await_place(kReplayable, TimePoint{}));
  CHECK(peers.take_prewarming(true));
  peers.show_expiring(2);
  CHECK(peers.expiring() == 2);
  peers.used(TimePoint(5s));
  CHECK(peers.last_used() == TimePoint(5s));
}

TEST_CASE("alone, at the limit an idle connection gives way, and else one waits") {
  FakePool pool;
  Peers peers(pool);
  pool.its_settings.max_connections = 2;
  pool.open_count = 2;
  CHECK(peers.full());
  CHECK(peers.reserve() == Admission::Wait);
  pool.idle_count = 1;
  CHECK(peers.reserve() == Admission::ReplaceIdle);
}

TEST_CASE("alone, so many idle ones are too many") {
  struct Case {
    const char* name;
    std::uint32_t open, idle, too_many;
  };
  const Case cases[] = {
      {"within both limits", 4, 2, 0},    {"beyond max_idle", 4, 3, 1},          {"beyond max_connections", 6, 2, 2},
      {"no more than are idle", 9, 1, 1}, {"the larger excess counts", 5, 4, 2},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    FakePool pool;
    pool.its_settings.max_connections = 4;
    pool.its_settings.max_idle = 2;
    Peers peers(pool);
    pool.open_count = c.open;
    pool.idle_count = c.idle;
    CHECK(peers.idle_rose(c.open, c.idle, pool.its_settings) == c.too_many);
  }
}

// ---- Two workers ----

policy::HostSettings small_limits() {
  policy::HostSettings settings;
  settings.max_connections = 2;
  settings.max_idle = 2;
  return settings;
}

/// One worker.
struct Worker {
  Worker(Surroundings& around, SharedPool& shared_pool, std::uint32_t number)
      : context{around.dialer, around.wheel, around.local_filter, around.remote_filter,
                around.log,    around.stats, around.all_hosts} {
    context.shared = &shared_pool;
    context.worker = number;
    shared_pool.register_worker(number, mailbox, context);
    pool.its_settings = small_limits();
    peers.emplace(static_cast<PeerPool&>(pool), static_cast<IdlePeer&>(pool), context,
                  Origin{Scheme::Http, "origin.test", 80});
  }
  /// What its pool would do: it opens one if it may.
  bool open() {
    if (peers->reserve() != Admission::Connect) return false;
    ++pool.open_count;
    return true;
  }
  std::uint32_t make_idle() {
    ++pool.idle_count;
    return peers->idle_rose(pool.open_count, pool.idle_count, pool.its_settings);
  }
  void close() {
    --pool.open_count;
    peers->place_freed();
    peers->give_free_places(TimePoint::max());
  }

  PoolContext context;
  FakeMailbox mailbox;
  FakePool pool;
  std::optional<SharedPeers> peers;
};

struct Workers : Surroundings {
  ~Workers() {
    for (Worker* const each : {&a, &b}) each->peers.reset();
    turn();
    CHECK(host->open() == 0);
    CHECK_FALSE(host->anybody_waits());
    for (Worker* const each : {&a, &b}) each->mailbox.close();
  }
  void turn() {
    while (a.mailbox.deliver([] {}) || b.mailbox.deliver([] {})) {
    }
  }
  SharedPool shared_pool{2};
  Worker a{*this, shared_pool, 0};
  Worker b{*this, shared_pool, 1};
  std::shared_ptr<SharedHost> host = shared_pool.host({Scheme::Http, "origin.test", 80}, small_limits());
};

TEST_CASE_FIXTURE(Workers, "max_connections holds for all together, and a freed place is everybody's") {
  CHECK_FALSE(a.peers->alone());
  CHECK(a.open());
  CHECK(b.open());
  CHECK(a.peers->open() == 2);
  CHECK(a.peers->full());
  CHECK_FALSE(a.open());
  b.close();
  CHECK(a.peers->open() == 1);
  CHECK(a.open());
}

TEST_CASE_FIXTURE(Workers, "a request for an idle connection is answered by one, or by none") {
  REQUIRE(b.open());
  static_cast<void>(b.make_idle());
  REQUIRE(a.peers->ask_for_transfer(kRemote, now()));
  CHECK(a.peers->pending_transfers() == 1);
  CHECK(b.pool.asked_for.empty());  // it is a message
  SUBCASE("one") {
    b.pool.gift.connection = some_connection();
    b.pool.open_count = b.pool.idle_count = 0;
    b.peers->idle_fell();
    turn();
    CHECK(a.pool.connections.size() == 1);
    a.pool.open_count = 1;
  }
  SUBCASE("none") {
    turn();
    CHECK(a.pool.connections.empty());
  }
  REQUIRE(b.pool.asked_for.size() == 1);
  CHECK_FALSE(b.pool.asked_for.front().local_client);
  CHECK_FALSE(b.pool.asked_for_place);
  CHECK(a.pool.received == 1);
  CHECK(a.peers->pending_transfers() == 0);
  CHECK(a.peers->open() == 1);  // it was counted all the time
}

TEST_CASE_FIXTURE(Workers, "nobody is asked for what it cannot have") {
  CHECK_FALSE(a.peers->ask_for_transfer(kReplayable, now()));  // nothing is idle anywhere
  REQUIRE(b.open());
  static_cast<void>(b.make_idle());
  CHECK_FALSE(a.peers->ask_for_transfer(kFresh, now()));
  CHECK(a.peers->ask_for_transfer(kReplayable, now()));
  CHECK_FALSE(a.peers->ask_for_transfer(kReplayable, now()));  // that one is asked for already
  turn();
}

TEST_CASE_FIXTURE(Workers, "a connection that comes back goes to the worker whose waiter has waited longest") {
  REQUIRE(b.open());
  REQUIRE(b.open());
  CHECK_FALSE(b.peers->needed_elsewhere(TimePoint::max()));
  CHECK_FALSE(a.peers->await_place(kReplayable, now()));
  CHECK(host->anybody_waits());
  CHECK_FALSE(b.peers->needed_elsewhere(now()));  // b's own waiter is as old
  REQUIRE(b.peers->needed_elsewhere(now() + 1s));
  CHECK_FALSE(host->anybody_waits());  // it is notified
  SUBCASE("with the connection") {
    b.peers->pass_on(some_connection());
    --b.pool.open_count;
    turn();
    CHECK(a.pool.connections.size() == 1);
    ++a.pool.open_count;
  }
  SUBCASE("or, if that had to stay, with the word that it look again") {
    b.peers->pass_on(nullptr);
    turn();
    CHECK(a.pool.connections.empty());
  }
  CHECK(a.pool.received == 1);
}

TEST_CASE_FIXTURE(Workers, "a freed place goes to who waits, and counts all the time") {
  REQUIRE(b.open());
  REQUIRE(b.open());
  CHECK_FALSE(a.peers->await_place(kReplayable, now()));
  b.close();
  CHECK(a.peers->open() == 2);
  turn();
  CHECK(a.pool.received == 1);
  SUBCASE("who uses it") {
    CHECK(a.open());
    CHECK(a.peers->open() == 2);
  }
  SUBCASE("or gives it back") {
    a.peers->give_free_places(TimePoint::max());
    CHECK(a.peers->open() == 1);
  }
}

TEST_CASE_FIXTURE(Workers, "who waits at the limit asks for a place of who has idle ones, once") {
  REQUIRE(b.open());
  REQUIRE(b.open());
  static_cast<void>(b.make_idle());
  CHECK_FALSE(a.peers->await_place(kFresh, now()));
  CHECK_FALSE(a.peers->await_place(kFresh, now()));
  b.pool.gift.place = true;
  b.pool.open_count = 1;
  b.pool.idle_count = 0;
  b.peers->idle_fell();
  turn();
  CHECK(b.pool.asked_for.size() == 1);
  CHECK(b.pool.asked_for_place);
  CHECK(a.open());
  a.peers->stop_awaiting();
}

TEST_CASE_FIXTURE(Workers, "who does not wait any more is not waited for") {
  REQUIRE(b.open());
  REQUIRE(b.open());
  CHECK_FALSE(a.peers->await_place(kReplayable, now()));
  a.peers->stop_awaiting();
  CHECK_FALSE(b.peers->needed_elsewhere(TimePoint::max()));
}

TEST_CASE_FIXTURE(Workers, "what is too many idle ones is closed by one worker, not by both") {
  policy::HostSettings settings = small_limits();
  settings.max_idle = 1;
  a.pool.its_settings = b.pool.its_settings = settings;
  a.peers->settings_changed();
  b.peers->settings_changed();
  REQUIRE(a.open());
  REQUIRE(b.open());
  CHECK(a.make_idle() == 0);
  CHECK(b.make_idle() == 1);
  CHECK(a.peers->idle_rose(1, 1, settings) == 0);  // b is about to close one
  CHECK(a.peers->idle() == 1);
  b.pool.idle_count = 0;
  b.peers->idle_fell();
  b.close();
  CHECK(a.peers->idle() == 1);
}

TEST_CASE_FIXTURE(Workers, "what one sees of the server is told to the other") {
  REQUIRE(b.open());
  static_cast<void>(b.make_idle());
  a.peers->close_idle_since(now() - 3s, 3s);
  a.peers->report_close({.age = 3s, .address = 1, .ended = now(), .lapse_test = true});
  turn();
  CHECK(b.pool.closed_since == now() - 3s);
  REQUIRE(b.pool.learned);
  CHECK(b.pool.learned->age == 3s);
  CHECK_FALSE(b.pool.learned->lapse_test);
  CHECK_FALSE(a.pool.learned);
}

TEST_CASE_FIXTURE(Workers, "one of them prewarms, until it resigns") {
  CHECK(a.peers->take_prewarming(true));
  CHECK_FALSE(b.peers->take_prewarming(true));
  b.peers->remind_prewarmer();
  a.peers->remind_prewarmer();  // that is itself
  turn();
  CHECK(a.pool.warmth_checks == 1);
  CHECK(b.pool.warmth_checks == 0);
  a.peers->show_expiring(1);
  b.peers->show_expiring(2);
  CHECK(a.peers->expiring() == 3);
  a.peers->resign_prewarming();
  CHECK(b.peers->take_prewarming(true));
  CHECK_FALSE(b.peers->take_prewarming(false));  // it cannot
  CHECK(a.peers->take_prewarming(true));
  b.peers->used(now());
  CHECK(a.peers->last_used() == now());
}

TEST_CASE_FIXTURE(Workers, "who leaves counts no more, and what still comes for it is closed") {
  REQUIRE(a.open());
  REQUIRE(b.open());
  static_cast<void>(b.make_idle());
  REQUIRE(a.peers->ask_for_transfer(kReplayable, now()));
  b.pool.gift.connection = some_connection();
  a.peers->leave();
  b.pool.open_count = b.pool.idle_count = 0;
  b.peers->idle_fell();
  turn();
  CHECK(a.pool.received == 0);
  CHECK(closed(CloseReason::Reconfigured) == 1);
  CHECK(b.peers->open() == 0);
}

}  // namespace
}  // namespace keepwarm::pool::test
