#include "core/net/connector.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/self_connect.h"
#include "core/net/timer.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

using Kind = ConnectFailure::Kind;
using Verdict = AddressFilter::Verdict;

/// Allows what the test did not say otherwise, and records what it was asked.
struct Filter final : AddressFilter {
  Verdict verdict(const SocketAddress& address) const override {
    asked.push_back(address.text());
    const auto found = verdicts.find(address.host_text());
    return found == verdicts.end() ? Verdict::Allowed : found->second;
  }
  std::map<std::string, Verdict> verdicts;
  mutable std::vector<std::string> asked;
};

/// Records every event in order, as text, and whether it came inside start().
struct ConnectRecorder final : ConnectEvents {
  void on_connected(Connected c) override {
    log.emplace_back("connected");
    connected = std::move(c);
    final_event();
  }
  void on_connect_failed(const ConnectFailure& f) override {
    log.emplace_back("failed");
    failure = f;
    final_event();
    CHECK(failure->kind == f.kind);  // the failure may be read after the connector has gone
  }
  void on_addresses(std::span<const SocketAddress> given) override {
    log.emplace_back("addresses");
    addresses.assign(given.begin(), given.end());
    if (then_on_addresses) then_on_addresses();
    CHECK(std::equal(given.begin(), given.end(), addresses.begin(), addresses.end()));
  }
  void final_event() {
    CHECK_FALSE(inside_start);
    if (then) then();
  }
  [[nodiscard]] bool ended() const { return connected || failure; }

  std::function<void()> then;
  std::function<void()> then_on_addresses;
  std::vector<std::string> log;
  std::vector<SocketAddress> addresses;
  std::optional<Connected> connected;
  std::optional<ConnectFailure> failure;
  bool inside_start = false;
};

struct ConnectorFixture : LoopFixture {
  ConnectorFixture() : ConnectorFixture(Resolver::Settings{.ttl = 1h, .negative_ttl = 1h}) {}
  explicit ConnectorFixture(Resolver::Settings settings)
      : resolver(loop, settings, [this](const std::string& name) { return look_up(name); }) {
    connector.emplace(loop, resolver, filter, events);
  }

  /// Runs on a look-up thread: what names have is written before the look-up begins.
  LookupAnswer look_up(const std::string& name) {
    ++looked_up;
    const auto found = names.find(name);
    if (found == names.end()) return {.addresses = {}, .error = UV_EAI_NONAME};
    return {.addresses = found->second, .error = 0};
  }
  void name(const std::string& text, std::initializer_list<const char*> literals) {
    for (const char* one : literals) names[text].push_back(literal(one));
  }

  void start(std::string_view host, std::uint16_t port, Duration timeout = 10s) {
    events.inside_start = true;
    connector->start(host, port, timeout);
    events.inside_start = false;
  }
  void run(std::string_view host, std::uint16_t port, Duration timeout = 10s) {
    start(host, port, timeout);
    run_until([&] { return events.ended(); });
    turn();  // nothing may follow
    CHECK(events.log.back() == (events.connected ? "connected" : "failed"));
  }
  const ConnectFailure& failure() {
    REQUIRE(events.failure);
    return *events.failure;
  }
  /// TCP handles that nobody has begun to close.
  int open_sockets() {
    int open = 0;
    const auto count = [](uv_handle_t* handle, void* total) {
      if (handle->type == UV_TCP && uv_is_closing(handle) == 0) ++*static_cast<int*>(total);
    };
    uv_walk(&loop.uv(), count, &open);
    return open;
  }
  const Connected& connected() {
    REQUIRE_MESSAGE(events.connected, "it failed");
    return *events.connected;
  }

  std::map<std::string, std::vector<SocketAddress>> names;
  std::atomic<std::size_t> looked_up = 0;
  Filter filter;
  ConnectRecorder events;
  Resolver resolver;
  std::optional<Connector> connector;
};

/// A thing on 127.0.0.1 and listeners on further loopback addresses, all on one port.
template <typename First>
struct SamePort {
  SamePort() {
    // The port is free on 127.0.0.1, which says nothing about the others: try until it is free on all.
    first.emplace(literal("127.0.0.1"));
    second.emplace(literal("127.0.0.2", first->port()));
  }
  [[nodiscard]] std::uint16_t port() const { return first->port(); }
  std::optional<First> first;
  std::optional<Listening> second;
};

