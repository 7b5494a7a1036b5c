#include "daemon/probe/findings.h"

#include <ostream>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using Kind = Verdict::Kind;
using Keys = std::vector<std::pair<std::string, std::string>>;

constexpr Duration kAssumed = 5s;

ProbeFindings seen(std::vector<IdleClose> closes, std::vector<Duration> still_answered = {},
                   std::optional<Duration> silent = std::nullopt) {
  ProbeFindings findings;
  findings.answered = 8;
  findings.status = 200;
  findings.closes = std::move(closes);
  findings.still_answered = std::move(still_answered);
  findings.silent = silent;
  return findings;
}

ProbeFindings hinting(std::chrono::seconds timeout, ProbeFindings findings) {
  findings.hint.timeout = timeout;
  return findings;
}

ProbeFindings closing_each_time() {
  ProbeFindings findings = seen({});
  findings.ended_by_answer = findings.answered;
  return findings;
}

}  // namespace

TEST_CASE("the verdict follows what was seen first") {
  struct Case {
    const char* name;
    ProbeFindings findings;
    Kind kind;
    Duration min, max;
  };
  const Case cases[] = {
      {"no answer", ProbeFindings{}, Kind::Unknown, 0s, 0s},
      {"answers, and nothing yet", seen({}), Kind::Unknown, 0s, 0s},
      {"closes", seen({{5001ms, CloseKind::Fin}, {4998ms, CloseKind::Rst}, {5100ms, CloseKind::Fin}}, {1s, 2s}),
       Kind::ClosesIdle, 4998ms, 5100ms},
      {"closes at once without saying so", seen({{3ms, CloseKind::Fin}, {8ms, CloseKind::Fin}}), Kind::ClosesEachTime,
       3ms, 8ms},
      {"one soon, the others late", seen({{3ms, CloseKind::Fin}, {2s, CloseKind::Fin}}), Kind::ClosesIdle, 3ms, 2s},
      {"says close", closing_each_time(), Kind::ClosesEachTime, 0s, 0s},
      {"a dead connection", seen({}, {500ms, 1s, 2s}, 5s), Kind::DropsSilently, 2s, 5s},
      {"a dead connection that had no younger one", seen({}, {}, 500ms), Kind::DropsSilently, 0s, 500ms},
      {"a dead one among younger and older ones", seen({}, {10s, 1s, 2s}, 5s), Kind::DropsSilently, 2s, 5s},
      {"closed before it was dead", seen({{3s, CloseKind::Fin}}, {2s}, 5s), Kind::ClosesIdle, 3s, 3s},
      {"dead before others were closed", seen({{7s, CloseKind::Fin}}, {2s}, 5s), Kind::DropsSilently, 2s, 5s},
      {"outlasts the probe", seen({}, {2s, 10s, 5s}), Kind::KeepsAtLeast, 10s, 0s}};
  for (const Case& c : cases) {
    CAPTURE(std::string(c.name));
    const Verdict verdict = verdict_on(c.findings);
    CHECK(verdict.kind == c.kind);
    CHECK(verdict.min == c.min);
    CHECK(verdict.max == c.max);
  }
}

TEST_CASE("a measured age is rounded down, but not by what a clock may be off") {
  CHECK(as_setting(5004ms) == 5s);
  CHECK(as_setting(4997ms) == 5s);
  CHECK(as_setting(4985ms) == 4900ms);
  CHECK(as_setting(601ms) == 600ms);
  CHECK(as_setting(649ms) == 600ms + 50ms);
  CHECK(as_setting(75300ms) == 75s);
  CHECK(as_setting(120500ms) == 2min);
  CHECK(as_setting(3ms) == 50ms);
  CHECK(as_setting(0s) == 50ms);
}

TEST_CASE("the keys make keepwarm right for the server") {
  struct Case {
    const char* name;
    ProbeFindings findings;
    Keys keys;
  };
  const IdleClose late{7004ms, CloseKind::Fin};
  const Case cases[] = {{"nothing is known", seen({}), {}},
                        {"closes after 7 s", seen({late}), {{"assumed_idle_timeout", "\"7s\""}}},
                        {"the hint is right", hinting(7s, seen({late})), {{"assumed_idle_timeout", "\"7s\""}}},
                        {"the hint is careful", hinting(5s, seen({late})), {{"assumed_idle_timeout", "\"7s\""}}},
                        {"the hint promises too much",
                         hinting(10s, seen({late})),
                         {{"assumed_idle_timeout", "\"7s\""}, {"server_hint", "false"}}},
                        {"says close", closing_each_time(), {{"reuse", "false"}}},
                        {"a dead connection",
                         seen({}, {2s, 10s}, 15s),
                         {{"idle_timeout", "\"10s\""}, {"assumed_idle_timeout", "\"10s\""}}},
                        {"a dead connection, and a hint that is longer",
                         hinting(15s, seen({}, {10s}, 15s)),
                         {{"idle_timeout", "\"10s\""}, {"assumed_idle_timeout", "\"10s\""}, {"server_hint", "false"}}},
                        {"a dead connection at the first use", seen({}, {}, 500ms), {{"reuse", "false"}}},
                        {"outlasts the probe", hinting(300s, seen({}, {120s})), {{"assumed_idle_timeout", "\"2m\""}}},
                        {"outlasts a probe that was shorter than what is assumed", seen({}, {2s}), {}}};
  for (const Case& c : cases) {
    CAPTURE(std::string(c.name));
    CHECK(advised_keys(c.findings, verdict_on(c.findings), kAssumed) == c.keys);
  }
}

}  // namespace keepwarm::daemon
