#include "core/policy/interception.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using std::chrono::hours;
using Time = std::chrono::system_clock::time_point;

constexpr Time kNow{hours(24 * 365 * 56)};

/// A generation that may name `names` and has so many days to live.
CaGeneration generation(std::vector<std::string> names, int days) {
  CaGeneration made;
  made.scope.names = std::move(names);
  made.not_before = kNow - hours(24);
  made.not_after = kNow + hours(24 * days);
  return made;
}

}  // namespace

TEST_CASE("the oldest generation that may name the host and lives for another 14 days signs") {
  const std::vector<CaGeneration> three = {generation({"old.test"}, 14), generation({"old.test", "new.test"}, 100),
                                           generation({"new.test"}, 1000)};
  CHECK(signing_generation(three, "old.test", kNow) == 0);
  CHECK(signing_generation(three, "www.old.test", kNow) == 0);
  CHECK(signing_generation(three, "old.test", kNow + hours(1)) == 1);
  CHECK(signing_generation(three, "new.test", kNow) == 1);
  CHECK(signing_generation(three, "new.test", kNow + hours(24 * 90)) == 2);
  CHECK_FALSE(signing_generation(three, "other.test", kNow));
  CHECK_FALSE(signing_generation({}, "old.test", kNow));
}

TEST_CASE("in its last 14 days a generation signs only if there is no other, and then the one that lives longest") {
  const std::vector<CaGeneration> two = {generation({"a.test"}, 3), generation({"a.test"}, 10)};
  CHECK(signing_generation(two, "a.test", kNow) == 1);
  CHECK(signing_generation(two, "a.test", kNow + hours(24 * 9)) == 1);
  CHECK_FALSE(signing_generation(two, "a.test", kNow + hours(24 * 10)));
}

TEST_CASE("a generation signs neither before nor after its time") {
  const std::vector<CaGeneration> one = {generation({"a.test"}, 100)};
  CHECK(signing_generation(one, "a.test", one[0].not_before) == 0);
  CHECK_FALSE(signing_generation(one, "a.test", one[0].not_before - hours(1)));
  CHECK_FALSE(signing_generation(one, "a.test", one[0].not_after));
}

TEST_CASE("what is against answering a hello") {
  struct Case {
    const char* name;
    HelloOffer offer;
    TunnelReason against;
  };
  const HelloOffer good{.server_name = "a.test", .has_server_name = true};
  HelloOffer other_name = good, no_http = good, old = good, rsa = good;
  other_name.server_name = "b.test";
  no_http.http_1_1 = false;
  old.version = false;
  rsa.ecdsa_p256 = false;
  const Case cases[] = {
      {"nothing", good, TunnelReason::None},           {"no name is fine", {}, TunnelReason::None},
      {"another name", other_name, TunnelReason::Sni}, {"only h2", no_http, TunnelReason::Alpn},
      {"an old version", old, TunnelReason::Version},  {"only RSA", rsa, TunnelReason::NoEcdsa},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    CHECK(judge_hello(each.offer, "a.test") == each.against);
  }
}

TEST_CASE("each reason has a name of its own, as the access log shows it") {
  std::vector<std::string_view> names;
  for (std::size_t i = 1; i < kTunnelReasonCount; ++i) names.push_back(describe(static_cast<TunnelReason>(i)));
  CHECK(names == std::vector<std::string_view>{"listener", "ca", "not-tls", "silent", "alpn", "sni", "version",
                                               "no-ecdsa", "certificate", "client-certificate", "upstream-tls",
                                               "refused"});
  CHECK(describe(TunnelReason::None).empty());
}

}  // namespace keepwarm::policy