TEST_CASE("a literal is connected to without a look-up") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    ConnectorFixture fixture;
    Listening origin(literal(host));
    fixture.run(host, origin.port());
    CHECK(fixture.connected().address == origin.address());
    CHECK(fixture.connected().dns == 0ns);
    CHECK(fixture.connected().connect > 0ns);
    CHECK(fixture.events.log == std::vector<std::string>{"connected"});
    CHECK(fixture.filter.asked == std::vector<std::string>{origin.address().text()});
    CHECK(origin.accept().valid());
    fixture.events.connected.reset();
  }
}

TEST_CASE("a connected stream carries bytes both ways, without Nagle's delay") {
  struct Bytes final : StreamEvents {
    void on_bytes(std::string_view bytes) override { got += bytes; }
    void on_end() override { ended = true; }
    void on_broken(int) override {}
    void on_drained() override {}
    std::string got;
    bool ended = false;
  } bytes;
  ConnectorFixture fixture;
  Listening origin(literal("127.0.0.1"));
  fixture.run("127.0.0.1", origin.port());
  TcpStream& stream = *fixture.connected().stream;
  int nodelay = 0;
  socklen_t size = sizeof nodelay;
  REQUIRE(::getsockopt(stream.fd(), IPPROTO_TCP, TCP_NODELAY, &nodelay, &size) == 0);
  CHECK(nodelay != 0);

  Fd peer = origin.accept();
  REQUIRE(::write(peer.get(), "early", 5) == 5);
  stream.set_events(bytes);
  stream.resume_reading();
  CHECK(write_all(stream, "hello") == WriteResult::Done);
  char buffer[16];
  CHECK(std::string_view(buffer, static_cast<std::size_t>(::read(peer.get(), buffer, sizeof buffer))) == "hello");
  peer = Fd();
  fixture.run_until([&] { return bytes.ended; });
  CHECK(bytes.got == "early");
  fixture.events.connected.reset();
}

TEST_CASE("a name is looked up, its addresses are told, and then connected to") {
  ConnectorFixture fixture;
  Listening origin(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1"});
  fixture.run("a.example", origin.port());
  CHECK(fixture.connected().address == origin.address());
  CHECK(fixture.connected().dns > 0ns);
  CHECK(fixture.events.log == std::vector<std::string>{"addresses", "connected"});
  CHECK(fixture.events.addresses == std::vector{literal("127.0.0.1")});

  SUBCASE("and a cached answer costs no time and no turn of the loop") {
    ConnectRecorder again;
    Connector connector(fixture.loop, fixture.resolver, fixture.filter, again);
    connector.start("a.example", origin.port(), 10s);
    CHECK(again.log == std::vector<std::string>{"addresses"});
    CHECK(origin.accept().valid());
    CHECK(origin.accept().valid());  // the loop has not turned since
    fixture.run_until([&] { return again.ended(); });
    REQUIRE(again.connected);
    CHECK(again.connected->dns == 0ns);
  }
  fixture.events.connected.reset();
}

TEST_CASE("localhost finds a server on either family") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    ConnectorFixture fixture;
    Listening origin(literal(host));
    fixture.run("localhost", origin.port());
    CHECK(fixture.connected().address == origin.address());
    fixture.events.connected.reset();
  }
}

TEST_CASE("a refused connection is told with its address") {
  ConnectorFixture fixture;
  const RefusedPort nobody(literal("127.0.0.1"));
  fixture.run("127.0.0.1", nobody.port());
  CHECK(fixture.failure().kind == Kind::Refused);
  CHECK(fixture.failure().error == UV_ECONNREFUSED);
  CHECK(fixture.failure().address == nobody.address());
}

TEST_CASE("when an address fails the next one is tried at once") {
  ConnectorFixture fixture;
  SamePort<RefusedPort> hosts;
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.connected().address == hosts.second->address());
  CHECK(fixture.connected().connect < Connector::kStagger);
  fixture.events.connected.reset();
}

