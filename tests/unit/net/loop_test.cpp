#include "core/net/loop.h"

#include <memory>
#include <optional>
#include <utility>

#include <doctest/doctest.h>

#include "core/net/after_turn.h"
#include "core/net/deadline_clock.h"
#include "core/net/timer.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

TEST_CASE("a loop with nothing to do ends") {
  Loop loop;
  loop.run();
}

TEST_CASE("a deadline clock tells deadlines in their time") {
  struct Alarm final : Deadline {
    void on_deadline(TimePoint now) override { told = now; }
    std::optional<TimePoint> told;
  };
  LoopFixture fixture;
  DeadlineClock clock(fixture.loop);
  Alarm later;
  Alarm sooner;
  const TimePoint start = Loop::now();
  clock.arm(later, start + 120ms);
  clock.arm(sooner, start + 10ms);
  fixture.run_until([&] { return later.told && sooner.told; });
  CHECK(*sooner.told - start >= 10ms);
  CHECK(*later.told - start >= 120ms);
  CHECK(*sooner.told <= *later.told);  // one turn may find both due
}

TEST_CASE("what is to be done after a turn is done once, and not inside it") {
  LoopFixture fixture;
  int done = 0;
  AfterTurn after(fixture.loop, [&] { ++done; });
  bool inside = false;
  Timer timer(fixture.loop, [&] {
    after.request();
    after.request();
    inside = done == 0;
  });
  timer.arm(0ms);
  const TimePoint start = Loop::now();
  fixture.run_until([&] { return done > 0; });
  CHECK(inside);
  CHECK(Loop::now() - start < 10s);  // it must not wait for the next event of anybody else
  fixture.turn();
  CHECK(done == 1);
}

TEST_CASE("a loop has heard of all that came before its last poll but one began") {
  LoopFixture fixture;
  std::optional<TimePoint> heard;
  Timer timer(fixture.loop, [&] { heard = Loop::heard_until(); });
  const auto heard_after = [&](Duration time) {
    timer.arm(time);
    fixture.run_until([&] { return heard.has_value(); });
    return *std::exchange(heard, std::nullopt);
  };
  static_cast<void>(heard_after(0ms));
  static_cast<void>(heard_after(0ms));
  const TimePoint before = Loop::now();
  CHECK(heard_after(20ms) - before < 15ms);  // the last poll but one had waited for the timer
  static_cast<void>(heard_after(0ms));
  const TimePoint after = heard_after(0ms);
  CHECK(after - before >= 15ms);  // libuv's clock is coarse
  CHECK(after <= Loop::now());
}

}  // namespace
}  // namespace keepwarm::net::test
