#include "core/net/dns/resolver.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

constexpr Resolver::Settings kUncached{.ttl = 0s, .negative_ttl = 0s};
constexpr Resolver::Settings kCached{.ttl = 1h, .negative_ttl = 1h};

/// A name service whose answers the test holds back until it lets them go. Shared with the look-up threads.
struct NameService {
  std::mutex mutex;
  std::condition_variable changed;
  bool answering = true;
  int error = 0;
  std::vector<std::string> asked;  // in the order in which threads began

  /// What a look-up thread does; keeps the service alive for as long as a thread is inside.
  static Lookup lookup(const std::shared_ptr<NameService>& service) {
    return [service](const std::string& name) {
      std::unique_lock lock(service->mutex);
      service->asked.push_back(name);
      service->changed.notify_all();
      service->changed.wait(lock, [&] { return service->answering; });
      if (service->error != 0) return LookupAnswer{.addresses = {}, .error = service->error};
      return LookupAnswer{.addresses = {*SocketAddress::parse("192.0.2.1", 0)}, .error = 0};
    };
  }
  void hold() { set_answering(false); }
  void let_go() { set_answering(true); }
  void fail_with(int uv_error) {
    const std::lock_guard lock(mutex);
    error = uv_error;
  }
  void wait_until_asked(std::size_t count) {
    std::unique_lock lock(mutex);
    REQUIRE(changed.wait_for(lock, LoopFixture::kPatience, [&] { return asked.size() >= count; }));
  }
  std::size_t times_asked() {
    const std::lock_guard lock(mutex);
    return asked.size();
  }

 private:
  void set_answering(bool on) {
    const std::lock_guard lock(mutex);
    answering = on;
    changed.notify_all();
  }
};

struct Asker final : ResolveEvents {
  void on_resolved(std::span<const SocketAddress> given, int code) override {
    ++told;
    addresses.assign(given.begin(), given.end());
    error = code;
    if (then) then();
  }
  std::optional<Resolver::Query> query{std::in_place};
  std::function<void()> then;
  int told = 0;
  std::vector<SocketAddress> addresses;
  int error = 0;
};

struct ResolverFixture : LoopFixture {
  explicit ResolverFixture(Resolver::Settings settings = kCached)
      : resolver(std::in_place, loop, settings, service_lookup()) {}
  ~ResolverFixture() { service->let_go(); }
  ResolverFixture(const ResolverFixture&) = delete;
  ResolverFixture& operator=(const ResolverFixture&) = delete;

  Lookup service_lookup() const { return NameService::lookup(service); }
  void ask(std::string_view name, Asker& asker) { resolver->resolve(name, *asker.query, asker); }
  void ask_and_wait(std::string_view name, Asker& asker) {
    ask(name, asker);
    run_until([&] { return asker.told > 0; });
  }

  const std::shared_ptr<NameService> service = std::make_shared<NameService>();
  std::optional<Resolver> resolver;
};

std::vector<SocketAddress> addresses(std::initializer_list<const char*> literals) {
  std::vector<SocketAddress> out;
  std::transform(literals.begin(), literals.end(), std::back_inserter(out),
                 [](const char* text) { return literal(text); });
  return out;
}

TEST_CASE("addresses of two families take turns, the first one's first, without duplicates") {
  CHECK(in_connect_order({}).empty());
  CHECK(in_connect_order(addresses({"::1", "::2", "::3", "10.0.0.1"})) == addresses({"::1", "10.0.0.1", "::2", "::3"}));
  CHECK(in_connect_order(addresses({"10.0.0.1", "10.0.0.2", "::1", "::2", "10.0.0.3"})) ==
        addresses({"10.0.0.1", "::1", "10.0.0.2", "::2", "10.0.0.3"}));
  CHECK(in_connect_order(addresses({"::1", "127.0.0.1", "::1", "::ffff:127.0.0.1"})) ==
        addresses({"::1", "127.0.0.1"}));
}

TEST_CASE("a name keeps at most a bounded number of addresses") {
  std::vector<SocketAddress> many;
  many.reserve(200);
  for (int i = 0; i < 200; ++i) many.push_back(literal("10.0.0." + std::to_string(i)));
  CHECK(in_connect_order(many).size() == kMaxAddresses);
}

TEST_CASE("the system's look-up knows this machine, and says so of names that cannot be") {
  const LookupAnswer here = system_lookup("localhost");
  CHECK(here.error == 0);
  REQUIRE_FALSE(here.addresses.empty());
  for (const SocketAddress& address : here.addresses) {
    CHECK(address.is_loopback());
    CHECK(address.port() == 0);
  }
  const LookupAnswer nowhere = system_lookup(std::string(64, 'a') + ".invalid");  // a label has at most 63 characters
  CHECK(nowhere.error < 0);
  CHECK(nowhere.addresses.empty());
}