TEST_CASE("when an address does not answer the next one is tried after the stagger, and the slow one is given up") {
  ConnectorFixture fixture;
  SamePort<BlackHole> hosts;
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.connected().address == hosts.second->address());
  CHECK(fixture.connected().connect >= Connector::kStagger);
  CHECK(fixture.connected().connect < 4 * Connector::kStagger);
  CHECK(fixture.open_sockets() == 1);
  fixture.events.connected.reset();
}

TEST_CASE("when an address answers the next one is not tried") {
  ConnectorFixture fixture;
  SamePort<Listening> hosts;
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.connected().address == hosts.first->address());
  bool stagger_over = false;
  Timer timer(fixture.loop, [&] { stagger_over = true; });
  timer.arm(Connector::kStagger + 20ms);
  fixture.run_until([&] { return stagger_over; });
  CHECK_FALSE(hosts.second->accept().valid());
  CHECK(fixture.events.log.size() == 2);
  fixture.events.connected.reset();
}

TEST_CASE("an answer that the loop comes to late was not late: no other address is tried, and no time limit is over") {
  for (const Duration limit : {Duration(10s), Connector::kStagger}) {
    ConnectorFixture fixture;
    SamePort<Listening> hosts;
    fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
    fixture.run("a.example", hosts.port());  // the name is cached: the next connect begins at once
    ConnectRecorder late;
    Connector connector(fixture.loop, fixture.resolver, fixture.filter, late);
    connector.start("a.example", hosts.port(), limit);
    keep_busy_for(Connector::kStagger + 10ms);
    fixture.run_until([&] { return late.ended(); });
    REQUIRE(late.connected);
    CHECK(late.connected->address == hosts.first->address());
    CHECK_FALSE(hosts.second->accept().valid());
    late.connected.reset();
    fixture.events.connected.reset();
  }
}

TEST_CASE("the addresses are tried in their order, each a stagger after the last") {
  ConnectorFixture fixture;
  const BlackHole first(literal("127.0.0.1"));
  const BlackHole second(literal("127.0.0.2", first.port()));
  Listening third(literal("127.0.0.3", first.port()));
  Listening fourth(literal("127.0.0.4", first.port()));
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"});
  fixture.run("a.example", first.port());
  CHECK(fixture.connected().address == third.address());
  CHECK(fixture.connected().connect >= 2 * Connector::kStagger);
  CHECK_FALSE(fourth.accept().valid());
  fixture.events.connected.reset();
}

TEST_CASE("a failure while another address hangs brings the next one forward") {
  ConnectorFixture fixture;
  const BlackHole first(literal("127.0.0.1"));
  const RefusedPort second(literal("127.0.0.2", first.port()));
  Listening third(literal("127.0.0.3", first.port()));
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2", "127.0.0.3"});
  fixture.run("a.example", first.port());
  CHECK(fixture.connected().address == third.address());
  CHECK(fixture.connected().connect >= Connector::kStagger);
  CHECK(fixture.connected().connect < 2 * Connector::kStagger);
  fixture.events.connected.reset();
}

TEST_CASE("the time limit ends an attempt that nobody answers") {
  ConnectorFixture fixture;
  const BlackHole nowhere(literal("127.0.0.1"));
  const TimePoint before = Loop::now();
  fixture.run("127.0.0.1", nowhere.port(), 50ms);
  CHECK(Loop::now() - before >= 50ms);
  CHECK(fixture.failure().kind == Kind::Timeout);
  CHECK(fixture.failure().error == UV_ETIMEDOUT);
  CHECK(fixture.open_sockets() == 0);
  CHECK(fixture.failure().address == nowhere.address());
}

TEST_CASE("a time limit with some addresses refused is a time limit") {
  for (const bool refused_first : {false, true}) {
    CAPTURE(refused_first);
    ConnectorFixture fixture;
    const BlackHole hole(literal("127.0.0.1"));
    const RefusedPort refused(literal("127.0.0.2", hole.port()));
    if (refused_first) {
      fixture.name("a.example", {"127.0.0.2", "127.0.0.1"});
    } else {
      fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
    }
    fixture.run("a.example", hole.port(), 300ms);
    CHECK(fixture.failure().kind == Kind::Timeout);
  }
}

