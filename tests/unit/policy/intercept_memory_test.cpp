#include "core/policy/intercept_memory.h"

#include <string>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kFirst{1000s};

}  // namespace

TEST_CASE("a verdict holds for its time, and the next CONNECT tries again") {
  InterceptVerdicts verdicts;
  CHECK(verdicts.find("a.test:443", kFirst) == TunnelReason::None);
  CHECK(verdicts.add("a.test:443", TunnelReason::Certificate, kFirst));
  CHECK(verdicts.find("a.test:443", kFirst + 59s) == TunnelReason::Certificate);
  CHECK(verdicts.find("a.test:444", kFirst) == TunnelReason::None);
  CHECK(verdicts.find("a.test:443", kFirst + 60s) == TunnelReason::None);
  CHECK(verdicts.add("b.test:443", TunnelReason::UpstreamTls, kFirst));
  CHECK(verdicts.add("c.test:443", TunnelReason::ClientCertificate, kFirst));
  for (const char* each : {"b.test:443", "c.test:443"}) {
    CHECK(verdicts.find(each, kFirst + 10min - 1s) != TunnelReason::None);
    CHECK(verdicts.find(each, kFirst + 10min) == TunnelReason::None);
  }
}

TEST_CASE("the same finding is told once, until it is another one or the server was fit meanwhile") {
  InterceptVerdicts verdicts;
  CHECK(verdicts.add("a.test:443", TunnelReason::Certificate, kFirst));
  CHECK_FALSE(verdicts.add("a.test:443", TunnelReason::Certificate, kFirst + 2min));
  CHECK(verdicts.find("a.test:443", kFirst + 2min + 59s) == TunnelReason::Certificate);
  CHECK(verdicts.add("a.test:443", TunnelReason::UpstreamTls, kFirst + 4min));
  verdicts.forget("a.test:443");
  CHECK(verdicts.find("a.test:443", kFirst + 4min) == TunnelReason::None);
  CHECK(verdicts.add("a.test:443", TunnelReason::UpstreamTls, kFirst + 5min));
  verdicts.clear();
  CHECK(verdicts.find("a.test:443", kFirst + 5min) == TunnelReason::None);
}

TEST_CASE("a thousand verdicts are kept, and the one that was made or renewed longest ago goes") {
  InterceptVerdicts verdicts;
  for (int i = 0; i < 1000; ++i) verdicts.add(std::to_string(i), TunnelReason::Certificate, kFirst);
  verdicts.add("0", TunnelReason::Certificate, kFirst);
  verdicts.add("one more", TunnelReason::Certificate, kFirst);
  CHECK(verdicts.size() == 1000);
  CHECK(verdicts.find("0", kFirst) == TunnelReason::Certificate);
  CHECK(verdicts.find("1", kFirst) == TunnelReason::None);
  CHECK(verdicts.find("2", kFirst) == TunnelReason::Certificate);
  CHECK(verdicts.find("one more", kFirst) == TunnelReason::Certificate);
}

TEST_CASE("a client's refusal is told once an hour for each host and kind of client") {
  ClientRefusals refusals;
  CHECK(refusals.add("a.test", 1, kFirst));
  CHECK_FALSE(refusals.add("a.test", 1, kFirst + 59min));
  CHECK(refusals.add("a.test", 2, kFirst));
  CHECK(refusals.add("b.test", 1, kFirst));
  CHECK(refusals.add("a.test", 1, kFirst + 60min));
}

TEST_CASE("a client is remembered as one that refuses for an hour after it last did") {
  ClientRefusals refusals;
  CHECK_FALSE(refusals.refused_lately("a.test", 1, kFirst));
  refusals.add("a.test", 1, kFirst);
  refusals.add("a.test", 1, kFirst + 30min);
  CHECK(refusals.refused_lately("a.test", 1, kFirst + 89min));
  CHECK_FALSE(refusals.refused_lately("a.test", 1, kFirst + 90min));
  CHECK_FALSE(refusals.refused_lately("a.test", 2, kFirst));
  CHECK_FALSE(refusals.refused_lately("b.test", 1, kFirst));
  for (std::uint64_t shape = 0; shape < 2000; ++shape) refusals.add("c.test", shape, kFirst);
  CHECK(refusals.size() == 1000);
}

}  // namespace keepwarm::policy