TEST_CASE("a literal is told at once and asks nobody") {
  ResolverFixture fixture;
  for (const char* text : {"192.0.2.7", "::1", "2001:db8::1"}) {
    Asker asker;
    fixture.ask(text, asker);
    CHECK(asker.told == 1);
    CHECK(asker.addresses == addresses({text}));
    CHECK_FALSE(asker.query->looked_up());
  }
  CHECK(fixture.service->times_asked() == 0);
}

TEST_CASE("localhost and every name below it is both loopback addresses and asks nobody") {
  ResolverFixture fixture;
  for (const char* name : {"localhost", "app.localhost", "a.b.localhost"}) {
    Asker asker;
    fixture.ask(name, asker);
    CHECK(asker.told == 1);
    CHECK(asker.addresses == addresses({"::1", "127.0.0.1"}));
  }
  CHECK(fixture.service->times_asked() == 0);
}

TEST_CASE("a name that cannot be is refused without asking anybody") {
  using namespace std::string_view_literals;
  ResolverFixture fixture;
  const std::string too_long(254, 'a');
  for (const std::string_view name : {""sv, "good.example\0.evil"sv, std::string_view(too_long)}) {
    Asker asker;
    fixture.ask(name, asker);
    CHECK(asker.told == 1);
    CHECK(asker.addresses.empty());
    CHECK(asker.error == UV_EAI_NONAME);
  }
  CHECK(fixture.service->times_asked() == 0);
}

TEST_CASE("an answer comes later, and the next asker has it at once") {
  ResolverFixture fixture;
  Asker first;
  fixture.ask("a.example", first);
  CHECK(first.told == 0);
  CHECK(first.query->pending());
  fixture.run_until([&] { return first.told == 1; });
  CHECK(first.addresses == addresses({"192.0.2.1"}));
  CHECK(first.query->looked_up());
  CHECK_FALSE(first.query->pending());

  Asker second;
  fixture.ask("a.example", second);
  CHECK(second.told == 1);
  CHECK(second.addresses == addresses({"192.0.2.1"}));
  CHECK_FALSE(second.query->looked_up());
  CHECK(fixture.service->times_asked() == 1);

  fixture.ask("a.example", first);  // with the query that took a look-up before
  CHECK(first.told == 2);
  CHECK_FALSE(first.query->looked_up());
}

TEST_CASE("with a ttl of zero each asker asks anew") {
  ResolverFixture fixture(kUncached);
  for (std::size_t times = 1; times <= 3; ++times) {
    Asker asker;
    fixture.ask_and_wait("a.example", asker);
    CHECK(fixture.service->times_asked() == times);
  }
}

TEST_CASE("new settings hold at once") {
  ResolverFixture fixture;
  Asker first;
  fixture.ask_and_wait("a.example", first);
  fixture.resolver->set_settings(kUncached);
  Asker second;
  fixture.ask("a.example", second);
  CHECK(second.told == 0);
  fixture.run_until([&] { return second.told == 1; });
}

TEST_CASE("a name whose answer led nowhere is asked again, but at most once a second while its answer stays the same") {
  ResolverFixture fixture;
  Asker asker;
  const auto ask_again = [&](std::string_view name) { return fixture.resolver->ask_again(name, *asker.query, asker); };
  fixture.ask_and_wait("a.example", asker);
  REQUIRE(ask_again("a.example"));
  CHECK(asker.told == 1);
  fixture.run_until([&] { return asker.told == 2; });
  CHECK(asker.query->looked_up());
  CHECK(fixture.service->times_asked() == 2);
  CHECK_FALSE(ask_again("a.example"));
  for (const char* known : {"localhost", "app.localhost", "192.0.2.1", "::1"}) CHECK_FALSE(ask_again(known));
  CHECK(asker.told == 2);
  CHECK_FALSE(asker.query->pending());
}

TEST_CASE("all who ask again share one look-up") {
  ResolverFixture fixture;
  Asker first;
  Asker second;
  fixture.ask_and_wait("a.example", first);
  fixture.service->hold();
  for (Asker* asker : {&first, &second}) CHECK(fixture.resolver->ask_again("a.example", *asker->query, *asker));
  fixture.service->let_go();
  fixture.run_until([&] { return first.told == 2 && second.told == 1; });
  CHECK(fixture.service->times_asked() == 2);
}

