#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/intrusive_list.h"
#include "core/pool/host_pool.h"
#include "tests/unit/pool/part_fakes.h"

/// What a pool costs when very many wait. Each event takes as many list steps with 16,000 waiters as with 1,000, and a
/// burst opens about as many connections as it needs at a time.
namespace keepwarm::pool::test {
namespace {

policy::HostSettings at_most(std::uint32_t max_connections) {
  policy::HostSettings settings;
  settings.max_connections = max_connections;
  settings.max_idle = max_connections;
  return settings;
}

constexpr CheckoutRequirements kAll[] = {
    kReplayable, kUnsafe, kFresh, kRemote, {.replayable = false, .fresh_only = false, .local_client = false}};

/// One host's pool and its clients.
class Crowd : public Surroundings {
 public:
  Crowd(std::uint32_t max_connections, std::size_t clients) : Crowd(at_most(max_connections), clients) {}
  Crowd(const policy::HostSettings& settings, std::size_t clients) : settings_(settings) {
    log.on = false;
    host.emplace(context, Origin{Scheme::Http, "origin.test", 80}, plain_hop(), settings_);
    for (std::size_t i = 0; i < clients; ++i) clients_.push_back(std::make_unique<Client>(&served));
  }
  ~Crowd() { clients_.clear(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  [[nodiscard]] std::size_t size() const noexcept { return clients_.size(); }
  [[nodiscard]] Client& operator[](std::size_t index) { return *clients_[index]; }

  void ask(std::size_t index, const CheckoutRequirements& requirements = kReplayable) {
    host->checkout(*clients_[index]->waiter, requirements, now());
  }
  void all_ask() {
    for (std::size_t i = 0; i < size(); ++i) ask(i);
  }
  /// All ask, and the first ones have got connections.
  void all_ask_and_some_have(std::uint32_t connections) {
    all_ask();
    for (std::uint32_t i = 0; i < connections; ++i) dialer.succeed(dialer.oldest());
    REQUIRE(served.size() == connections);
  }
  /// The one that was served longest ago gives its connection back.
  void give_back_first() {
    Client& client = *served[given_back_++];
    client.lease.give_back({.idle_since = now(), .hint = {}});
  }
  void close_first() { served[given_back_++]->lease.close(CloseReason::CutResponse); }

  std::optional<HostPool> host;
  std::vector<Client*> served;  ///< each client that got an event, in order

 private:
  policy::HostSettings settings_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::size_t given_back_ = 0;
};

constexpr std::uint32_t kFew = 64;

std::uint64_t checkout(Crowd& crowd) {
  crowd.all_ask();
  return crowd.size();
}
/// Whatever is begun succeeds, until all have a connection or no more may be open. Nobody is answered.
std::uint64_t connect_all(Crowd& crowd, bool newest_first) {
  std::uint64_t events = 0;
  while (true) {
    for (; crowd.dialer.under_way() > 0; ++events) {
      crowd.dialer.succeed(newest_first ? crowd.dialer.newest() : crowd.dialer.oldest());
    }
    if (crowd.host->waiting() == 0 || crowd.host->open() == crowd.host->settings().max_connections) return events;
    crowd.pass(policy::ConnectPacing::kPatience);
  }
}
std::uint64_t connect_done(Crowd& crowd) {
  return connect_all(crowd, false);
}
std::uint64_t connect_done_newest_first(Crowd& crowd) {
  return connect_all(crowd, true);
}
std::uint64_t connect_failed(Crowd& crowd) {
  std::uint64_t events = 0;
  for (; crowd.dialer.under_way() > 0; ++events) crowd.dialer.fail(crowd.dialer.oldest());
  CHECK(events == crowd.size());
  return events;
}
std::uint64_t give_back(Crowd& crowd) {
  const std::uint64_t events = crowd.size() - kFew;
  for (std::uint64_t i = 0; i < events; ++i) crowd.give_back_first();
  CHECK(crowd.host->waiting() == 0);
  return events;
}
std::uint64_t close_and_connect(Crowd& crowd) {
  const std::uint64_t events = crowd.size() - kFew;
  for (std::uint64_t i = 0; i < events; ++i) {
    crowd.close_first();
    crowd.dialer.succeed(crowd.dialer.oldest());
  }
  CHECK(crowd.host->waiting() == 0);
  return events;
}
std::uint64_t withdraw(Crowd& crowd) {
  for (std::size_t i = 0; i < crowd.size(); ++i) crowd[i].waiter->withdraw();
  return crowd.size();
}
std::uint64_t withdraw_last_first(Crowd& crowd) {
  for (std::size_t i = crowd.size(); i-- > 0;) crowd[i].waiter->withdraw();
  return crowd.size();
}
std::uint64_t queue_timeout(Crowd& crowd) {
  const std::size_t before = crowd.served.size();
  for (int i = 0; i < 220; ++i) crowd.pass(50ms);
  CHECK(crowd.served.size() - before >= crowd.size() - 3 * kFew);
  return crowd.served.size() - before;
}

/// All that can happen, in no order, to clients of all kinds; about as many wait at the end as at the beginning.
std::uint64_t all_at_once(Crowd& crowd) {
  std::uint64_t random = 1;
  const auto next = [&random] {
    random = random * 6364136223846793005 + 1442695040888963407;
    return random >> 33U;
  };
  const std::uint64_t events = 10 * crowd.size();
  for (std::uint64_t i = 0; i < events; ++i) {
    Client& client = crowd[next() % crowd.size()];
    const std::uint64_t what = next() % 8;
    if (client.waiting() && what == 0) client.waiter->withdraw();
    if (client.lease) {
      if (what < 5)
        client.lease.give_back({.idle_since = crowd.now(), .hint = {}});
      else
        client.lease.close(CloseReason::CutResponse);
    }
    if (!client.waiting() && !client.lease) {
      crowd.host->checkout(*client.waiter, kAll[next() % std::size(kAll)], crowd.now());
    }
    if (crowd.dialer.under_way() == 0) continue;
    const std::uint64_t dial = crowd.dialer.somewhere(next() % 1000000);
    what == 7 ? crowd.dialer.fail(dial) : crowd.dialer.succeed(dial);
  }
  return events;
}

/// All connections are idle, and requests fail on others that had been idle for longer. (Opening them counts, too.)
std::uint64_t stale_failure(Crowd& crowd) {
  connect_done(crowd);
  crowd.pass(1s);
  for (std::size_t i = 0; i < crowd.size(); ++i) crowd.give_back_first();
  CHECK(crowd.host->idle() == crowd.size());
  for (std::size_t i = 0; i < crowd.size(); ++i) {
    crowd.host->close_idle_since(crowd.now() - 1ms, 1s, crowd.now());
  }
  CHECK(crowd.host->idle() == crowd.size());
  return crowd.size();
}

/// A reload forbids the newer half of the idle connections. (Opening them counts, too.)
std::uint64_t recheck(Crowd& crowd) {
  const std::size_t half = crowd.size() / 2;
  for (std::size_t i = 0; i < half; ++i) crowd.ask(i);
  connect_done(crowd);
  crowd.dialer.address = "127.0.0.2";
  for (std::size_t i = half; i < crowd.size(); ++i) crowd.ask(i);
  connect_done(crowd);
  for (std::size_t i = 0; i < crowd.size(); ++i) crowd.give_back_first();
  crowd.local_filter.denied = {literal("127.0.0.2")};
  crowd.host->recheck(crowd.now());
  CHECK(crowd.host->idle() == half);
  CHECK(crowd.closed(CloseReason::Reconfigured) == crowd.size() - half);
  return crowd.size();
}

struct Event {
  std::string_view name;
  bool some_have;  ///< kFew connections are leased before
  bool all_ask;
  std::uint64_t (*happen)(Crowd& crowd);  ///< returns how many events there were
};

/// List steps for each event.
double cost(const Event& event, std::uint32_t max_connections, std::size_t clients) {
  Crowd crowd(max_connections, clients);
  if (event.some_have)
    crowd.all_ask_and_some_have(kFew);
  else if (event.all_ask)
    crowd.all_ask();
  const std::uint64_t before = list_steps;
  const std::uint64_t events = event.happen(crowd);
  return static_cast<double>(list_steps - before) / static_cast<double>(events);
}

TEST_CASE("no event of a pool takes more steps when more are waiting") {
  const Event events[] = {
      {"checkout", false, false, checkout},
      {"connect done", false, true, connect_done},
      {"connect done, the newest first", false, true, connect_done_newest_first},
      {"connect failed", false, true, connect_failed},
      {"give back", true, true, give_back},
      {"close, and connect again", true, true, close_and_connect},
      {"withdraw", false, true, withdraw},
      {"withdraw, the last first", false, true, withdraw_last_first},
      {"queue timeout", true, true, queue_timeout},
      {"all at once", false, true, all_at_once},
  };
  for (const std::uint32_t max_connections : {18000U, kFew}) {
    CAPTURE(max_connections);
    for (const Event& event : events) {
      CAPTURE(event.name);
      const double few = cost(event, max_connections, 1000);
      const double many = cost(event, max_connections, 16000);
      CAPTURE(few);
      CAPTURE(many);
      CHECK(many <= 1.1 * few);
    }
  }
}

TEST_CASE("at the limit, clients of all kinds do not make events longer either") {
  const Event event{"all at once", false, true, all_at_once};
  const double few = cost(event, 500, 1000);
  const double many = cost(event, 8000, 16000);
  CAPTURE(few);
  CAPTURE(many);
  CHECK(many <= 1.1 * few);
}

TEST_CASE("a stale failure does not look through all that is idle") {
  const Event event{"stale failure", false, true, stale_failure};
  const double few = cost(event, 18000, 1000);
  const double many = cost(event, 18000, 16000);
  CAPTURE(few);
  CAPTURE(many);
  CHECK(many <= 1.1 * few);
}

TEST_CASE("new settings are checked once for each connection") {
  const Event event{"recheck", false, false, recheck};
  const double few = cost(event, 18000, 1000);
  const double many = cost(event, 18000, 16000);
  CAPTURE(few);
  CAPTURE(many);
  CHECK(many <= 1.1 * few);
}

/// List steps for each connection that is closed, and replaced or not, of a host with keep_warm and so many idle ones.
double cost_of_keeping_warm(std::size_t idle) {
  policy::HostSettings settings = at_most(18000);
  settings.keep_warm = 2;
  Crowd crowd(settings, idle);
  crowd.all_ask();
  connect_done(crowd);
  for (std::size_t i = 0; i < idle; ++i) crowd.give_back_first();
  crowd.pass(100ms);
  constexpr std::uint64_t kEvents = 20;
  const std::uint64_t before = list_steps;
  for (std::uint64_t i = 0; i < kEvents; ++i) {
    CHECK(crowd.host->close_oldest_idle(CloseReason::PoolFull, crowd.now()));
    crowd.pass(100ms);
  }
  CHECK(crowd.host->idle() == idle - kEvents);
  return static_cast<double>(list_steps - before) / static_cast<double>(kEvents);
}

TEST_CASE("to keep a host warm not all that is idle is looked at whenever something happens") {
  const double few = cost_of_keeping_warm(1000);
  const double many = cost_of_keeping_warm(16000);
  CAPTURE(few);
  CAPTURE(many);
  CHECK(many <= 1.1 * few);
}

// ---- Those that lose what was on its way for them ----

struct NoEvents final : WaiterEvents, ConnectEvents {
  void waiter_left(ConnectAttempt*, TimePoint) noexcept override {}
  void waiter_timed_out(Waiter&, TimePoint) override {}
  void connected(ConnectAttempt&, Dialed, TimePoint) override {}
  void connect_failed(ConnectAttempt&, const DialFailure&, TimePoint) override {}
  void addresses_seen(std::span<const net::SocketAddress>, TimePoint) override {}
};

enum class Loss { Connects, ConnectsNewestFirst, Transfers };

/// List steps for each waiter that loses its source, while all others wait, with a source or without one.
double cost_of(Loss what, std::size_t waiters) {
  Surroundings around;
  NoEvents events;
  UpstreamTarget target(around.context, {Scheme::Http, "origin.test", 80}, plain_hop());
  ConnectAttempts attempts(around.context, target, events);
  WaiterQueue queue(around.wheel, events);
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < 2 * waiters; ++i) {
    clients.push_back(std::make_unique<Client>());
    queue.add(*clients.back()->waiter, kReplayable, 10s, around.now());
  }
  ConnectAttempt& attempt = attempts.start_for(*clients.front()->waiter, 5s, around.now());
  for (std::size_t i = 0; i < waiters; ++i) {
    what == Loss::Transfers ? queue.await_transfer(*clients[i]->waiter)
                            : queue.connecting(*clients[i]->waiter, attempt);
  }
  const std::uint64_t before = list_steps;
  for (std::size_t i = 0; i < waiters; ++i) {
    const std::size_t index = what == Loss::ConnectsNewestFirst ? waiters - 1 - i : i;
    what == Loss::Transfers ? queue.refuse_transfer() : queue.connect_lost(*clients[index]->waiter);
  }
  const std::uint64_t steps = list_steps - before;
  CHECK(queue.first_without_source() == &*clients.front()->waiter);
  return static_cast<double>(steps) / static_cast<double>(waiters);
}

TEST_CASE("who loses its source finds its place in line at once, however many lose theirs") {
  for (const Loss what : {Loss::Connects, Loss::ConnectsNewestFirst, Loss::Transfers}) {
    CAPTURE(static_cast<int>(what));
    const double few = cost_of(what, 1000);
    const double many = cost_of(what, 16000);
    CAPTURE(few);
    CAPTURE(many);
    CHECK(many <= 1.1 * few);
  }
}

// ---- How many connections are opened ----

/// Each connect takes a turn, and so does each answer. Clients ask again at once, `requests` times.
void run_closed_loop(Crowd& crowd, std::size_t requests) {
  std::size_t answered = 0;
  for (int turns = 0; answered < requests && turns < 10000; ++turns) {
    const std::vector<Client*> leases = std::exchange(crowd.served, {});
    const std::uint64_t last_dial = crowd.dialer.begun();
    for (Client* const client : leases) {
      REQUIRE(client->lease);
      client->lease.give_back({.idle_since = crowd.now(), .hint = {}});
      crowd.host->checkout(*client->waiter, kReplayable, crowd.now());
      ++answered;
    }
    while (crowd.dialer.under_way() > 0 && crowd.dialer.oldest() <= last_dial) {
      crowd.dialer.succeed(crowd.dialer.oldest());
    }
    crowd.pass(1ms);
  }
  CHECK(answered >= requests);
}

TEST_CASE("a burst opens about as many connections as it needs at a time") {
  constexpr std::size_t kClients = 9000;
  Crowd crowd(18000, kClients);
  for (std::size_t i = 0; i < kFew; ++i) crowd.ask(i);
  run_closed_loop(crowd, kFew);  // they are under way
  for (std::size_t i = kFew; i < kClients; ++i) crowd.ask(i);
  CHECK(crowd.dialer.under_way() == kFew);
  run_closed_loop(crowd, 20 * kClients);
  CAPTURE(crowd.stats.opened);
  CHECK(crowd.stats.opened <= kClients * 11 / 10);
  CHECK(crowd.host->waiting() == 0);
}

TEST_CASE("a server so slow that each request needs its own connection is given all of them in a second or two") {
  constexpr std::size_t kClients = 8000;
  Crowd crowd(18000, kClients);
  crowd.all_ask();
  const TimePoint began = crowd.now();
  connect_done(crowd);
  CHECK(crowd.served.size() == kClients);
  CHECK(crowd.now() - began <= 8 * 2 * policy::ConnectPacing::kPatience);
  CHECK(crowd.stats.opened == kClients);
}

TEST_CASE("the connect of a lone request begins at once, and those of a small group") {
  Crowd crowd(18000, kFew);
  crowd.ask(0);
  CHECK(crowd.dialer.begun() == 1);
  for (std::size_t i = 1; i < kFew; ++i) crowd.ask(i);
  CHECK(crowd.dialer.begun() == kFew);
}

}  // namespace
}  // namespace keepwarm::pool::test
