#include "core/policy/interim_budget.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1000h};
constexpr std::size_t kLargest = 64 * 1024;
constexpr std::size_t kShort = 28;  // "HTTP/1.1 103 Early Hints" and two line ends

/// How many of that size are taken at once, up to `most`.
int taken_at_once(InterimBudget& budget, TimePoint now, std::size_t bytes, int most) {
  int taken = 0;
  while (taken < most && budget.take(now, bytes, kLargest)) ++taken;
  return taken;
}

TEST_CASE("an upload of an hour is told of its progress every 100 ms") {
  for (const std::size_t bytes : {kShort, std::size_t{200}, std::size_t{4000}}) {
    CAPTURE(bytes);
    InterimBudget budget;
    bool all = true;
    for (int i = 0; i < 36'000; ++i) all &= budget.take(kBegin + i * 100ms, bytes, kLargest);
    CHECK(all);
  }
}

TEST_CASE("a flood of interim responses ends after about a thousand") {
  InterimBudget budget;
  CHECK_FALSE(budget.any());
  const int taken = taken_at_once(budget, kBegin, kShort, 10'000);
  CHECK(taken >= 900);
  CHECK(taken <= 1000);
  CHECK(budget.any());
}

TEST_CASE("a flood that lasts ends too, if it is faster than 100 a second") {
  InterimBudget budget;
  int taken = 0;
  while (taken < 100'000 && budget.take(kBegin + taken * 5ms, kShort, kLargest)) ++taken;
  CHECK(taken < 3000);
}

TEST_CASE("the bytes of long heads are limited, too") {
  InterimBudget budget;
  const int taken = taken_at_once(budget, kBegin, kLargest, 1000);
  CHECK(taken >= 80);
  CHECK(taken <= 100);
  InterimBudget slow;
  bool all = true;
  for (int i = 0; i < 1000; ++i) all &= slow.take(kBegin + i * 200ms, kLargest, kLargest);
  CHECK(all);
  InterimBudget fast;
  int lasted = 0;
  while (lasted < 10'000 && fast.take(kBegin + lasted * 50ms, kLargest, kLargest)) ++lasted;
  CHECK(lasted < 300);
}

TEST_CASE("what waited in buffers while a client did not read may come at once") {
  InterimBudget budget;
  REQUIRE(budget.take(kBegin, 100, kLargest));
  CHECK(taken_at_once(budget, kBegin + 5min, 100, 3000) == 3000);
}

TEST_CASE("time that is saved up has an end") {
  InterimBudget budget;
  REQUIRE(budget.take(kBegin, 100, kLargest));
  CHECK(taken_at_once(budget, kBegin + 24h, kShort, 1'000'000) < 70'000);
}

}  // namespace
}  // namespace keepwarm::policy