TEST_CASE("a name that is forgotten is asked anew") {
  ResolverFixture fixture;
  Asker asker;
  fixture.ask_and_wait("a.example", asker);
  fixture.resolver->forget("a.example");
  fixture.ask("a.example", asker);
  fixture.run_until([&] { return asker.told == 2; });
  CHECK(fixture.service->times_asked() == 2);
}

TEST_CASE("in another network all names are asked for anew") {
  ResolverFixture fixture;
  Asker asker;
  fixture.ask_and_wait("a.example", asker);
  fixture.resolver->forget_all();
  fixture.ask("a.example", asker);
  fixture.run_until([&] { return asker.told == 2; });
  CHECK(fixture.service->times_asked() == 2);
}

TEST_CASE("a failure is remembered for its own time") {
  ResolverFixture fixture({.ttl = 0s, .negative_ttl = 1h});
  fixture.service->fail_with(UV_EAI_NONAME);
  Asker first;
  fixture.ask_and_wait("no.example", first);
  CHECK(first.error == UV_EAI_NONAME);
  CHECK(first.addresses.empty());
  Asker second;
  fixture.ask("no.example", second);
  CHECK(second.told == 1);
  CHECK(second.error == UV_EAI_NONAME);
  CHECK(fixture.service->times_asked() == 1);
}

TEST_CASE("a shortage of our own is not remembered as a failure of the name") {
  ResolverFixture fixture;
  fixture.service->fail_with(UV_EMFILE);
  Asker first;
  fixture.ask_and_wait("a.example", first);
  CHECK(first.error == UV_EMFILE);
  fixture.service->fail_with(0);
  Asker second;
  fixture.ask_and_wait("a.example", second);
  CHECK(second.addresses == addresses({"192.0.2.1"}));
}

TEST_CASE("identical look-ups under way are merged") {
  ResolverFixture fixture(kUncached);
  fixture.service->hold();
  std::vector<std::unique_ptr<Asker>> askers;
  for (int i = 0; i < 5; ++i) {
    askers.push_back(std::make_unique<Asker>());
    fixture.ask("slow.example", *askers.back());
  }
  CHECK(fixture.resolver->running() == 1);
  fixture.service->let_go();
  fixture.run_until([&] { return askers.back()->told == 1; });
  for (const auto& asker : askers) CHECK(asker->told == 1);
  CHECK(fixture.service->times_asked() == 1);
  CHECK(fixture.resolver->running() == 0);
}

TEST_CASE("an asker that left is not told, and its look-up fills the cache") {
  ResolverFixture fixture;
  fixture.service->hold();
  Asker gone;
  fixture.ask("slow.example", gone);
  gone.query.reset();
  fixture.service->let_go();
  fixture.run_until([&] { return fixture.resolver->running() == 0; });
  CHECK(gone.told == 0);
  Asker next;
  fixture.ask("slow.example", next);
  CHECK(next.told == 1);
}

TEST_CASE("an asker may withdraw others while it is being told") {
  ResolverFixture fixture;
  fixture.service->hold();
  Asker first;
  Asker second;
  Asker third;
  first.then = [&] {
    first.query.reset();
    second.query.reset();
  };
  for (Asker* asker : {&first, &second, &third}) fixture.ask("slow.example", *asker);
  fixture.service->let_go();
  fixture.run_until([&] { return third.told == 1; });
  CHECK(first.told == 1);
  CHECK(second.told == 0);
}

TEST_CASE("an asker may ask again, and for other names, while it is being told") {
  for (const Resolver::Settings settings : {kUncached, kCached}) {
    ResolverFixture fixture(settings);
    Asker first;
    Asker again;
    Asker other;
    first.then = [&] {
      fixture.ask("a.example", again);
      fixture.ask("b.example", other);
    };
    fixture.ask("a.example", first);
    fixture.run_until([&] { return again.told == 1 && other.told == 1; });
    CHECK(first.told == 1);
  }
}

TEST_CASE("an answer from the cache survives what its asker does to the cache") {
  ResolverFixture fixture;
  Asker first;
  fixture.ask_and_wait("a.example", first);
  struct Changer final : ResolveEvents {
    void on_resolved(std::span<const SocketAddress> given, int) override {
      resolver->set_settings(kUncached);
      resolver->resolve("b.example", *asker.query, asker);
      fixture->run_until([&] { return asker.told == 1; });  // b's answer drops a's
      seen.assign(given.begin(), given.end());
    }
    ResolverFixture* fixture = nullptr;
    Resolver* resolver = nullptr;
    Asker asker;
    Resolver::Query query;
    std::vector<SocketAddress> seen;
  } changer;
  changer.fixture = &fixture;
  changer.resolver = &*fixture.resolver;
  fixture.resolver->resolve("a.example", changer.query, changer);
  CHECK(changer.seen == addresses({"192.0.2.1"}));
}

