#include "daemon/log/repeat_filter.h"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;

constexpr RepeatFilter::TimePoint kBegin{std::chrono::hours(1)};

TEST_CASE("a line that repeats is written once in the interval, and then with its count") {
  RepeatFilter filter;
  CHECK(filter.admit("full", kBegin) == "full");
  for (int i = 1; i <= 37; ++i) CHECK_FALSE(filter.admit("full", kBegin + i * 100ms));
  CHECK(filter.admit("full", kBegin + 10s) == "full (and 37 more in the last 10 s)");
  CHECK_FALSE(filter.admit("full", kBegin + 11s));
  CHECK(filter.admit("full", kBegin + 60s) == "full (and 1 more in the last 50 s)");
  CHECK(filter.admit("full", kBegin + 100s) == "full");
}

TEST_CASE("lines that differ are never held back, however many there are") {
  RepeatFilter filter;
  for (std::size_t i = 0; i < 10 * RepeatFilter::kMost; ++i) {
    const std::string line = "host " + std::to_string(i);
    CHECK(filter.admit(line, kBegin) == line);
  }
}

TEST_CASE("what does not come again is told when it is due") {
  RepeatFilter filter;
  CHECK(filter.admit("a", kBegin));
  CHECK(filter.admit("b", kBegin));
  CHECK_FALSE(filter.admit("a", kBegin + 1s));
  CHECK(filter.take_due(kBegin + 9s).empty());
  CHECK(filter.take_due(kBegin + 10s) == std::vector<std::string>{"a (and 1 more in the last 10 s)"});
  CHECK(filter.take_due(kBegin + 30s).empty());
  CHECK_FALSE(filter.admit("a", kBegin + 11s));
  CHECK(filter.take_due(kBegin + 12s, true) == std::vector<std::string>{"a (and 1 more in the last 2 s)"});
}

TEST_CASE("a line whose count is not told yet is not forgotten for others") {
  RepeatFilter filter;
  CHECK(filter.admit("often", kBegin));
  CHECK_FALSE(filter.admit("often", kBegin));
  for (std::size_t i = 0; i < 2 * RepeatFilter::kMost; ++i) CHECK(filter.admit(std::to_string(i), kBegin + 1s));
  CHECK(filter.admit("often", kBegin + 10s) == "often (and 1 more in the last 10 s)");
}

}  // namespace
}  // namespace keepwarm::daemon
