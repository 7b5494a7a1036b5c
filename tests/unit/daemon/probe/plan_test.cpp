#include "daemon/probe/plan.h"

#include <algorithm>
#include <ostream>

#include <doctest/doctest.h>

namespace keepwarm::daemon {

using namespace std::chrono_literals;

TEST_CASE("the ladder ends with the greatest age, whatever that is") {
  CHECK(ladder(2min) == std::vector<Duration>{500ms, 1s, 2s, 5s, 10s, 15s, 30s, 60s, 2min});
  CHECK(ladder(1s) == std::vector<Duration>{500ms, 1s});
  CHECK(ladder(7s) == std::vector<Duration>{500ms, 1s, 2s, 5s, 7s});
  CHECK(ladder(10min) == std::vector<Duration>{500ms, 1s, 2s, 5s, 10s, 15s, 30s, 60s, 2min, 4min, 8min, 10min});
  CHECK(ladder(100ms) == std::vector<Duration>{100ms});
}

TEST_CASE("each age of the ladder is tested by one connection, and no more than five are used") {
  for (const Duration max : std::initializer_list<Duration>{1s, 2s, 7s, 30s, 2min, 1h, 24h}) {
    CAPTURE(max.count());
    const std::vector<std::vector<Duration>> testers = tester_plan(max);
    CHECK(testers.size() <= kMaxTesters);
    std::vector<Duration> tested;
    for (const std::vector<Duration>& own : testers) {
      CHECK_FALSE(own.empty());
      tested.insert(tested.end(), own.begin(), own.end());
    }
    std::sort(tested.begin(), tested.end());
    CHECK(tested == ladder(max));
  }
}

TEST_CASE("the greatest age is reached when it has passed, so its tester has no other") {
  for (const Duration max : std::initializer_list<Duration>{1s, 30s, 2min, 1h}) {
    const std::vector<std::vector<Duration>> testers = tester_plan(max);
    const auto is_it = [&](const std::vector<Duration>& own) { return own == std::vector<Duration>{max}; };
    CHECK(std::count_if(testers.begin(), testers.end(), is_it) == 1);
  }
}

TEST_CASE("no use comes later than twice its age") {
  for (const std::vector<Duration>& own : tester_plan(1h)) {
    Duration at{};
    for (const Duration age : own) {
      at += age;
      CHECK(at <= 2 * age);
    }
  }
}

}  // namespace keepwarm::daemon
