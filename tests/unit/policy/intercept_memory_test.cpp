#include "core/policy/intercept_memory.h"

#include <string>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kBegin{1000s};

}  // namespace

TEST_CASE("a verdict holds for its time, and the next CONNECT tries again") {
  InterceptVerdicts verdicts;
  CHECK(verdicts.find("a.test:443", kBegin) == TunnelReason::None);
  CHECK(verdicts.add("a.test:443", TunnelReason::Certificate, kBegin));
  CHECK(verdicts.find("a.test:443", kBegin + 59s) == TunnelReason::Certificate);
  CHECK(verdicts.find("a.test:444", kBegin) == TunnelReason::None);
  CHECK(verdicts.find("a.test:443", kBegin + 60s) == TunnelReason::None);
  CHECK(verdicts.add("b.test:443", TunnelReason::UpstreamTls, kBegin));
  CHECK(verdicts.add("c.test:443", TunnelReason::ClientCertificate, kBegin));
  for (const char* each : {"b.test:443", "c.test:443"}) {
    CHECK(verdicts.find(each, kBegin + 10min - 1s) != TunnelReason::None);
    CHECK(verdicts.find(each, kBegin + 10min) == TunnelReason::None);
  }
}

TEST_CASE("the same finding is told once, until it is another one or the server was fit meanwhile") {
  InterceptVerdicts verdicts;
  CHECK(verdicts.add("a.test:443", TunnelReason::Certificate, kBegin));
  CHECK_FALSE(verdicts.add("a.test:443", TunnelReason::Certificate, kBegin + 2min));
  CHECK(verdicts.find("a.test:443", kBegin + 2min + 59s) == TunnelReason::Certificate);
  CHECK(verdicts.add("a.test:443", TunnelReason::UpstreamTls, kBegin + 4min));
  verdicts.forget("a.test:443");
  CHECK(verdicts.find("a.test:443", kBegin + 4min) == TunnelReason::None);
  CHECK(verdicts.add("a.test:443", TunnelReason::UpstreamTls, kBegin + 5min));
  verdicts.clear();
  CHECK(verdicts.find("a.test:443", kBegin + 5min) == TunnelReason::None);
}

TEST_CASE("a thousand verdicts are kept, and the one that was made or renewed longest ago goes") {
  InterceptVerdicts verdicts;
  for (int i = 0; i < 1000; ++i) verdicts.add(std::to_string(i), TunnelReason::Certificate, kBegin);
  verdicts.add("0", TunnelReason::Certificate, kBegin);
  verdicts.add("one more", TunnelReason::Certificate, kBegin);
  CHECK(verdicts.size() == 1000);
  CHECK(verdicts.find("0", kBegin) == TunnelReason::Certificate);
  CHECK(verdicts.find("1", kBegin) == TunnelReason::None);
  CHECK(verdicts.find("2", kBegin) == TunnelReason::Certificate);
  CHECK(verdicts.find("one more", kBegin) == TunnelReason::Certificate);
}

TEST_CASE("a client's refusal is told once an hour for each host and kind of client") {
  ClientRefusals refusals;
  CHECK(refusals.add("a.test", 1, kBegin));
  CHECK_FALSE(refusals.add("a.test", 1, kBegin + 59min));
  CHECK(refusals.add("a.test", 2, kBegin));
  CHECK(refusals.add("b.test", 1, kBegin));
  CHECK(refusals.add("a.test", 1, kBegin + 60min));
}

TEST_CASE("a client is remembered as one that refuses for an hour after it last did") {
  ClientRefusals refusals;
  CHECK_FALSE(refusals.refused_lately("a.test", 1, kBegin));
  refusals.add("a.test", 1, kBegin);
  refusals.add("a.test", 1, kBegin + 30min);
  CHECK(refusals.refused_lately("a.test", 1, kBegin + 89min));
  CHECK_FALSE(refusals.refused_lately("a.test", 1, kBegin + 90min));
  CHECK_FALSE(refusals.refused_lately("a.test", 2, kBegin));
  CHECK_FALSE(refusals.refused_lately("b.test", 1, kBegin));
  for (std::uint64_t shape = 0; shape < 2000; ++shape) refusals.add("c.test", shape, kBegin);
  CHECK(refusals.size() == 1000);
}

}  // namespace keepwarm::policy
