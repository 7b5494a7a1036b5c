#pragma once

#include <condition_variable>
#include <filesystem>
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

#include "core/net/deadline_clock.h"
#include "core/pool/dialer.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

/// A dialer on a real loop, and whoever it connects to as plain sockets, driven step by step.
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
  void release() {
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

using Via = policy::NextHop::Via;
using Step = DialFailure::Step;
using Kind = net::ConnectFailure::Kind;

inline constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
inline constexpr Duration kLong = 10s;
inline constexpr Duration kShort = 100ms;

/// Plays what is to come to a certain point before a time limit is over: with a short limit, and where a busy machine
/// did not come as far, again with longer ones. `play(limit)` says whether it did; a play that never does has failed.
template <typename Play>
void play_in_time(Play play) {
  for (Duration limit = kShort; limit < 20s; limit *= 4) {
    if (play(limit)) return;
  }
  FAIL("even a long time limit was over before");
}

/// All addresses get the verdict that the test gives, and paths another one.
struct OneVerdict final : net::AddressFilter {
  Verdict verdict(const net::SocketAddress&) const override { return answer; }
  bool is_own_unix_path(std::string_view) const override { return own_path; }
  Verdict answer = Verdict::Allowed;
  bool own_path = false;
};

struct DialRecorder final : DialEvents {
  void on_dialed(Dialed given) override {
    dialed = std::move(given);
    tell("dialed");
  }
  void on_dial_failed(const DialFailure& why) override {
    failure = why;
    tell("failed");
  }
  void on_addresses(std::span<const net::SocketAddress> seen) override {
    addresses.assign(seen.begin(), seen.end());
    if (then_on_addresses) then_on_addresses();
  }
  void tell(const char* what) {
    told.emplace_back(what);
    if (then) then();
  }

  std::vector<std::string> told;
  std::optional<Dialed> dialed;
  DialFailure failure;
  std::vector<net::SocketAddress> addresses;
  std::function<void()> then, then_on_addresses;
};

/// What is spoken on a connection that was dialed.
struct StreamRecorder final : net::StreamEvents {
  void on_bytes(std::string_view bytes) override { got.append(bytes); }
  void on_end() override { over = true; }
  void on_broken(int) override { over = true; }
  void on_drained() override {}
  std::string got;
  bool over = false;
};

class DialFixture : public net::test::LoopFixture {
 public:
  DialFixture()
      : deadlines(loop),
        resolver(loop, {.ttl = Duration::zero(), .negative_ttl = Duration::zero()},
                 [shared = names](const std::string& name) { return shared->look_up(name); }),
        tls(loop),
        context{loop, deadlines, resolver, tls, local_filter, remote_filter} {
    names->set("origin.test", {literal("127.0.0.1")});
    context.via = "keepwarm-test";
    write_pem(folder / "ca.pem", net::test::authority());
    use_a_stream();
    descriptors = open_descriptors();
  }
  ~DialFixture() {
    dialer.reset();
    events.dialed.reset();
    names->release();
    run_until([this] { return resolver.running() == 0; });
    peer = Fd();
    secure.reset();
    turn();
    CHECK(open_descriptors() == descriptors);
  }

  [[nodiscard]] static std::size_t open_descriptors() {
    const auto all = std::filesystem::directory_iterator("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }

  // Where to

  [[nodiscard]] policy::NextHop direct() const {
    policy::NextHop hop;
    hop.origin = {Scheme::Http, "origin.test", listening.port()};
    hop.host = hop.origin.host;
    hop.port = hop.origin.port;
    return hop;
  }
  [[nodiscard]] policy::NextHop connect_to(const std::string& host = "127.0.0.1") const {
    policy::NextHop hop = direct();
    hop.via = Via::ConnectTo;
    hop.origin = {Scheme::Http, "elsewhere.test", 80};
    hop.host = host;
    return hop;
  }
  [[nodiscard]] policy::NextHop parent(const std::string& destination = "far.test") const {
    policy::NextHop hop = connect_to();
    hop.via = Via::Parent;
    hop.origin = {Scheme::Https, destination, 443};
    hop.credentials = "user:secret";
    hop.parent_tunnel = true;
    return hop;
  }
  [[nodiscard]] policy::NextHop with_tls(policy::NextHop hop) const {
    hop.tls = policy::TlsTerms{
        .ca_file = folder / "ca.pem", .client_certificate = {}, .client_key = {}, .server_name = "server.example"};
    return hop;
  }

  // What happens

  void make_dialer(DialRequest request) { dialer = std::make_unique<Dialer>(context, std::move(request), events); }
  void dial(policy::NextHop to, Duration timeout = kLong, bool local_client = true) {
    way = std::move(to);
    started = net::Loop::now();
    make_dialer({.hop = way, .local_client = local_client, .timeout = timeout, .tickets = tickets});
    dialer->start();
    CHECK(events.told.empty());  // never inside start()
  }
  void run_until_told() {
    pump_until([this] { return !events.told.empty(); });
  }
  /// The origin's or parent's end of the connection.
  void accept() {
    pump_until([this] { return (peer = listening.accept()).valid(); });
  }
  /// The same where a short time limit may be over before: whether it was not.
  [[nodiscard]] bool accept_in_time() {
    pump_until([this] { return !events.told.empty() || (peer = listening.accept()).valid(); });
    return events.told.empty();
  }
  void say(std::string_view bytes) const {
    REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// What the peer is sent up to an empty line.
  std::string hear_head() {
    std::string heard;
    pump_until([&] {
      char byte = 0;
      while (!heard.ends_with("\r\n\r\n") && ::recv(peer.get(), &byte, 1, MSG_DONTWAIT) == 1) heard += byte;
      return heard.ends_with("\r\n\r\n");
    });
    return heard;
  }
  /// The peer speaks TLS from here on.
  void secure_peer() {
    secure = std::make_unique<net::test::TlsPeer>(server);
    secure->fd = std::move(peer);
  }
  /// Runs the loop and the TLS server until `done` holds.
  void pump_until(const std::function<bool()>& done) {
    const TimePoint give_up = net::Loop::now() + kPatience;
    while (!done()) {
      if (net::Loop::now() >= give_up) FAIL("the awaited event did not come");
      uv_run(&loop.uv(), UV_RUN_NOWAIT);
      if (secure && secure->fd.valid()) secure->pump();
    }
  }
  /// Lets this much time pass.
  void run_for(Duration time) {
    const TimePoint end = net::Loop::now() + time;
    pump_until([end] { return net::Loop::now() >= end; });
  }
  [[nodiscard]] Duration elapsed() const { return net::Loop::now() - started; }
  [[nodiscard]] bool told(const char* what) const { return events.told == std::vector<std::string>{what}; }

  std::shared_ptr<Names> names = std::make_shared<Names>();
  net::test::TempFolder folder;
  Listening listening{literal("127.0.0.1")};
  net::test::TlsServerContext server;
  OneVerdict local_filter, remote_filter;
  net::DeadlineClock deadlines;
  net::Resolver resolver;
  net::TlsClient tls;
  std::shared_ptr<net::TlsTickets> tickets = std::make_shared<net::TlsTickets>(tls.ticket_bound());
  DialContext context;
  DialRecorder events;
  policy::NextHop way;
  std::unique_ptr<Dialer> dialer;
  Fd peer;
  std::unique_ptr<net::test::TlsPeer> secure;
  TimePoint started;
  std::size_t descriptors = 0;

 private:
  /// The first stream of a loop has libuv open a descriptor of its own.
  void use_a_stream() {
    StreamRecorder nobody;
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const Fd other(ends[1]);
    net::TcpStream::adopt(loop, ends[0], nobody).reset();
    turn();
  }
};

}  // namespace keepwarm::pool::test
