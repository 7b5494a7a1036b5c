#include "core/policy/connect_pacing.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

constexpr std::uint32_t kWindow = ConnectPacing::kFirstWindow;

/// How many more may begin, with so many under way.
std::uint32_t may_begin(const ConnectPacing& pacing, std::uint32_t under_way) {
  std::uint32_t count = 0;
  while (pacing.may_begin(under_way + count)) ++count;
  return count;
}

TEST_CASE("a lone request, and any group of up to the first window, is not held back") {
  const ConnectPacing pacing;
  CHECK(pacing.may_begin(0));
  CHECK(pacing.may_begin(kWindow - 1));
  CHECK_FALSE(pacing.may_begin(kWindow));
}

TEST_CASE("while requests wait, what is under way doubles in each round trip") {
  ConnectPacing pacing;
  for (std::uint32_t under_way = kWindow; under_way < 8000; under_way *= 2) {
    CAPTURE(under_way);
    for (std::uint32_t i = 0; i < under_way; ++i) pacing.connected(true);  // all of them are open by now
    CHECK(may_begin(pacing, 0) == 2 * under_way);
  }
}

TEST_CASE("a failure lets none begin but the one that takes its place") {
  ConnectPacing pacing;
  pacing.connected(true);
  CHECK(may_begin(pacing, kWindow) == 1);  // one was open, and the rest are under way
  CHECK(may_begin(pacing, kWindow + 1) == 0);
  CHECK(may_begin(pacing, kWindow) == 1);  // one of them failed
}

TEST_CASE("the next burst begins anew") {
  ConnectPacing pacing;
  for (int i = 0; i < 100; ++i) pacing.connected(true);
  REQUIRE(may_begin(pacing, 0) > kWindow);
  SUBCASE("when nobody waits any more") {
    pacing.settled();
  }
  SUBCASE("when a connect is done for which nobody waits") {
    pacing.connected(false);
  }
  CHECK(may_begin(pacing, 0) == kWindow);
}

}  // namespace
}  // namespace keepwarm::policy
