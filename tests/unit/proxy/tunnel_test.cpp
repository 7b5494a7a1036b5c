#include "core/proxy/tunnel.h"

#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"
#include "tests/unit/proxy/fake_stream.h"

namespace keepwarm::proxy::test {
namespace {

using namespace std::chrono_literals;

/// A tunnel between two streams without sockets. `client` and `upstream` are what the peers see and do.
struct RelayFixture : TunnelEvents {
  explicit RelayFixture(const policy::TunnelLimits& limits = {}) : client_stream(client) {
    deadlines.advance(clock.now());
    tunnel.emplace(deadlines, client_stream, std::make_unique<FakeStream>(upstream), limits, open_tunnels, *this);
    CHECK(open_tunnels == 1);
  }
  ~RelayFixture() {
    tunnel.reset();
    CHECK(open_tunnels == 0);
  }
  void start() { tunnel->start({}, {}, false); }
  void on_tunnel_ended(ExchangeOutcome how) override {
    ++ended;
    ended_by = how;
    if (destroys_itself) tunnel.reset();
  }

  void pass(Duration time) {
    clock.advance(time);
    clock.begin_event();
    deadlines.advance(clock.now());
  }
  /// Lets time pass until the tunnel has ended; returns how much that was.
  Duration run_until_ended() {
    const TimePoint began = clock.now();
    while (ended == 0 && clock.now() < began + 1min) pass(5ms);
    CHECK(ended == 1);
    return clock.now() - began;
  }

