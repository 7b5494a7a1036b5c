#include "core/base/clock_comparison.h"

#include <optional>

#include <doctest/doctest.h>

namespace keepwarm::test {
namespace {

using namespace std::chrono_literals;
using Kind = ClockJump::Kind;

/// A machine's clocks, which a process reads with delays in between.
struct Clocks {
  Duration boottime = 1000h;
  Duration realtime = 500000h;
  Duration monotonic = 900h;

  void run(Duration time) {
    boottime += time;
    realtime += time;
    monotonic += time;
  }
  void sleep(Duration time) {
    boottime += time;
    realtime += time;
  }
  ClockComparison::Readings read(Duration delay = 50ns, bool with_realtime = true) {
    ClockComparison::Readings readings{boottime, std::nullopt, {}};
    run(delay);
    if (with_realtime) readings.realtime = realtime;
    run(delay);
    readings.monotonic = monotonic;
    return readings;
  }
};

TEST_CASE("clocks that run show no jump, whatever comes between two readings") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  for (const Duration delay : {Duration(50ns), Duration(1s), Duration(50ns), Duration(1h), Duration(50ns),
                               Duration(1ns), Duration(1min), Duration(50ns)}) {
    for (const Duration pause : {Duration(0ns), Duration(1us), Duration(1h), Duration(24h)}) {
      clocks.run(pause);
      CHECK_FALSE(comparison.compare(clocks.read(delay)));
    }
  }
}

TEST_CASE("a sleep is told once, with its length") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  for (const Duration time : {Duration(30min), Duration(100ms), Duration(24h)}) {
    clocks.sleep(time);
    const auto jump = comparison.compare(clocks.read());
    REQUIRE(jump);
    CHECK(jump->kind == Kind::Slept);
    CHECK(jump->by >= time - 1us);
    CHECK(jump->by <= time);
    CHECK_FALSE(comparison.compare(clocks.read()));
  }
}

TEST_CASE("a sleep is seen without the wall clock, and after readings that were far apart") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  CHECK_FALSE(comparison.compare(clocks.read(10s)));
  clocks.sleep(5s);
  const auto jump = comparison.compare(clocks.read(50ns, false));
  REQUIRE(jump);
  CHECK(jump->kind == Kind::Slept);
  CHECK_FALSE(comparison.compare(clocks.read()));
}

TEST_CASE("a wall clock that is set forward is a jump, one that is set back is none") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  clocks.realtime += 30min;
  const auto jump = comparison.compare(clocks.read());
  REQUIRE(jump);
  CHECK(jump->kind == Kind::Stepped);
  CHECK_FALSE(comparison.compare(clocks.read()));
  clocks.realtime -= 2h;
  CHECK_FALSE(comparison.compare(clocks.read()));
  CHECK_FALSE(comparison.compare(clocks.read(1s)));
  clocks.realtime += 10s;
  CHECK(comparison.compare(clocks.read()));
}

TEST_CASE("a wall clock that is slewed shows no jump, however seldom it is looked at") {
  for (const Duration every : {Duration(1ms), Duration(1s), Duration(1min), Duration(1h)}) {
    Clocks clocks;
    ClockComparison comparison(clocks.read());
    for (int i = 0; i < 1000; ++i) {
      clocks.run(every);
      clocks.realtime += every / 12;
      CHECK_FALSE(comparison.compare(clocks.read()));
    }
    for (int i = 0; i < 1000; ++i) {
      clocks.run(every);
      clocks.realtime -= every / 12;
      CHECK_FALSE(comparison.compare(clocks.read()));
    }
  }
}

TEST_CASE("steps of less than a second are not told apart from slewing") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  for (int i = 0; i < 100; ++i) {
    clocks.run(1ms);
    clocks.realtime += 900ms;
    CHECK_FALSE(comparison.compare(clocks.read()));
  }
}

TEST_CASE("a process that was restored under other clocks sees later sleeps") {
  Clocks clocks;
  ClockComparison comparison(clocks.read());
  clocks.boottime -= 50h;
  static_cast<void>(comparison.compare(clocks.read()));
  CHECK_FALSE(comparison.compare(clocks.read()));
  clocks.sleep(30min);
  const auto jump = comparison.compare(clocks.read());
  REQUIRE(jump);
  CHECK(jump->kind == Kind::Slept);
}

}  // namespace
}  // namespace keepwarm::test