TEST_CASE("the time limit holds though the last address of a race fails at once while another hangs") {
  ConnectorFixture fixture;
  const BlackHole hole(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1", "255.255.255.255"});  // no SYN goes out to the second
  fixture.run("a.example", hole.port(), Connector::kStagger + 100ms);
  CHECK(fixture.failure().kind == Kind::Timeout);
  CHECK(fixture.failure().error == UV_ETIMEDOUT);
  CHECK(fixture.open_sockets() == 0);
}

TEST_CASE("a time limit of zero is over in the next turn") {
  ConnectorFixture fixture;
  const BlackHole nowhere(literal("127.0.0.1"));
  fixture.run("127.0.0.1", nowhere.port(), 0ms);
  CHECK(fixture.failure().kind == Kind::Timeout);
}

TEST_CASE("a name that hangs ends by the resolver's time limit, though its thread does not") {
  struct Gate {
    std::mutex mutex;
    std::condition_variable opened;
    bool open = false;
  };
  const auto gate = std::make_shared<Gate>();
  {
    LoopFixture fixture;
    Filter filter;
    ConnectRecorder events;
    Resolver resolver(fixture.loop, {.ttl = 1h, .negative_ttl = 1h, .timeout = 30ms}, [gate](const std::string&) {
      std::unique_lock lock(gate->mutex);
      gate->opened.wait(lock, [&] { return gate->open; });
      return LookupAnswer{.addresses = {*SocketAddress::parse("127.0.0.1", 0)}, .error = 0};
    });
    Connector connector(fixture.loop, resolver, filter, events);
    connector.start("slow.example", 80, 10s);
    fixture.run_until([&] { return events.ended(); });
    REQUIRE(events.failure);
    CHECK(events.failure->kind == Kind::DnsTimeout);
    CHECK(events.failure->address.family() == AF_UNSPEC);
    CHECK(resolver.running() == 1);

    const auto open = [&] {
      const std::lock_guard lock(gate->mutex);
      gate->open = true;
      gate->opened.notify_all();
    };
    open();  // the late answer must not reach the connector, which is still there
    fixture.run_until([&] { return resolver.running() == 0; });
    CHECK(events.log == std::vector<std::string>{"failed"});
  }
}

TEST_CASE(
    "a look-up that takes longer than connecting may does not fail it: connecting has its whole time afterwards") {
  LoopFixture fixture;
  Filter filter;
  ConnectRecorder events;
  Listening origin(literal("127.0.0.1"));
  static constexpr Duration kConnectLimit = 300ms;
  const auto slow = [](const std::string&) {
    std::this_thread::sleep_for(kConnectLimit + 50ms);
    return LookupAnswer{.addresses = {*SocketAddress::parse("127.0.0.1", 0)}, .error = 0};
  };
  SUBCASE("and it succeeds") {
    Resolver resolver(fixture.loop, {.ttl = 1h, .negative_ttl = 1h, .timeout = 10s}, slow);
    Connector connector(fixture.loop, resolver, filter, events);
    connector.start("slow.example", origin.port(), kConnectLimit);
    fixture.run_until([&] { return events.ended(); });
    REQUIRE(events.connected);
    CHECK(events.connected->dns > kConnectLimit);
  }
  SUBCASE("or is over when that time is") {
    const BlackHole nowhere(literal("127.0.0.1"));
    Resolver resolver(fixture.loop, {.ttl = 1h, .negative_ttl = 1h, .timeout = 10s}, slow);
    Connector connector(fixture.loop, resolver, filter, events);
    const TimePoint began = Loop::now();
    connector.start("slow.example", nowhere.port(), kConnectLimit);
    fixture.run_until([&] { return events.ended(); });
    REQUIRE(events.failure);
    CHECK(events.failure->kind == Kind::Timeout);
    CHECK(Loop::now() - began >= 2 * kConnectLimit);
  }
  events.connected.reset();
}

TEST_CASE("a name that does not resolve is told as such, from the cache too") {
  ConnectorFixture fixture;
  fixture.run("no.example", 80);
  CHECK(fixture.failure().kind == Kind::Dns);
  CHECK(fixture.failure().error == UV_EAI_NONAME);

  ConnectRecorder again;
  Connector connector(fixture.loop, fixture.resolver, fixture.filter, again);
  again.inside_start = true;
  connector.start("no.example", 80, 10s);
  CHECK(again.log.empty());  // never inside start()
  again.inside_start = false;
  fixture.run_until([&] { return again.ended(); });
  CHECK(again.failure->kind == Kind::Dns);
}

TEST_CASE("addresses that the filter denies are skipped") {
  ConnectorFixture fixture;
  SamePort<Listening> hosts;
  fixture.filter.verdicts["127.0.0.1"] = Verdict::Denied;
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.connected().address == hosts.second->address());
  CHECK(fixture.connected().connect < Connector::kStagger);
  CHECK_FALSE(hosts.first->accept().valid());
  fixture.events.connected.reset();
}

