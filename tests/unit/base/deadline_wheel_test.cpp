#include "core/base/deadline_wheel.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTick = DeadlineWheel::kTick;
constexpr Duration kRound = kTick * 512;

/// A deadline that records when it was told.
struct Alarm final : Deadline {
  explicit Alarm(std::function<void()> action = {}) : then(std::move(action)) {}
  void on_deadline(TimePoint now) override {
    CHECK_FALSE(armed());
    fired.push_back(now);
    const auto action = then;  // it may destroy *this
    if (action) action();
  }
  std::function<void()> then;
  std::vector<TimePoint> fired;
};

/// A wheel that records that its next tick was moved: where a timer would be set anew.
struct WatchedWheel final : DeadlineWheel {
  /// Whether its next tick became earlier.
  bool arm(Deadline& deadline, TimePoint due) {
    moved = false;
    DeadlineWheel::arm(deadline, due);
    return moved;
  }
  void next_tick_moved() override { moved = true; }
  bool moved = false;
};

/// A wheel and its clock, which moves only where the wheel asked for it: what a timer would do.
struct Fixture {
  explicit Fixture(TimePoint start = TimePoint(1000h + 7ms)) : now(start) { wheel.advance(now); }

  bool arm(Deadline& deadline, Duration after) { return wheel.arm(deadline, now + after); }
  /// Lets time pass, with an advance() at each next_tick().
  void pass(Duration time) {
    const TimePoint end = now + time;
    while (wheel.next_tick() && *wheel.next_tick() <= end) {
      REQUIRE(*wheel.next_tick() > last_advance);  // else a timer would spin
      now = last_advance = std::max(now, *wheel.next_tick());
      wheel.advance(now);
      ++wake_ups;
    }
    now = end;
  }

  WatchedWheel wheel;
  TimePoint now;
  TimePoint last_advance;
  int wake_ups = 0;
};

TEST_CASE("a deadline is told once, never early and at most one tick late") {
  for (const Duration after : {Duration(0), Duration(1ns), Duration(1ms), kTick - 1ns, kTick, kTick + 1ns, Duration(1s),
                               kRound - kTick, kRound - 1ns, kRound, kRound + 1ns, 3 * kRound + 123ms, Duration(1h)}) {
    CAPTURE(after.count());
    Fixture fixture;
    Alarm alarm;
    const TimePoint due = fixture.now + after;
    CHECK(fixture.arm(alarm, after));
    CHECK(alarm.armed());
    CHECK(alarm.due() == due);
    fixture.pass(after + 2 * kTick);
    CHECK(fixture.wake_ups <= 1 + after / kRound);
    REQUIRE(alarm.fired.size() == 1);
    CHECK(alarm.fired[0] >= due);
    CHECK(alarm.fired[0] <= due + kTick);
    CHECK_FALSE(alarm.armed());
    fixture.pass(2 * kRound);
    CHECK(alarm.fired.size() == 1);
    CHECK_FALSE(fixture.wheel.next_tick());
  }
}

TEST_CASE("the first deadline of a wheel that was never advanced is told in time") {
  WatchedWheel wheel;
  Alarm alarm;
  const TimePoint start(1000h);
  CHECK(wheel.arm(alarm, start + 100ms));
  wheel.advance(start + 99ms);
  CHECK(alarm.fired.empty());
  wheel.advance(start + 100ms);
  CHECK(alarm.fired.size() == 1);
}

TEST_CASE("a deadline in the past is told at the next tick") {
  Fixture fixture;
  Alarm alarm;
  CHECK(fixture.arm(alarm, -5s));
  fixture.pass(kTick);
  CHECK(alarm.fired.size() == 1);
}

TEST_CASE("a disarmed deadline is not told, and can be armed again") {
  Fixture fixture;
  Alarm alarm;
  fixture.arm(alarm, 1s);
  DeadlineWheel::disarm(alarm);
  CHECK_FALSE(alarm.armed());
  fixture.pass(500ms);
  SUBCASE("for ever") {
    fixture.pass(2 * kRound);
    CHECK(alarm.fired.empty());
  }
  SUBCASE("again for later") {
    fixture.arm(alarm, 3s);
    fixture.pass(3s - 1ns);
    CHECK(alarm.fired.empty());
    fixture.pass(kTick + 1ns);
    CHECK(alarm.fired.size() == 1);
  }
  SUBCASE("again for earlier than at first") {
    fixture.arm(alarm, 100ms);
    fixture.pass(100ms + kTick);
    CHECK(alarm.fired.size() == 1);
  }
}

TEST_CASE("moving a deadline later costs no wake-up of its own, and holds") {
  Fixture fixture;
  Alarm alarm;
  fixture.arm(alarm, 1s);
  for (int i = 0; i < 1000; ++i) {
    CHECK_FALSE(fixture.arm(alarm, 1s));
    fixture.pass(10ms);
  }
  CHECK(alarm.fired.empty());
  CHECK(fixture.wake_ups <= 11);  // ten seconds, each time it came to where the deadline had been
  fixture.pass(1s + kTick);
  CHECK(alarm.fired.size() == 1);
}

TEST_CASE("moving a deadline earlier holds, and says that the timer must look again") {
  Fixture fixture;
  Alarm alarm;
  fixture.arm(alarm, 10s);
  CHECK(fixture.arm(alarm, 1s));
  const TimePoint due = fixture.now + 1s;
  fixture.pass(2s);
  REQUIRE(alarm.fired.size() == 1);
  CHECK(alarm.fired[0] <= due + kTick);
  fixture.pass(10s);
  CHECK(alarm.fired.size() == 1);
}