/// There are few descriptors, and so few threads, for as long as this lives. Come before the fixture.
struct FewThreads {
  FewThreads() {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    const rlimit few{512, before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  }
  ~FewThreads() { ::setrlimit(RLIMIT_NOFILE, &before); }
  FewThreads(const FewThreads&) = delete;
  FewThreads& operator=(const FewThreads&) = delete;
  rlimit before{};
  static constexpr std::size_t kCount = 64;
};

TEST_CASE("the descriptors that there may be say how many threads there may be") {
  const FewThreads few;
  CHECK(LookupThreads::max_threads() == FewThreads::kCount);
  for (const auto& [descriptors, threads] : {std::pair<rlim_t, std::size_t>{64, 32}, {256, 32}}) {
    const rlimit limit{descriptors, few.before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
    CHECK(LookupThreads::max_threads() == threads);
  }
}

TEST_CASE("names that hang stop no other one; beyond the threads names wait in order") {
  const FewThreads few;
  constexpr std::size_t kNames = FewThreads::kCount + 3;
  ResolverFixture fixture;
  fixture.service->hold();
  std::vector<std::unique_ptr<Asker>> askers;
  for (std::size_t i = 0; i < kNames; ++i) {
    askers.push_back(std::make_unique<Asker>());
    fixture.ask("n" + std::to_string(i) + ".example", *askers.back());
  }
  fixture.service->wait_until_asked(FewThreads::kCount);  // all of them at once
  CHECK(fixture.resolver->running() == FewThreads::kCount);
  CHECK(fixture.service->times_asked() == FewThreads::kCount);

  fixture.service->let_go();
  const auto all_told = [&] {
    return std::all_of(askers.begin(), askers.end(), [](const auto& asker) { return asker->told == 1; });
  };
  fixture.run_until(all_told);
  CHECK(fixture.service->times_asked() == kNames);
}

TEST_CASE("a name that waits for a thread is not looked up when its askers have left") {
  const FewThreads few;
  ResolverFixture fixture;
  fixture.service->hold();
  std::vector<std::unique_ptr<Asker>> busy;
  for (std::size_t i = 0; i < FewThreads::kCount; ++i) {
    busy.push_back(std::make_unique<Asker>());
    fixture.ask("busy" + std::to_string(i), *busy.back());
  }
  Asker stays;
  {
    std::vector<std::unique_ptr<Asker>> leaving;
    for (int i = 0; i < 1000; ++i) {
      leaving.push_back(std::make_unique<Asker>());
      fixture.ask("left" + std::to_string(i), *leaving.back());
      if (i == 500) fixture.ask("stays", stays);
    }
  }
  fixture.service->let_go();
  fixture.run_until([&] { return stays.told == 1 && fixture.resolver->running() == 0; });
  CHECK(fixture.service->times_asked() == FewThreads::kCount + 1);
}

TEST_CASE("threads are used again") {
  ResolverFixture fixture(kUncached);
  std::set<std::thread::id> threads;
  std::mutex mutex;
  fixture.resolver.emplace(fixture.loop, kUncached, [&](const std::string&) {
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
    return LookupAnswer{.addresses = {*SocketAddress::parse("192.0.2.1", 0)}, .error = 0};
  });
  for (int i = 0; i < 200; ++i) {
    Asker asker;
    fixture.ask_and_wait("a.example", asker);
  }
  // A thread that has answered may not yet be back when the next name comes; that this goes on for ever is excluded.
  CHECK(threads.size() <= 16);
}

TEST_CASE("a resolver can be destroyed while look-ups hang, and its loop ends") {
  auto service = std::make_shared<NameService>();
  service->hold();
  Asker asker;
  {
    LoopFixture fixture;
    Resolver resolver(fixture.loop, kCached, NameService::lookup(service));
    resolver.resolve("slow.example", *asker.query, asker);
    service->wait_until_asked(1);
  }
  CHECK(asker.told == 0);
  CHECK_FALSE(asker.query->pending());
  service->let_go();
}

TEST_CASE("a loop with nothing but an idle resolver has nothing to do") {
  ResolverFixture fixture;
  Asker asker;
  fixture.ask_and_wait("a.example", asker);
  fixture.turn();  // closes the fixture's own timer
  CHECK(uv_loop_alive(&fixture.loop.uv()) == 0);
  fixture.service->hold();
  Asker slow;
  fixture.ask("slow.example", slow);
  CHECK(uv_loop_alive(&fixture.loop.uv()) != 0);
}

}  // namespace
}  // namespace keepwarm::net::test