TEST_CASE("when the filter denies all addresses nothing is sent") {
  ConnectorFixture fixture;
  Listening origin(literal("127.0.0.1"));
  fixture.filter.verdicts["127.0.0.1"] = Verdict::Denied;
  SUBCASE("of a literal") {
    fixture.run("127.0.0.1", origin.port());
  }
  SUBCASE("of a name") {
    fixture.name("a.example", {"127.0.0.1"});
    fixture.run("a.example", origin.port());
  }
  CHECK(fixture.failure().kind == Kind::Denied);
  CHECK(fixture.failure().address == origin.address());
  CHECK_FALSE(origin.accept().valid());
}

TEST_CASE("one address that is ourselves ends it all before anything is sent") {
  ConnectorFixture fixture;
  SamePort<Listening> hosts;
  fixture.filter.verdicts["127.0.0.2"] = Verdict::Ourselves;
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.failure().kind == Kind::Ourselves);
  CHECK(fixture.failure().address == hosts.second->address());
  CHECK_FALSE(hosts.first->accept().valid());
}

TEST_CASE("of several failures the one that says most is told, of equals the last") {
  // Connecting to a broadcast address is EACCES or ENETUNREACH, whatever the port: it stands for a missing route.
  ConnectorFixture fixture;
  const RefusedPort refused(literal("127.0.0.1"));
  SUBCASE("refused, then unroutable") {
    fixture.name("a.example", {"127.0.0.1", "255.255.255.255"});
  }
  SUBCASE("unroutable, then refused") {
    fixture.name("a.example", {"255.255.255.255", "127.0.0.1"});
  }
  fixture.run("a.example", refused.port());
  CHECK(fixture.failure().kind == Kind::Refused);
  CHECK(fixture.failure().address == refused.address());
}

TEST_CASE("an address without a route is told as such, never inside start()") {
  ConnectorFixture fixture;
  fixture.run("255.255.255.255", 80);
  CHECK(fixture.failure().kind == Kind::Unroutable);
  CHECK(fixture.failure().address == literal("255.255.255.255", 80));
}

