#include "core/net/timer.h"

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/deadline_clock.h"
#include "core/net/tcp_stream.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

/// A stream in whose socket something will lie that nobody has read.
struct UnreadPeer final : StreamEvents {
  explicit UnreadPeer(Loop& loop) {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    far = Fd(ends[0]);
    stream = TcpStream::adopt(loop, ends[1], *this);
    REQUIRE(stream);
    stream->resume_reading();
  }
  void send() const { REQUIRE(::send(far.get(), "x", 1, MSG_NOSIGNAL) == 1); }

  void on_bytes(std::string_view) override {
    read = true;
    if (then) then();
  }
  void on_end() override {}
  void on_broken(int) override {}
  void on_drained() override {}

  Fd far;
  std::unique_ptr<TcpStream> stream;
  std::function<void()> then;
  bool read = false;
};

TEST_CASE("a timer fires once, not before its time") {
  LoopFixture fixture;
  int fired = 0;
  Timer timer(fixture.loop, [&] { ++fired; });
  for (const Duration after : {Duration(0), Duration(1ns), Duration(5ms), Duration(12345678ns)}) {
    CAPTURE(after.count());
    fired = 0;
    const TimePoint start = Loop::now();
    timer.arm(after);
    fixture.run_until([&] { return fired > 0; });
    CHECK(Loop::now() - start >= after);
    fixture.turn();
    CHECK(fired == 1);
  }
}

TEST_CASE("arming a timer again replaces the first time, and disarming ends it") {
  LoopFixture fixture;
  bool fired = false;
  bool other_fired = false;
  Timer timer(fixture.loop, [&] { fired = true; });
  Timer other(fixture.loop, [&] { other_fired = true; });
  timer.arm(1h);
  timer.arm(1ms);
  fixture.run_until([&] { return fired; });

  fired = false;
  timer.arm(1ms);
  timer.disarm();
  other.arm(5ms);
  fixture.run_until([&] { return other_fired; });
  CHECK_FALSE(fired);
}

TEST_CASE("a timer can be destroyed inside its own event") {
  LoopFixture fixture;
  std::optional<Timer> timer;
  timer.emplace(fixture.loop, [&] { timer.reset(); });
  timer->arm(0ms);
  fixture.run_until([&] { return !timer; });
}

TEST_CASE("a timer that is disarmed or destroyed once its time is up does not fire") {
  LoopFixture fixture;
  UnreadPeer peer(fixture.loop);
  bool fired = false;
  bool other_fired = false;
  bool last_fired = false;
  std::optional<Timer> destroyed(std::in_place, fixture.loop, [&] { fired = true; });
  Timer disarmed(fixture.loop, [&] { other_fired = true; });
  Timer last(fixture.loop, [&] { last_fired = true; });
  peer.then = [&] {
    destroyed.reset();
    disarmed.disarm();
  };
  destroyed->arm(0ms);
  disarmed.arm(0ms);
  last.arm(0ms);
  fixture.turn();  // it is polled
  peer.send();
  keep_busy_for(5ms);
  fixture.run_until([&] { return last_fired; });
  CHECK(peer.read);
  CHECK_FALSE(fired);
  CHECK_FALSE(other_fired);
}

TEST_CASE("what has arrived is read before a time that has passed is acted on") {
  LoopFixture fixture;
  UnreadPeer peer(fixture.loop);
  fixture.turn();
  std::optional<bool> read_before;
  Timer timer(fixture.loop, [&] { read_before = peer.read; });
  timer.arm(10ms);
  peer.send();
  keep_busy_for(20ms);
  fixture.run_until([&] { return read_before.has_value(); });
  CHECK(*read_before);
}

TEST_CASE("what has arrived is read before a deadline that has passed is told") {
  struct Alarm final : Deadline {
    explicit Alarm(UnreadPeer& unread) : peer(unread) {}
    void on_deadline(TimePoint) override { read_before = peer.read; }
    UnreadPeer& peer;
    std::optional<bool> read_before;
  };
  LoopFixture fixture;
  UnreadPeer peer(fixture.loop);
  fixture.turn();
  DeadlineClock clock(fixture.loop);
  Alarm alarm(peer);
  clock.arm(alarm, Loop::now() + 10ms);
  peer.send();
  keep_busy_for(DeadlineWheel::kTick + 20ms);
  fixture.run_until([&] { return alarm.read_before.has_value(); });
  CHECK(*alarm.read_before);
}

TEST_CASE("more sockets than one epoll_wait reports are read first, all of them") {
  constexpr std::size_t kSockets = 1100;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlim_t wanted = 2 * kSockets + 100;
  REQUIRE(before.rlim_max >= wanted);
  const rlimit raised{std::max(before.rlim_cur, wanted), before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &raised) == 0);
  {
    LoopFixture fixture;
    std::vector<std::unique_ptr<UnreadPeer>> peers;
    while (peers.size() < kSockets) peers.push_back(std::make_unique<UnreadPeer>(fixture.loop));
    fixture.turn();
    std::optional<std::size_t> read_before;
    Timer timer(fixture.loop, [&] {
      read_before = 0;
      for (const auto& peer : peers) *read_before += peer->read ? 1U : 0U;
    });
    for (const auto& peer : peers) peer->send();
    timer.arm(0ms);
    keep_busy_for(5ms);
    fixture.run_until([&] { return read_before.has_value(); });
    CHECK(*read_before == kSockets);
  }
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("a timer that comes long after its time waits as long again, but not longer than the grace") {
  struct Case {
    const char* name;
    Duration away, more;
  };
  for (const Case& c :
       {Case{"a turn that was long", Timer::kAway / 2, 0ms}, Case{"stopped", Timer::kAway, Timer::kAway},
        Case{"stopped for long", Timer::kGrace + 100ms, Timer::kGrace}}) {
    CAPTURE(c.name);
    LoopFixture fixture;
    int fired = 0;
    Timer timer(fixture.loop, [&] { ++fired; });
    timer.arm(0ms);
    keep_busy_for(c.away);
    const TimePoint back = Loop::now();
    fixture.run_until([&] { return fired > 0; });
    CHECK(Loop::now() - back >= c.more);
    fixture.turn();
    CHECK(fired == 1);
    timer.arm(0ms);  // as if nothing had been
    fixture.run_until([&] { return fired == 2; });
  }
}

}  // namespace
}  // namespace keepwarm::net::test
