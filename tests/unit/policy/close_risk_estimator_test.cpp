#include "core/policy/close_risk_estimator.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;
using HostSample = CloseRiskEstimator::HostSample;

/// Hosts that come one after another, each with what it tells.
struct EstimatorFixture {
  CloseRiskEstimator prior;

  void hosts_live(int count, Duration age) {
    for (int i = 0; i < count; ++i) {
      HostSample host;
      prior.lived(host, age);
    }
  }
  void hosts_close(int count, Duration age) {
    for (int i = 0; i < count; ++i) {
      HostSample host;
      prior.closed(host, age);
    }
  }
  /// For a host of which nothing is known.
  [[nodiscard]] bool trusts(Duration age, Duration round_trip = 10ms) const {
    return prior.may_trust({}, age, round_trip);
  }
};

}  // namespace

TEST_CASE_FIXTURE(EstimatorFixture, "without evidence nothing is trusted") {
  for (const Duration age : {0ms, 250ms, 1000ms, 60'000ms, 3'600'000ms}) CHECK_FALSE(trusts(age));
}

TEST_CASE_FIXTURE(EstimatorFixture, "ninety-eight hosts that lived through an age are enough") {
  hosts_live(97, 10s);
  CHECK_FALSE(trusts(5s));
  hosts_live(1, 10s);
  CHECK(trusts(5s));
  CHECK(trusts(250ms));
}

TEST_CASE_FIXTURE(EstimatorFixture, "hosts count, not what one of them tells again and again") {
  HostSample busy;
  for (int i = 1; i <= 1000; ++i) prior.lived(busy, i * 10ms);
  for (int i = 0; i < 1000; ++i) prior.lived(busy, 10s);
  CHECK_FALSE(trusts(5s));
  hosts_live(97, 10s);
  CHECK(trusts(5s));
  CHECK(busy.bins > 100);
}

TEST_CASE_FIXTURE(EstimatorFixture, "only what was lived through to its end is trusted, with the round trip") {
  hosts_live(98, 10s);
  CHECK(trusts(9s, 500ms));
  CHECK_FALSE(trusts(9s, 1s));
  CHECK_FALSE(trusts(10s, 0ms));
  CHECK_FALSE(trusts(11s));
  CHECK_FALSE(trusts(2h, 0ms));
  CHECK_FALSE(trusts(249ms));
}

TEST_CASE_FIXTURE(EstimatorFixture,
                  "where a few in a hundred close is not trusted, nor from where a request arrives there") {
  hosts_live(97, 10s);
  hosts_close(3, 5s);
  CHECK(trusts(4s));
  CHECK_FALSE(trusts(4950ms, 60ms));
  CHECK_FALSE(trusts(4s, 1s));
  CHECK_FALSE(trusts(5s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "beyond the ages at which servers close others are trusted again") {
  hosts_live(98, 10s);
  hosts_close(50, 5s);
  CHECK(trusts(4s));
  CHECK_FALSE(trusts(5s));
  CHECK(trusts(6s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "each close asks for another hundred hosts") {
  hosts_close(1, 5s);
  hosts_live(196, 10s);
  CHECK_FALSE(trusts(5s));
  hosts_live(1, 10s);
  CHECK(trusts(5s));
  hosts_close(2, 5s);
  hosts_live(395 - 197 - 1, 10s);
  CHECK_FALSE(trusts(5s));
  hosts_live(1, 10s);
  CHECK(trusts(5s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "closes at different ages between now and the arrival count together") {
  hosts_live(190, 10s);
  hosts_close(1, 4100ms);
  hosts_close(1, 4900ms);
  CHECK_FALSE(trusts(4s, 1s));
  hosts_live(110, 10s);
  CHECK(trusts(4s, 1s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "a host that closed has lived until then") {
  hosts_close(98, 10s);
  CHECK(trusts(9s));
  CHECK_FALSE(trusts(10s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "a host that closed neither tells nor asks any more") {
  hosts_live(99, 10s);
  HostSample host;
  CHECK(prior.may_trust(host, 5s, 10ms));
  prior.closed(host, 3s);
  CHECK_FALSE(prior.may_trust(host, 5s, 10ms));
  hosts_live(98, 20s);
  prior.closed(host, 15s);  // a second close at 15 s would be one too many there
  prior.lived(host, 1h);
  CHECK(trusts(15s));
  CHECK(host.bins < 150);
}

TEST_CASE_FIXTURE(EstimatorFixture, "a host that lived long and then closes early counts as one that closes there") {
  HostSample host;
  prior.lived(host, 10s);
  hosts_live(97, 10s);
  CHECK(trusts(2s));
  prior.closed(host, 2s);
  CHECK_FALSE(trusts(2s));
  CHECK(trusts(5s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "closes at ages that are not counted are forgotten") {
  hosts_live(98, 2h);
  hosts_close(5, 100ms);
  hosts_close(5, 3h);
  CHECK(trusts(250ms));
  CHECK(trusts(4050s));  // in the last bin
  CHECK_FALSE(trusts(4100s));
}

TEST_CASE_FIXTURE(EstimatorFixture, "a world that has changed is seen, however many hosts told of the old one") {
  hosts_live(100'000, 60s);
  CHECK(trusts(5s));
  hosts_close(10, 5s);
  CHECK_FALSE(trusts(5s));
  CHECK(trusts(6s));
  SUBCASE("and once more, if it was only for a while") {
    hosts_live(5'000, 60s);
    CHECK(trusts(5s));
  }
  SUBCASE("for longer, if more closed") {
    hosts_close(100'000, 5s);
    CHECK_FALSE(trusts(5s));
    hosts_live(20'000, 60s);
    CHECK(trusts(5s));
  }
}

TEST_CASE_FIXTURE(EstimatorFixture, "counts do not overflow where hosts only close") {
  hosts_close(65'536, 250ms);
  hosts_live(300, 10s);
  CHECK_FALSE(trusts(250ms));
}

}  // namespace keepwarm::policy