TEST_CASE("out of descriptors is our own shortage, whatever else failed") {
  ConnectorFixture fixture;
  const RefusedPort refused(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1", "127.0.0.2"});
  // Resolve first: the shortage is to hit the sockets.
  ConnectRecorder warm_up;
  Connector first(fixture.loop, fixture.resolver, fixture.filter, warm_up);
  first.start("a.example", refused.port(), 10s);
  fixture.run_until([&] { return warm_up.ended(); });

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  fixture.start("a.example", refused.port());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  fixture.run_until([&] { return fixture.events.ended(); });
  CHECK(fixture.failure().kind == Kind::OutOfDescriptors);
  CHECK(fixture.failure().error == UV_EMFILE);
}

TEST_CASE("a socket that is connected to itself is found out") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    // What the kernel does when its choice of a port falls on the destination, by choosing for it.
    Fd itself(::socket(literal(host).family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
    const SocketAddress any_port = literal(host);
    REQUIRE(::bind(itself.get(), any_port.get(), any_port.size()) == 0);
    SocketAddress to = local_address_of(itself.get());
    REQUIRE(::connect(itself.get(), to.get(), to.size()) == 0);
    CHECK(connected_to_itself(itself.get(), to));
    to = literal(to.family() == AF_INET ? "0.0.0.0" : "::", to.port());
    CHECK(connected_to_itself(itself.get(), to));

    Listening origin(literal(host));
    const Fd other = connect_to(origin.address());
    CHECK_FALSE(connected_to_itself(other.get(), origin.address()));
  }
}

TEST_CASE("a connector can be destroyed at any moment") {
  ConnectorFixture fixture;
  SUBCASE("before start") {}
  SUBCASE("while a look-up is under way") {
    fixture.name("a.example", {"127.0.0.1"});
    fixture.start("a.example", 80);
  }
  SUBCASE("while a connect is under way") {
    const BlackHole nowhere(literal("127.0.0.1"));
    fixture.start("127.0.0.1", nowhere.port());
    fixture.turn();
  }
  SUBCASE("while a refusal is about to be told") {
    const RefusedPort nobody(literal("127.0.0.1"));
    fixture.start("127.0.0.1", nobody.port());
  }
  SUBCASE("while a denial is about to be told") {
    fixture.filter.verdicts["127.0.0.1"] = Verdict::Denied;
    fixture.start("127.0.0.1", 80);
  }
  fixture.connector.reset();
  fixture.run_until([&] { return fixture.resolver.running() == 0; });
  fixture.turn();
  CHECK_FALSE(fixture.events.ended());
}

TEST_CASE("a connector can be destroyed inside any of its events") {
  ConnectorFixture fixture;
  Listening origin(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1"});
  const auto destroy = [&] { fixture.connector.reset(); };
  SUBCASE("on_connected") {
    fixture.events.then = destroy;
    fixture.start("127.0.0.1", origin.port());
    fixture.run_until([&] { return fixture.events.ended(); });
    CHECK(fixture.events.connected);
  }
  SUBCASE("on_connect_failed, all refused") {
    const RefusedPort nobody(literal("127.0.0.1"));
    fixture.events.then = destroy;
    fixture.start("127.0.0.1", nobody.port());
    fixture.run_until([&] { return fixture.events.ended(); });
  }
  SUBCASE("on_connect_failed, out of time") {
    const BlackHole nowhere(literal("127.0.0.1"));
    fixture.events.then = destroy;
    fixture.start("127.0.0.1", nowhere.port(), 10ms);
    fixture.run_until([&] { return fixture.events.ended(); });
    CHECK(fixture.failure().kind == Kind::Timeout);
  }
  SUBCASE("on_addresses, after a look-up") {
    fixture.events.then_on_addresses = destroy;
    fixture.start("a.example", origin.port());
    fixture.run_until([&] { return !fixture.connector; });
    CHECK_FALSE(origin.accept().valid());
  }
  SUBCASE("on_addresses, inside start()") {
    ConnectRecorder warm_up;
    Connector first(fixture.loop, fixture.resolver, fixture.filter, warm_up);
    first.start("a.example", origin.port(), 10s);
    fixture.run_until([&] { return warm_up.ended(); });
    fixture.events.then_on_addresses = destroy;
    fixture.start("a.example", origin.port());
    CHECK_FALSE(fixture.connector);
    fixture.turn();
    CHECK(fixture.events.log == std::vector<std::string>{"addresses"});
  }
  fixture.events.connected.reset();
}

/// A name whose answer is in the cache, and then is another one.
struct MovedFixture : ConnectorFixture {
  void know(std::initializer_list<const char*> literals) {
    name("a.example", literals);
    ConnectRecorder nobody;
    Filter nothing;
    for (const char* one : literals) nothing.verdicts[one] = Verdict::Denied;
    Connector first(loop, resolver, nothing, nobody);
    first.start("a.example", 80, 10s);
    run_until([&] { return nobody.ended(); });
    looked_up = 0;
  }
  void move_to(std::initializer_list<const char*> literals) {
    names["a.example"].clear();
    name("a.example", literals);
  }
};

TEST_CASE("when all addresses of a cached answer fail the name is asked once more, and its new addresses are tried") {
  MovedFixture fixture;
  SamePort<RefusedPort> hosts;
  const RefusedPort other(literal("127.0.0.3", hosts.port()));
  fixture.know({"127.0.0.1", "127.0.0.3"});
  fixture.move_to({"127.0.0.1", "127.0.0.2"});
  fixture.run("a.example", hosts.port());
  CHECK(fixture.connected().address == hosts.second->address());
  CHECK(fixture.connected().dns > 0ns);
  CHECK(fixture.events.log == std::vector<std::string>{"addresses", "addresses", "connected"});
  CHECK(fixture.events.addresses == std::vector{literal("127.0.0.1"), literal("127.0.0.2")});
  // What has failed already is not tried again.
  const auto tried =
      std::count(fixture.filter.asked.begin(), fixture.filter.asked.end(), hosts.first->address().text());
  CHECK(tried == 1);
  CHECK(fixture.looked_up == 1);
  fixture.events.connected.reset();
}

TEST_CASE("a name that is asked once more in vain fails as its first addresses did") {
  MovedFixture fixture;
  const RefusedPort refused(literal("127.0.0.1"));
  fixture.know({"127.0.0.1", "255.255.255.255"});
  fixture.filter.verdicts["127.0.0.4"] = Verdict::Denied;
  std::size_t look_ups = 1;
  SUBCASE("since the answer is the same") {}
  SUBCASE("since the name has gone") {
    fixture.names.erase("a.example");
  }
  SUBCASE("since the new address may not be reached") {
    fixture.move_to({"127.0.0.4"});
  }
  SUBCASE("since the new address refuses, too") {
    const RefusedPort second(literal("127.0.0.2", refused.port()));
    fixture.move_to({"127.0.0.2"});
    fixture.run("a.example", refused.port());
    CHECK(fixture.failure().kind == Kind::Refused);
    CHECK(fixture.failure().address == second.address());
    CHECK(fixture.looked_up == look_ups);
    return;
  }
  fixture.run("a.example", refused.port());
  CHECK(fixture.failure().kind == Kind::Refused);
  CHECK(fixture.failure().address == refused.address());
  CHECK(fixture.looked_up == look_ups);
}

TEST_CASE("an answer that was just given is not asked for once more") {
  ConnectorFixture fixture;
  const RefusedPort refused(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1"});
  fixture.run("a.example", refused.port());
  CHECK(fixture.looked_up == 1);
}

TEST_CASE("a cached address that answers nothing is not used by who comes after the time limit") {
  MovedFixture fixture;
  SamePort<BlackHole> hosts;
  fixture.know({"127.0.0.1"});
  fixture.move_to({"127.0.0.2"});
  fixture.run("a.example", hosts.port(), 50ms);
  CHECK(fixture.failure().kind == Kind::Timeout);
  ConnectRecorder next;
  Connector connector(fixture.loop, fixture.resolver, fixture.filter, next);
  connector.start("a.example", hosts.port(), 10s);
  fixture.run_until([&] { return next.ended(); });
  REQUIRE(next.connected);
  CHECK(next.connected->address == hosts.second->address());
  next.connected.reset();
}

TEST_CASE("what is left of the time limit holds for the second look-up") {
  const auto gate = std::make_shared<std::mutex>();
  LoopFixture fixture;
  Filter filter;
  const RefusedPort refused(literal("127.0.0.1"));
  Resolver resolver(fixture.loop, {.ttl = 1h, .negative_ttl = 1h}, [gate](const std::string&) {
    const std::lock_guard lock(*gate);
    return LookupAnswer{.addresses = {*SocketAddress::parse("127.0.0.1", 0)}, .error = 0};
  });
  const auto run = [&](ConnectRecorder& events) {
    Connector connector(fixture.loop, resolver, filter, events);
    connector.start("a.example", refused.port(), 50ms);
    fixture.run_until([&] { return events.ended(); });
  };
  ConnectRecorder first;
  run(first);
  {
    const std::lock_guard lock(*gate);
    ConnectRecorder second;
    run(second);
    REQUIRE(second.failure);
    CHECK(second.failure->kind == Kind::Refused);
  }
  fixture.run_until([&] { return resolver.running() == 0; });
}

TEST_CASE("connectors for the same name share its look-up") {
  ConnectorFixture fixture({.ttl = 0s, .negative_ttl = 0s});
  Listening origin(literal("127.0.0.1"));
  fixture.name("a.example", {"127.0.0.1"});
  ConnectRecorder other_events;
  Connector other(fixture.loop, fixture.resolver, fixture.filter, other_events);
  fixture.start("a.example", origin.port());
  other.start("a.example", origin.port(), 10s);
  CHECK(fixture.resolver.running() == 1);
  fixture.run_until([&] { return fixture.events.ended() && other_events.ended(); });
  CHECK(fixture.events.connected);
  CHECK(other_events.connected);
  fixture.events.connected.reset();
}

}  // namespace
}  // namespace keepwarm::net::test
