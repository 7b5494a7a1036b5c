#include "core/policy/host_health.h"

#include <chrono>
#include <string>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;
using Notice = HostHealth::Notice;

constexpr TimePoint kBegin{std::chrono::hours(1)};
constexpr FailureKind kRefused = FailureKind::ConnectionRefused;

TEST_CASE("a host that begins to fail and one that answers again have a line each") {
  HostHealth health;
  CHECK_FALSE(health.any_failing());
  CHECK_FALSE(health.answered("a:80", kBegin));
  CHECK(health.failed("a:80", kRefused, kBegin) == Notice{.failures = 1});
  CHECK(health.any_failing());
  CHECK_FALSE(health.failed("a:80", kRefused, kBegin + 1s));
  CHECK_FALSE(health.answered("b:80", kBegin + 2s));
  CHECK(health.answered("a:80", kBegin + 3s) == Notice{.failures = 1, .lasted = 3s});
  CHECK_FALSE(health.any_failing());
  CHECK_FALSE(health.answered("a:80", kBegin + 4s));
}

TEST_CASE("a host that goes on failing has a line a minute, with a count") {
  HostHealth health;
  CHECK(health.failed("a:80", kRefused, kBegin));
  for (int i = 1; i < 60; ++i) CHECK_FALSE(health.failed("a:80", kRefused, kBegin + i * 1s));
  CHECK(health.failed("a:80", kRefused, kBegin + 60s) == Notice{.failures = 60, .lasted = 60s});
  CHECK_FALSE(health.failed("a:80", kRefused, kBegin + 61s));
}

TEST_CASE("another kind of failure is told sooner") {
  HostHealth health;
  CHECK(health.failed("a:80", kRefused, kBegin));
  CHECK_FALSE(health.failed("a:80", FailureKind::TlsCertificate, kBegin + 9s));
  CHECK(health.failed("a:80", FailureKind::TlsCertificate, kBegin + 10s));
  CHECK_FALSE(health.failed("a:80", FailureKind::TlsCertificate, kBegin + 20s));
}

TEST_CASE("a host that changes to and fro has one pair of lines in ten seconds") {
  HostHealth health;
  int lines = 0;
  for (auto at = kBegin; at < kBegin + 30s; at += 100ms) {
    if (health.failed("a:80", kRefused, at)) ++lines;
    if (health.answered("a:80", at + 50ms)) ++lines;
  }
  CHECK(lines >= 4);
  CHECK(lines <= 6);
}

TEST_CASE("when many hosts begin to fail at once, the others are a number") {
  HostHealth health;
  std::uint32_t lines = 0;
  for (int i = 0; i < 200; ++i) {
    if (health.failed("h" + std::to_string(i), kRefused, kBegin)) ++lines;
  }
  CHECK(lines == HostHealth::kMostAtOnce);
  CHECK(health.failed("new", kRefused, kBegin + 10s) ==
        Notice{.failures = 1, .other_hosts = 200 - HostHealth::kMostAtOnce});
  CHECK(health.failed("h150", kRefused, kBegin + 10s));
}

TEST_CASE("it remembers so many hosts, and each for some time") {
  HostHealth health;
  for (std::size_t i = 0; i < 3 * HostHealth::kMaxHosts; ++i) {
    static_cast<void>(health.failed("h" + std::to_string(i), kRefused, kBegin + i * 1ms));
  }
  CHECK_FALSE(health.answered("h0", kBegin + 1s));
  CHECK(health.any_failing());
  CHECK_FALSE(health.answered("other", kBegin + 1s + HostHealth::kForget));
  CHECK_FALSE(health.any_failing());
}

TEST_CASE("what a client did wrong, or we lack, is no failure of a host") {
  for (const FailureKind kind : {FailureKind::BadRequest, FailureKind::DestinationDenied, FailureKind::ClientTooSlow,
                                 FailureKind::OutOfResources, FailureKind::TooManyClients}) {
    CHECK_FALSE(blames_host(kind));
  }
  for (const FailureKind kind : {kRefused, FailureKind::DnsError, FailureKind::TlsCertificate,
                                 FailureKind::ResponseTimeout, FailureKind::QueueTimeout}) {
    CHECK(blames_host(kind));
  }
}

}  // namespace
}  // namespace keepwarm::policy
