#include "core/net/heap_trimmer.h"

#include <optional>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

TEST_CASE("memory is given back once a burst is over, and not before") {
  LoopFixture fixture;
  bool let_go = false;
  HeapTrimmer trimmer(fixture.loop, [&] { let_go = true; });
  for (std::uint32_t i = 0; i < HeapTrimmer::kBurst; ++i) trimmer.note();
  const TimePoint began = Loop::now();
  bool went_on = false;
  Timer more(fixture.loop, [&] {
    for (std::uint32_t i = 0; i < HeapTrimmer::kQuiet; ++i) trimmer.note();
    went_on = true;
    CHECK(trimmer.trims() == 0);
  });
  more.arm(HeapTrimmer::kQuietFor / 2);
  fixture.run_until([&] { return trimmer.trims() > 0; });
  CHECK(went_on);
  CHECK(let_go);
  CHECK(Loop::now() - began >= 2 * HeapTrimmer::kQuietFor);
  CHECK(trimmer.trims() == 1);
}

TEST_CASE("the trickle behind a burst does not hold the memory back") {
  LoopFixture fixture;
  HeapTrimmer trimmer(fixture.loop);
  for (std::uint32_t i = 0; i < HeapTrimmer::kBurst; ++i) trimmer.note();
  std::uint32_t trickled = 0;
  std::optional<Timer> more;
  more.emplace(fixture.loop, [&] {
    trimmer.note();
    if (++trickled < HeapTrimmer::kQuiet) more->arm(HeapTrimmer::kQuietFor / 2);
  });
  more->arm(HeapTrimmer::kQuietFor / 2);
  fixture.run_until([&] { return trimmer.trims() > 0; });
  CHECK(trickled < HeapTrimmer::kQuiet);
}

TEST_CASE("a little work now and then gives nothing back") {
  LoopFixture fixture;
  HeapTrimmer trimmer(fixture.loop);
  for (std::uint32_t i = 1; i < HeapTrimmer::kBurst; ++i) trimmer.note();
  bool over = false;
  Timer later(fixture.loop, [&] { over = true; });
  later.arm(2 * HeapTrimmer::kQuietFor + 100ms);
  fixture.run_until([&] { return over; });
  CHECK(trimmer.trims() == 0);
}

}  // namespace
}  // namespace keepwarm::net::test
