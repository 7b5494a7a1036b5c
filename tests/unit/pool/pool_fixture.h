#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/deadline_wheel.h"
#include "core/net/loop.h"
#include "core/pool/pool.h"
#include "tests/unit/pool/fake_network.h"

/// A pool over a fake network, in a time that the test owns: nothing here waits, and no socket is opened.
namespace keepwarm::pool::test {

using namespace std::chrono_literals;

/// Allows all but what the test denies, by host.
struct Filter final : net::AddressFilter {
  Verdict verdict(const net::SocketAddress& address) const override {
    for (const net::SocketAddress& each : denied) {
      if (each.same_host(address)) return Verdict::Denied;
    }
    return Verdict::Allowed;
  }
  std::vector<net::SocketAddress> denied;
};

struct Lines final : Log {
  bool enabled(LogLevel) const noexcept override { return on; }
  void write(LogLevel, std::string_view line) override { lines.emplace_back(line); }
  std::vector<std::string> lines;
  bool on = true;
};

/// One exchange as the pool sees it: it asks, records what it is given, and listens to the stream as long as it has it.
struct Client final : CheckoutEvents, net::StreamEvents {
  explicit Client(std::vector<Client*>* order_of_events = nullptr) : order(order_of_events) {}

  void on_lease(Lease given, const OpeningTimes& took) override {
    lease = std::move(given);
    lease.stream().set_events(*this);
    times = took;
    happened();
  }
  void on_checkout_failed(const CheckoutFailure& why) override {
    failure = why;
    happened();
  }
  void on_bytes(std::string_view) override {}
  void on_end() override {}
  void on_broken(int) override {}
  void on_drained() override {}

  void happened() {
    ++events;
    if (order != nullptr) order->push_back(this);
    if (then) then();
  }
  [[nodiscard]] bool waiting() const { return waiter && waiter->waiting(); }

  std::optional<Waiter> waiter{std::in_place, *this};
  Lease lease;
  OpeningTimes times;
  std::optional<CheckoutFailure> failure;
  int events = 0;
  std::function<void()> then;
  std::vector<Client*>* order;
};

inline constexpr CheckoutRequirements kReplayable{.replayable = true};
inline constexpr CheckoutRequirements kUnsafe{.replayable = false};
inline constexpr CheckoutRequirements kFresh{.replayable = true, .fresh_only = true};
inline constexpr CheckoutRequirements kRemote{.replayable = true, .fresh_only = false, .local_client = false};

inline policy::HostTable table_of(const policy::HostSettings& settings) {
  auto pattern = policy::parse_host_pattern("*");
  REQUIRE(pattern);
  policy::HostTableEntry entry{.pattern = *pattern, .values = settings, .keys = {}};
  for (std::size_t key = 0; key < policy::host_keys().size(); ++key) entry.keys.push_back(key);
  policy::HostTable table;
  table.add(std::move(entry));
  return table;
}

/// The time of a test: stands still until the test lets it pass.
class FakeClock {
 public:
  FakeClock() { begin_event(); }
  ~FakeClock() { net::Loop::begin_event(); }
  FakeClock(const FakeClock&) = delete;
  FakeClock& operator=(const FakeClock&) = delete;

  [[nodiscard]] TimePoint now() const noexcept { return now_; }
  void advance(Duration by) {
    now_ += by;
    begin_event();
  }
  /// What happens next happens now.
  void begin_event() const noexcept {
    net::Loop::begin_event(now_);
    net::Loop::set_heard_until(now_ - behind);
  }

  Duration behind{};  ///< how long ago the sockets were polled whose events happen now

 private:
  TimePoint now_{1000h};
};

/// The origin "origin.test" on 127.0.0.1, its pool, and the books: at the end no connection is left, and each that was
/// opened was closed for one reason, or detached.
class Fixture {
 public:
  static constexpr std::uint16_t kPort = 8080;

  explicit Fixture(const policy::HostSettings& settings = {}) {
    network.set("origin.test", "127.0.0.1");
    wheel.advance(clock.now());
    pool.emplace(context, table_of(settings));
    host = HostRef(pool->host(origin()));
  }
  ~Fixture() {
    host.reset();
    pool.reset();
    CHECK(stats.connections == 0);
    CHECK(stats.attempts == 0);
    std::uint64_t closes = detached;
    for (const std::uint64_t count : stats.closed) closes += count;
    CHECK(stats.opened == closes);
  }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;

