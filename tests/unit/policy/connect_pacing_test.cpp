#include "core/policy/connect_pacing.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kWindow = ConnectPacing::kFirstWindow;
constexpr Duration kPatience = ConnectPacing::kPatience;
constexpr TimePoint kStart{1000h};

/// How many more may begin, with so many under way.
std::uint32_t may_begin(ConnectPacing& pacing, std::uint32_t under_way, TimePoint now = kStart) {
  std::uint32_t count = 0;
  while (pacing.may_begin(under_way + count, now)) ++count;
  return count;
}

void open(ConnectPacing& pacing, std::uint32_t count, TimePoint now = kStart) {
  for (std::uint32_t i = 0; i < count; ++i) pacing.opened(now);
}

TEST_CASE("a lone request, and any group of up to the first window, is not held back") {
  ConnectPacing pacing;
  CHECK(pacing.may_begin(0, kStart));
  CHECK(pacing.may_begin(kWindow - 1, kStart));
  CHECK_FALSE(pacing.may_begin(kWindow, kStart));
}

TEST_CASE("a connection without an answer counts as one that is under way") {
  ConnectPacing pacing;
  open(pacing, 10);
  CHECK(may_begin(pacing, 0) == kWindow - 10);
  SUBCASE("until it is answered") {
    pacing.answered(kStart, false, kStart);
    CHECK(may_begin(pacing, 0) == kWindow - 9);
  }
  SUBCASE("or has ended") {
    pacing.ended(kStart, kStart);
    CHECK(may_begin(pacing, 0) == kWindow - 9);
  }
}

TEST_CASE("while requests wait, each first answer makes room for two") {
  ConnectPacing pacing;
  for (std::uint32_t count = kWindow; count < 8000; count *= 2) {
    CAPTURE(count);
    open(pacing, count);
    CHECK(may_begin(pacing, 0) == 0);
    for (std::uint32_t i = 0; i < count; ++i) pacing.answered(kStart, true, kStart);
    CHECK(may_begin(pacing, 0) == 2 * count);
  }
}

TEST_CASE("a server that answers nobody for a while is not waited for") {
  ConnectPacing pacing;
  open(pacing, kWindow);
  CHECK(may_begin(pacing, 0, kStart + kPatience) == 0);
  SUBCASE("nobody was answered") {
    CHECK(may_begin(pacing, 0, kStart + 2 * kPatience) == 2 * kWindow);
  }
  SUBCASE("an answer came: it is not the server that is slow, and the old ones count no more") {
    pacing.answered(kStart, false, kStart + kPatience);
    CHECK(may_begin(pacing, 0, kStart + 2 * kPatience) == kWindow);
  }
  SUBCASE("after a long time") {
    CHECK(may_begin(pacing, 0, kStart + 1h) == 2 * kWindow);
  }
}

TEST_CASE("the next burst begins anew when nobody waits any more") {
  ConnectPacing pacing;
  open(pacing, 10);
  for (int i = 0; i < 10; ++i) pacing.answered(kStart, true, kStart);
  REQUIRE(may_begin(pacing, 0) == kWindow + 10);
  pacing.settled();
  CHECK(may_begin(pacing, 0) == kWindow);
}

}  // namespace
}  // namespace keepwarm::policy