TEST_CASE("only a deadline before all others changes the next tick") {
  Fixture fixture;
  Alarm first;
  Alarm second;
  Alarm third;
  CHECK(fixture.arm(first, 1s));
  CHECK_FALSE(fixture.arm(second, 2s));
  CHECK(fixture.arm(third, 500ms));
}

TEST_CASE("deadlines of one slot but different rounds are told in their own rounds") {
  Fixture fixture;
  Alarm soon;
  Alarm later;
  Alarm latest;
  fixture.arm(latest, 2 * kRound + 1s);
  fixture.arm(later, kRound + 1s);
  fixture.arm(soon, 1s);
  fixture.pass(1s + kTick);
  CHECK(soon.fired.size() == 1);
  CHECK(later.fired.empty());
  fixture.pass(kRound);
  CHECK(later.fired.size() == 1);
  CHECK(latest.fired.empty());
  fixture.pass(kRound);
  CHECK(latest.fired.size() == 1);
}

TEST_CASE("a deadline may be armed again inside its own event") {
  Fixture fixture;
  Alarm alarm;
  alarm.then = [&] {
    if (alarm.fired.size() < 5) fixture.arm(alarm, 1s);
  };
  fixture.arm(alarm, 1s);
  fixture.pass(10s);
  REQUIRE(alarm.fired.size() == 5);
  for (std::size_t i = 1; i < 5; ++i) CHECK(alarm.fired[i] - alarm.fired[i - 1] >= 1s);
}

TEST_CASE("a deadline armed for now inside its own event is not told twice in one advance") {
  Fixture fixture;
  Alarm alarm;
  alarm.then = [&] { fixture.arm(alarm, 0s); };
  fixture.arm(alarm, 1s);
  fixture.pass(1s + kTick);
  const std::size_t told = alarm.fired.size();
  CHECK(told >= 1);
  CHECK(told <= 2);
  fixture.pass(10 * kTick);
  CHECK(alarm.fired.size() == told + 10);
}

TEST_CASE("an event may destroy, disarm and move the others that are due with it") {
  Fixture fixture;
  auto own = std::make_unique<Alarm>();
  auto destroyed = std::make_unique<Alarm>();
  Alarm disarmed;
  Alarm moved;
  Alarm last;
  bool own_told = false;
  own->then = [&] {
    own_told = true;
    destroyed.reset();
    DeadlineWheel::disarm(disarmed);
    fixture.arm(moved, 1s);
    own.reset();
  };
  for (Alarm* alarm : {own.get(), destroyed.get(), &disarmed, &moved, &last}) fixture.arm(*alarm, 1s);
  fixture.pass(1s + kTick);
  CHECK(own_told);
  CHECK(disarmed.fired.empty());
  CHECK(moved.fired.empty());
  CHECK(last.fired.size() == 1);
  fixture.pass(1s + kTick);
  CHECK(moved.fired.size() == 1);
}

TEST_CASE("a destroyed deadline leaves the wheel") {
  Fixture fixture;
  {
    Alarm alarm;
    fixture.arm(alarm, 1s);
  }
  fixture.pass(2s);
  CHECK_FALSE(fixture.wheel.next_tick());
}

TEST_CASE("after a long sleep everything that is due is told, and nothing else") {
  Fixture fixture;
  std::vector<std::unique_ptr<Alarm>> due;
  for (int i = 0; i < 600; ++i) {
    due.push_back(std::make_unique<Alarm>());
    fixture.arm(*due.back(), i * 100ms);
  }
  Alarm later;
  fixture.arm(later, 5min);
  fixture.now += 4min;  // the machine slept: no advance() came meanwhile
  fixture.wheel.advance(fixture.now);
  for (const auto& alarm : due) CHECK(alarm->fired.size() == 1);
  CHECK(later.fired.empty());
  fixture.pass(1min + kTick);
  CHECK(later.fired.size() == 1);
}

TEST_CASE("whatever is armed, moved, disarmed and destroyed, each deadline is told in its time") {
  struct Entry {
    std::unique_ptr<Alarm> alarm = std::make_unique<Alarm>();
    std::optional<TimePoint> due;
  };
  Fixture fixture;
  std::mt19937 random(20240229);
  const auto below = [&](unsigned limit) { return static_cast<int>(random() % limit); };
  std::vector<Entry> entries(50);
  for (int step = 0; step < 20000; ++step) {
    Entry& entry = entries[static_cast<std::size_t>(below(50))];
    switch (below(8)) {
      case 0: entry = Entry(); break;
      case 1:
        DeadlineWheel::disarm(*entry.alarm);
        entry.due.reset();
        break;
      case 2:
      case 3:
      case 4: {
        const Duration after = below(20) == 0 ? Duration(below(100000) * 1ms) : Duration(below(3000) * 1ms);
        fixture.arm(*entry.alarm, after);
        entry.due = fixture.now + after;
        entry.alarm->fired.clear();
        break;
      }
      default: fixture.pass(below(400) * 1ms);
    }
    for (Entry& one : entries) {
      CHECK(one.alarm->fired.size() <= 1);
      if (!one.alarm->fired.empty()) {
        REQUIRE(one.due);
        CHECK(one.alarm->fired[0] >= *one.due);
        CHECK(one.alarm->fired[0] <= *one.due + kTick);
        one = Entry();
      } else if (one.due) {
        CHECK(fixture.now <= *one.due + kTick);
      }
    }
  }
}

}  // namespace
}  // namespace keepwarm
