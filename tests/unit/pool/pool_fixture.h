#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/tcp_stream.h"
#include "core/pool/pool.h"
#include "tests/unit/net/net_fixture.h"

/// A pool on a real loop, with origins that are sockets of the test and names that the test gives.
namespace keepwarm::pool::test {

using net::test::Fd;
using net::test::Listening;
using net::test::literal;
using namespace std::chrono_literals;

/// What names resolve to, and a gate that holds look-ups back. Shared with the look-up threads, which may outlive a
/// test.
class Names {
 public:
  void set(const std::string& name, std::vector<net::SocketAddress> addresses) {
    const std::lock_guard lock(mutex_);
    names_[name] = std::move(addresses);
  }
  void forget(const std::string& name) {
    const std::lock_guard lock(mutex_);
    names_.erase(name);
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    held_ = true;
  }
  void let_go() {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
  }
  /// On a look-up thread. A name that is not there does not resolve.
  net::LookupAnswer look_up(const std::string& name) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !held_; });
    const auto found = names_.find(name);
    if (found == names_.end()) return {.addresses = {}, .error = UV_EAI_NONAME};
    return {.addresses = found->second, .error = 0};
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<net::SocketAddress>> names_;
  bool held_ = false;
};

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
  explicit Client(std::vector<Client*>* told_in_order = nullptr) : order(told_in_order) {}

  void on_lease(Lease given, const OpeningTimes& took) override {
    lease = std::move(given);
    lease.stream().set_events(*this);
    times = took;
    told();
  }
  void on_checkout_failed(const CheckoutFailure& why) override {
    failure = why;
    told();
  }
  void on_bytes(std::string_view) override {}
  void on_end() override {}
  void on_broken(int) override {}
  void on_drained() override {}

  void told() {
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

inline constexpr Demand kReplayable{.replayable = true};
inline constexpr Demand kUnsafe{.replayable = false};
inline constexpr Demand kFresh{.replayable = true, .fresh_only = true};
inline constexpr Demand kRemote{.replayable = true, .fresh_only = false, .local_client = false};

inline policy::HostTable table_of(const policy::HostSettings& settings) {
  auto pattern = policy::parse_host_pattern("*");
  REQUIRE(pattern);
  policy::HostTableEntry entry{.pattern = *pattern, .values = settings, .keys = {}};
  for (std::size_t key = 0; key < policy::host_keys().size(); ++key) entry.keys.push_back(key);
  policy::HostTable table;
  table.add(std::move(entry));
  return table;
}

/// The origin "origin.test" on 127.0.0.1, its pool, and the books: at the end no connection is left, and each that was
/// opened was closed for one reason, or detached.
class Fixture : public net::test::LoopFixture {
 public:
  explicit Fixture(const policy::HostSettings& settings = {})
      : deadlines(loop),
        resolver(loop, {.ttl = Duration::zero(), .negative_ttl = Duration::zero()},
                 [shared = names](const std::string& name) { return shared->look_up(name); }),
        tls(loop),
        context{loop, deadlines, resolver, tls, local_filter, remote_filter, log} {
    names->set("origin.test", {literal("127.0.0.1")});
    pool.emplace(context, table_of(settings));
    host = HostRef(pool->host(origin()));
  }
  ~Fixture() {
    host.reset();
    pool.reset();
    names->let_go();
    CHECK(context.stats.connections == 0);
    CHECK(context.stats.openings == 0);
    std::uint64_t closes = detached;
    for (const std::uint64_t count : context.stats.closed) closes += count;
    CHECK(context.stats.opened == closes);
    // Look-ups under way keep the loop alive until their threads have answered.
    run_until([this] { return resolver.running() == 0; });
  }

  [[nodiscard]] OriginView origin() const { return {Scheme::Http, "origin.test", listening.port()}; }

  /// A lease at once.
  void take(Client& client, const Demand& demand) {
    host->checkout(*client.waiter, demand);
    CHECK_MESSAGE(client.lease, "the pool had none to give");
  }
  /// Waits for the connection that has to be opened.
  void open(Client& client, const Demand& demand = kReplayable) {
    host->checkout(*client.waiter, demand);
    run_until([&] { return client.events > 0; });
    REQUIRE(client.lease);
  }
  /// Ends an exchange; its connection is idle, as if for `age`.
  static void give_back(Client& client, Duration age = {}, const http::KeepAliveHint& hint = {}) {
    REQUIRE(client.lease);
    net::Loop::begin_event();
    client.lease.give_back({.idle_since = net::Loop::now() - age, .hint = hint});
    CHECK_FALSE(client.lease);
    net::Loop::begin_event();
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
    const TimePoint since = net::Loop::now() - age;
    net::Loop::begin_event(since);
    client.lease.give_back({.idle_since = since, .hint = hint});
    net::Loop::begin_event();
    return which;
  }

  /// Whether an exchange that asks now is served by what is idle. If not, nothing is opened for it.
  bool served(const Demand& demand) {
    names->forget("origin.test");
    Client client;
    host->checkout(*client.waiter, demand);
    const bool given = static_cast<bool>(client.lease);
    if (given) give_back(client);
    client.waiter->withdraw();
    run_until([this] { return context.stats.openings == 0; });
    names->set("origin.test", {literal("127.0.0.1")});
    return given;
  }
  /// What should happen only later, or never, has the time to happen.
  void pass(Duration duration) {
    bool over = false;
    net::Timer timer(loop, [&over] { over = true; });
    timer.arm(duration);
    run_until([&over] { return over; });
  }

  /// A connection's name: its port on our side.
  [[nodiscard]] static std::uint16_t name_of(Client& client) {
    REQUIRE(client.lease);
    return net::test::local_address_of(dynamic_cast<net::TcpStream&>(client.lease.stream()).fd()).port();
  }
  /// The origin's end of a connection.
  [[nodiscard]] Fd& far_end(std::uint16_t name) {
    while (true) {
      Fd accepted = listening.accept();
      if (!accepted.valid()) break;
      sockaddr_storage storage{};
      socklen_t size = sizeof storage;
      REQUIRE(::getpeername(accepted.get(), reinterpret_cast<sockaddr*>(&storage), &size) == 0);
      const auto peer = net::SocketAddress::from(reinterpret_cast<sockaddr*>(&storage));
      REQUIRE(peer);
      far_ends[peer->port()] = std::move(accepted);
    }
    REQUIRE(far_ends.contains(name));
    return far_ends[name];
  }
  void close_far_end(std::uint16_t name) { far_end(name) = Fd(); }

  [[nodiscard]] std::uint64_t closed(CloseReason reason) const {
    return context.stats.closed[static_cast<std::size_t>(reason)];
  }

  std::shared_ptr<Names> names = std::make_shared<Names>();
  Listening listening{literal("127.0.0.1")};
  Lines log;
  Filter local_filter, remote_filter;
  net::DeadlineClock deadlines;
  net::Resolver resolver;
  net::TlsClient tls;
  PoolContext context;
  std::optional<Pool> pool;
  HostRef host;
  std::map<std::uint16_t, Fd> far_ends;
  std::uint64_t detached = 0;
};

}  // namespace keepwarm::pool::test