  [[nodiscard]] static OriginView origin() { return {Scheme::Http, "origin.test", kPort}; }
  [[nodiscard]] TimePoint now() const noexcept { return clock.now(); }

  // ---- Time ----

  /// All that can happen now happens.
  virtual void turn() {
    network.turn(clock.now(), [this] { clock.begin_event(); });
    clock.begin_event();
    wheel.advance(clock.now());
    clock.begin_event();
  }
  /// Turns, and lets time pass, until `over` says so; a test in which it never does fails after ten minutes of its
  /// time.
  template <typename Condition>
  void run_until(Condition over) {
    for (Duration passed{}; passed < 10min; passed += kStep) {
      if (over()) return;
      turn();
      if (over()) return;
      clock.advance(kStep);
    }
    FAIL("it never happened");
  }
  /// What should happen only later, or never, has the time to happen.
  void pass(Duration duration) {
    const TimePoint end = clock.now() + duration;
    while (clock.now() < end) {
      turn();
      clock.advance(std::min(kStep, Duration(end - clock.now())));
    }
    turn();
  }

  // ---- Exchanges ----

  void checkout(Client& client, const CheckoutRequirements& requirements) {
    host->checkout(*client.waiter, requirements, clock.now());
  }
  /// A lease at once.
  void take(Client& client, const CheckoutRequirements& requirements) {
    checkout(client, requirements);
    CHECK_MESSAGE(client.lease, "the pool had none to give");
  }
  /// Waits for the connection that has to be opened.
  void open(Client& client, const CheckoutRequirements& requirements = kReplayable) {
    checkout(client, requirements);
    run_until([&] { return client.events > 0; });
    REQUIRE(client.lease);
  }
  /// Ends an exchange; its connection is idle, as if for `age`.
  void give_back(Client& client, Duration age = {}, const http::KeepAliveHint& hint = {}) {
    REQUIRE(client.lease);
    client.lease.give_back({.idle_since = clock.now() - age, .hint = hint});
    CHECK_FALSE(client.lease);
  }
  /// Opens a connection, and leaves it idle, as if for `age`. Returns which it is.
  std::uint16_t add_idle(Duration age = {}, const http::KeepAliveHint& hint = {}) {
    Client client;
    open(client, kFresh);
    const std::uint16_t which = name_of(client);
    give_back(client, age, hint);
    return which;
  }
  /// The same, but it has lain in the pool for that time: its end tells how old it was.
  std::uint16_t add_lying(Duration age, const http::KeepAliveHint& hint = {}) {
    Client client;
    open(client, kFresh);
    const std::uint16_t which = name_of(client);
    const TimePoint since = clock.now() - age;
    net::Loop::begin_event(since);
    client.lease.give_back({.idle_since = since, .hint = hint});
    clock.begin_event();
    return which;
  }
  /// Whether an exchange that asks now is served by what is idle. If not, nothing is opened for it.
  bool served(const CheckoutRequirements& requirements) {
    network.forget("origin.test");
    Client client;
    checkout(client, requirements);
    const bool given = static_cast<bool>(client.lease);
    if (given) give_back(client);
    client.waiter->withdraw();
    while (stats.attempts > 0) turn();
    network.set("origin.test", "127.0.0.1");
    return given;
  }

  // ---- Connections ----

  /// Which connection it is.
  [[nodiscard]] static std::uint16_t name_of(Client& client) {
    REQUIRE(client.lease);
    return dynamic_cast<FakeStream&>(client.lease.stream()).name();
  }
  void close_far_end(std::uint16_t name) { network.wire(name).ended = true; }
  void reset_far_end(std::uint16_t name) { network.wire(name).reset = true; }
  void send_from_far_end(std::uint16_t name, std::string_view bytes) { network.wire(name).bytes += bytes; }

  [[nodiscard]] std::uint64_t closed(CloseReason reason) const {
    return stats.closed[static_cast<std::size_t>(reason)];
  }

  FakeClock clock;
  DeadlineWheel wheel;
  Lines log;
  Filter local_filter, remote_filter;
  FakeNetwork network{local_filter, remote_filter};
  PoolStats stats;
  policy::CloseRiskEstimator all_hosts;
  PoolContext context{network, wheel, local_filter, remote_filter, log, stats, all_hosts};
  std::optional<Pool> pool;
  HostRef host;
  std::uint64_t detached = 0;

 protected:
  static constexpr Duration kStep = 5ms;
};

}  // namespace keepwarm::pool::test