  pool::test::FakeClock clock;
  DeadlineWheel deadlines;
  FakeWire client, upstream;
  FakeStream client_stream;
  Gauge open_tunnels{};
  std::optional<Tunnel> tunnel;
  int ended = 0;
  ExchangeOutcome ended_by = ExchangeOutcome::Completed;
  bool destroys_itself = false;
};

TEST_CASE("a tunnel passes bytes both ways and counts them") {
  RelayFixture fixture;
  CHECK_FALSE(fixture.client.reading);
  fixture.start();
  fixture.client.bytes("hello");
  fixture.client.bytes(", you");
  fixture.upstream.bytes("yes?");
  CHECK(fixture.upstream.sent == "hello, you");
  CHECK(fixture.client.sent == "yes?");
  CHECK(fixture.tunnel->bytes_from_client() == 10);
  CHECK(fixture.tunnel->bytes_from_upstream() == 4);
  CHECK(fixture.ended == 0);
}

TEST_CASE("both sides of a tunnel are asked for signs of life while nothing passes") {
  RelayFixture fixture;
  fixture.start();
  fixture.pass(90ms);
  fixture.client.bytes("so far, something does");
  fixture.pass(90ms);
  CHECK_FALSE(fixture.client.keepalive);
  CHECK_FALSE(fixture.upstream.keepalive);
  fixture.pass(60ms);
  CHECK(fixture.client.keepalive);
  CHECK(fixture.upstream.keepalive);
}

TEST_CASE("bytes that came before the tunnel go first") {
  RelayFixture fixture;
  fixture.tunnel->start("early", "banner", false);
  fixture.client.bytes(" and late");
  fixture.upstream.bytes(" and more");
  CHECK(fixture.upstream.sent == "early and late");
  CHECK(fixture.client.sent == "banner and more");
  CHECK(fixture.tunnel->bytes_from_client() == 14);
  CHECK(fixture.tunnel->bytes_from_upstream() == 15);
}

TEST_CASE("early bytes that do not go out at once keep their source from being read") {
  RelayFixture fixture;
  SUBCASE("from the upstream") {
    fixture.client.full = true;
    fixture.tunnel->start({}, "banner", false);
    CHECK_FALSE(fixture.upstream.reading);
    fixture.client.drain();
    CHECK(fixture.upstream.reading);
  }
  SUBCASE("from the client") {
    fixture.upstream.full = true;
    fixture.tunnel->start("early", {}, false);
    CHECK_FALSE(fixture.client.reading);
    fixture.upstream.drain();
    CHECK(fixture.client.reading);
  }
  SUBCASE("when they are refused, for good") {
    fixture.upstream.fail_from = 1;
    fixture.tunnel->start("early", {}, false);
    CHECK_FALSE(fixture.client.reading);
    CHECK(fixture.upstream.reading);
  }
}

TEST_CASE("each side may end its direction while the other goes on") {
  RelayFixture fixture;
  fixture.start();
  const bool client_first = [] {
    bool first = false;
    SUBCASE("the client first") {
      first = true;
    }
    SUBCASE("the upstream first") {}
    return first;
  }();
  FakeWire& first = client_first ? fixture.client : fixture.upstream;
  FakeWire& second = client_first ? fixture.upstream : fixture.client;
  first.bytes("last words");
  first.end();
  CHECK(second.sent == "last words");
  CHECK(second.fin_sent());
  CHECK_FALSE(first.finished);
  CHECK(fixture.ended == 0);
  second.bytes("more ");
  second.bytes("to say");
  CHECK(first.sent == "more to say");
  second.end();
  CHECK_FALSE(first.fin_sent());  // the close that follows says as much
  CHECK(fixture.ended == 1);
  CHECK_FALSE(first.reset);
  CHECK_FALSE(second.reset);
}

TEST_CASE("a client that had ended before the tunnel gets its answer") {
  RelayFixture fixture;
  fixture.tunnel->start("the whole request", {}, true);
  CHECK(fixture.upstream.sent == "the whole request");
  CHECK(fixture.upstream.fin_sent());
  fixture.upstream.bytes("answer");
  CHECK(fixture.client.sent == "answer");
  fixture.upstream.end();
  CHECK(fixture.ended == 1);
}

TEST_CASE("a tunnel ends only when all has gone out") {
  RelayFixture fixture;
  fixture.start();
  SUBCASE("to the client") {
    fixture.client.full = true;
    fixture.upstream.bytes("a slow client's");
    fixture.client.end();
    CHECK(fixture.upstream.fin_sent());
    // A stream that is paused may have told its end in the same turn.
    fixture.upstream.events->on_end();
    CHECK(fixture.ended == 0);
    CHECK_FALSE(fixture.client.fin_sent());
    fixture.client.drain();
    CHECK(fixture.client.sent == "a slow client's");
    CHECK(fixture.client.fin_sent());
  }
  SUBCASE("to the upstream") {
    fixture.upstream.full = true;
    fixture.client.bytes("a slow server's");
    fixture.upstream.end();
    fixture.client.events->on_end();
    CHECK(fixture.ended == 0);
    fixture.upstream.drain();
    CHECK(fixture.upstream.sent == "a slow server's");
  }
  CHECK(fixture.ended == 1);
  CHECK_FALSE(fixture.client.reset);
}

TEST_CASE("draining one side does not end a tunnel whose other side still has bytes to send") {
  RelayFixture fixture;
  fixture.start();
  fixture.client.full = fixture.upstream.full = true;
  fixture.client.bytes("up");
  fixture.upstream.bytes("down");
  fixture.client.events->on_end();
  fixture.upstream.events->on_end();
  fixture.client.drain();
  CHECK(fixture.ended == 0);
  fixture.upstream.drain();
  CHECK(fixture.ended == 1);
}

TEST_CASE("a side that does not read stops the other from being read, and nothing else") {
  RelayFixture fixture;
  fixture.start();
  fixture.client.full = true;
  fixture.upstream.bytes("one");
  CHECK_FALSE(fixture.upstream.reading);
  CHECK(fixture.client.reading);
  fixture.client.bytes("the other direction goes on");
  CHECK(fixture.upstream.sent == "the other direction goes on");
  CHECK(fixture.client.reading);
  fixture.client.drain();
  CHECK(fixture.upstream.reading);
  CHECK(fixture.client.sent == "one");
  fixture.upstream.bytes("two");
  CHECK(fixture.client.sent == "onetwo");
  CHECK(fixture.upstream.pauses == 1);
  CHECK(fixture.client.pauses == 0);
}

TEST_CASE("a failure of either side resets both, once") {
  RelayFixture fixture;
  fixture.start();
  ExchangeOutcome ended_by = ExchangeOutcome::Origin;
  SUBCASE("the client's") {
    fixture.client.broken(-ECONNRESET);
    ended_by = ExchangeOutcome::Client;
  }
  SUBCASE("the upstream's") {
    fixture.upstream.broken(-ETIMEDOUT);
  }
  SUBCASE("after the other's end") {
    fixture.client.end();
    fixture.upstream.broken(-ECONNRESET);
  }
  CHECK(fixture.ended == 1);
  CHECK(fixture.ended_by == ended_by);
  CHECK(fixture.client.reset);
  CHECK(fixture.upstream.reset);
}

TEST_CASE("a write that fails ends nothing: what the peer has still to say arrives first") {
  RelayFixture fixture;
  fixture.start();
  fixture.upstream.fail_from = 2;
  fixture.client.bytes("taken");
  fixture.client.bytes("refused");
  CHECK(fixture.ended == 0);
  CHECK_FALSE(fixture.client.reading);
  fixture.upstream.bytes("goodbye, because");
  CHECK(fixture.client.sent == "goodbye, because");
  fixture.upstream.broken(-ECONNRESET);
  CHECK(fixture.ended == 1);
  CHECK(fixture.client.reset);
  CHECK(fixture.upstream.sent == "taken");
}

TEST_CASE("a tunnel may be destroyed in its last event") {
  RelayFixture fixture;
  fixture.destroys_itself = true;
  fixture.start();
  SUBCASE("both ended") {
    fixture.client.end();
    fixture.upstream.end();
  }
  SUBCASE("drained") {
    fixture.client.full = true;
    fixture.upstream.bytes("bytes");
    fixture.client.end();
    fixture.upstream.events->on_end();
    fixture.client.drain();
  }
  SUBCASE("broken") {
    fixture.upstream.broken(-ECONNRESET);
  }
  CHECK(fixture.ended == 1);
  CHECK_FALSE(fixture.tunnel);
  CHECK(fixture.upstream.destroyed);
  CHECK_FALSE(fixture.client.destroyed);
}

TEST_CASE("a tunnel may end in its start, once, and be destroyed there") {
  for (const bool destroys : {true, false}) {
    for (const bool client_ended : {true, false}) {
      CAPTURE(destroys);
      CAPTURE(client_ended);
      RelayFixture fixture;
      fixture.destroys_itself = destroys;
      fixture.client.fail_from = fixture.upstream.fail_from = 1;  // neither side takes anything any more
      fixture.tunnel->start("early", "banner", client_ended);
      CHECK(fixture.ended == 1);
      CHECK(fixture.tunnel.has_value() != destroys);
    }
  }
}

TEST_CASE("a tunnel whose sides take nothing any more ends with the last one") {
  RelayFixture fixture;
  fixture.start();
  fixture.upstream.fail_from = fixture.client.fail_from = 1;
  fixture.client.bytes("refused");
  CHECK(fixture.ended == 0);
  SUBCASE("by its end") {
    fixture.upstream.end();
    CHECK(fixture.client.finished);
  }
  SUBCASE("by its refusal") {
    fixture.upstream.bytes("refused too");
  }
  CHECK(fixture.ended == 1);
}

TEST_CASE("a silent tunnel ends at its limit, by a reset; one without a limit does not") {
  RelayFixture fixture({.open = 20ms, .half_closed = 1h});
  FakeWire other_client, other_upstream;
  FakeStream other_stream(other_client);
  struct Nothing final : TunnelEvents {
    void on_tunnel_ended(ExchangeOutcome) override { FAIL("it has no limit"); }
  } nothing;
  Tunnel unlimited(fixture.deadlines, other_stream, std::make_unique<FakeStream>(other_upstream), {},
                   fixture.open_tunnels, nothing);
  unlimited.start({}, {}, false);
  fixture.start();
  const Duration took = fixture.run_until_ended();
  CHECK(took >= 20ms);
  CHECK(took <= 20ms + 2 * DeadlineWheel::kTick);
  CHECK(fixture.ended_by == ExchangeOutcome::Timeout);
  CHECK(fixture.client.reset);
  CHECK(fixture.upstream.reset);
}

TEST_CASE("whatever happens in either direction puts the limit off") {
  RelayFixture fixture({.open = 1h, .half_closed = 1h});
  fixture.start();
  fixture.pass(1s);  // from here on it has keepalive, and the limit alone counts
  const auto puts_off = [&](const std::function<void()>& happens) {
    fixture.clock.advance(1s);
    happens();
    CHECK(fixture.tunnel->due() == fixture.clock.now() + 1h);
  };
  puts_off([&] { fixture.client.bytes("x"); });
  puts_off([&] { fixture.upstream.bytes("x"); });
  fixture.client.full = true;
  puts_off([&] { fixture.upstream.bytes("x"); });
  puts_off([&] { fixture.client.drain(); });
  puts_off([&] { fixture.client.end(); });
}

TEST_CASE("a tunnel of which one side has ended has the limit of those, and keeps it") {
  RelayFixture fixture({.open = 1h, .half_closed = 20ms});
  fixture.start();
  fixture.pass(1s);
  fixture.client.bytes("x");
  CHECK(fixture.tunnel->due() == fixture.clock.now() + 1h);
  SUBCASE("the client's end") {
    fixture.client.end();
    fixture.upstream.bytes("x");
  }
  SUBCASE("the upstream's end") {
    fixture.upstream.end();
    fixture.client.bytes("x");
  }
  SUBCASE("a side that takes nothing any more") {
    fixture.upstream.fail_from = 1;
    fixture.client.bytes("refused");
  }
  fixture.run_until_ended();
  CHECK(fixture.ended_by == ExchangeOutcome::Timeout);
  CHECK(fixture.client.reset);
}

TEST_CASE("a half-closed tunnel has a limit though others have none") {
  RelayFixture fixture({.open = 0s, .half_closed = 20ms});
  fixture.start();
  fixture.upstream.end();
  fixture.run_until_ended();
  CHECK(fixture.ended_by == ExchangeOutcome::Timeout);
}

TEST_CASE("a slow reader that takes bytes keeps its tunnel, one that takes none does not") {
  RelayFixture fixture({.open = 10ms, .half_closed = 1h});
  std::size_t unacknowledged = 4;
  int looks = 0;
  fixture.client.unacknowledged = [&] {
    ++looks;
    return unacknowledged > 1 ? --unacknowledged : unacknowledged;
  };
  fixture.start();
  fixture.run_until_ended();
  CHECK(looks == 4);  // 3, 2, 1, and 1 again
}

}  // namespace
}  // namespace keepwarm::proxy::test
