#include "core/policy/keep_warm.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

TimePoint after(Duration since_start) {
  return TimePoint{} + 1000s + since_start;
}

/// A host in use that wants two, with room for more.
WarmView view_of(std::uint32_t open, std::uint32_t expiring = 0) {
  return {.wanted = 2, .open = open, .expiring = expiring, .idle_capacity = 64, .in_use_until = after(10min)};
}

}  // namespace

TEST_CASE("how many are wanted: never more than may be open or idle") {
  struct Case {
    const char* name;
    HostSettings host;
    std::uint32_t wanted;
  };
  const auto host = [](std::uint32_t keep_warm, std::uint32_t max_idle = 64, std::uint32_t max_connections = 64,
                       bool reuse = true) {
    HostSettings settings;
    settings.keep_warm = keep_warm;
    settings.max_idle = max_idle;
    settings.max_connections = max_connections;
    settings.reuse = reuse;
    return settings;
  };
  const Case cases[] = {
      {"the default", {}, 0},
      {"two", host(2), 2},
      {"fewer may lie idle", host(5, 3), 3},
      {"none may lie idle", host(5, 0), 0},
      {"fewer may be open", host(5, 64, 1), 1},
      {"none is used again", host(5, 64, 64, false), 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(warm_wanted(c.host) == c.wanted);
  }
}

TEST_CASE(
    "an idle connection is warm until a margin before the server is expected to close it, however that is known") {
  struct Case {
    const char* name;
    ServerView server;
    Duration warm_for;
  };
  ServerView hinted, learned, both, long_hint, proved, survived, slow;
  hinted.hint = 3s;
  learned.learned = 3s;
  both.hint = 5s;
  both.learned = 3s;
  long_hint.hint = 2min;
  proved.proved = 30s;
  survived.survived = 20s;
  slow.round_trip = 2s;
  slow.srtt = 1s;
  const Case cases[] = {
      {"nothing is known, nothing proved", {}, 4s},
      {"as far as it is assumed, whatever was proved", proved, 4s},
      {"three survived longer", survived, 19s},
      {"a hint", hinted, 2s},
      {"closes", learned, 2s},
      {"the lesser of both", both, 2s},
      {"no longer than idle connections are held", long_hint, 60s},
      {"a slow link", slow, 3s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(warm_for({}, c.server) == c.warm_for);
  }
}

TEST_CASE("the next one is opened as early as twice what that takes, at least 100 ms, at most half of the time") {
  CHECK(warm_lead(4s, 10ms) == 100ms);
  CHECK(warm_lead(4s, 300ms) == 600ms);
  CHECK(warm_lead(4s, 3s) == 2s);
  CHECK(warm_lead(150ms, 10ms) == 75ms);
}

TEST_CASE("what is to be opened") {
  struct Case {
    const char* name;
    WarmView view;
    std::uint32_t missing, open;
  };
  const auto but = [](WarmView view, auto change) {
    change(view);
    return view;
  };
  const Case cases[] = {
      {"enough are open", view_of(2), 0, 0},
      {"more than enough", view_of(9), 0, 0},
      {"none is open", view_of(0), 2, 2},
      {"one is missing", view_of(1), 1, 1},
      {"what will not be trusted for long does not count", view_of(2, 1), 1, 1},
      {"none of many counts", view_of(9, 9), 2, 2},
      {"nothing is wanted", but(view_of(0), [](WarmView& view) { view.wanted = 0; }), 0, 0},
      {"ten are missing: two at a time", but(view_of(0), [](WarmView& view) { view.wanted = 10; }), 10, 2},
      {"one of them is under way",
       but(view_of(1),
           [](WarmView& view) {
             view.wanted = 10;
             view.opening = view.prewarming = 1;
           }),
       9, 1},
      {"two of them are",
       but(view_of(2),
           [](WarmView& view) {
             view.wanted = 10;
             view.opening = view.prewarming = 2;
           }),
       8, 0},
      {"those of clients do not hold them up",
       but(view_of(4),
           [](WarmView& view) {
             view.wanted = 10;
             view.opening = 4;
           }),
       6, 2},
      {"no more than may lie idle", but(view_of(0), [](WarmView& view) { view.idle_capacity = 1; }), 2, 1},
      {"as many are open as may be", but(view_of(0), [](WarmView& view) { view.connections_full = true; }), 2, 0},
      {"during a pause", but(view_of(0), [](WarmView& view) { view.backoff_until = after(1s); }), 2, 0},
      {"when it is over", but(view_of(0), [](WarmView& view) { view.backoff_until = after(0s); }), 2, 2},
      {"another worker does it", but(view_of(0), [](WarmView& view) { view.elsewhere = true; }), 2, 0},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const WarmPlan plan = warm_plan(c.view, after(0s));
    CHECK_FALSE(plan.close_all);
    CHECK(plan.missing == c.missing);
    CHECK(plan.open == c.open);
  }
}

TEST_CASE("a host that was not used for its time lets go, and nothing is opened for it") {
  WarmView view = view_of(0);
  view.in_use_until = after(0s);
  const WarmPlan plan = warm_plan(view, after(0s));
  CHECK(plan.close_all);
  CHECK(plan.open == 0);
  view.in_use_until = after(1ms);
  CHECK_FALSE(warm_plan(view, after(0s)).close_all);
}

TEST_CASE("those whose time is over are needed no more when as many others are open, not before") {
  WarmView view = view_of(4, 2);
  CHECK(warm_plan(view, after(0s)).replaced);
  view.opening = 1;
  CHECK_FALSE(warm_plan(view, after(0s)).replaced);
  view = view_of(3, 2);
  CHECK_FALSE(warm_plan(view, after(0s)).replaced);
}

TEST_CASE("they make room where there is none, as many as are missing") {
  WarmView view = view_of(3, 2);
  CHECK(warm_plan(view, after(0s)).close_expired == 0);
  view.connections_full = true;
  CHECK(warm_plan(view, after(0s)).close_expired == 1);
  view = view_of(2, 2);
  view.idle_full = true;
  CHECK(warm_plan(view, after(0s)).close_expired == 2);
  view.elsewhere = true;  // which is why another worker cannot open any
  CHECK(warm_plan(view, after(0s)).close_expired == 2);
}

TEST_CASE("when it looks again: at the next change, and when what holds it up may be over") {
  struct Case {
    const char* name;
    void (*change)(WarmView& view);
    Duration check_again;
  };
  const Case cases[] = {
      {"nothing changes", [](WarmView& view) { view.open = 2; }, 10min},
      {"one expires", [](WarmView& view) { view.next_change = after(3s); }, 3s},
      {"during a pause", [](WarmView& view) { view.backoff_until = after(2s); }, 2s},
      {"no pause matters while none is missing",
       [](WarmView& view) {
         view.open = 2;
         view.backoff_until = after(2s);
       },
       10min},
      {"all connections are open", [](WarmView& view) { view.connections_full = true; }, 1s},
      {"none may lie idle", [](WarmView& view) { view.idle_capacity = 0; }, 1s},
      {"the pause is longer",
       [](WarmView& view) {
         view.connections_full = true;
         view.backoff_until = after(2s);
       },
       2s},
      {"another worker might leave",
       [](WarmView& view) {
         view.open = 2;
         view.elsewhere = true;
       },
       5s},
      {"a change comes first",
       [](WarmView& view) {
         view.backoff_until = after(2s);
         view.next_change = after(1500ms);
       },
       1500ms},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    WarmView view = view_of(0);
    c.change(view);
    CHECK(warm_plan(view, after(0s)).check_again == after(c.check_again));
  }
}

TEST_CASE("pauses double up to a minute while attempts fail one after the other") {
  WarmBackoff backoff;
  CHECK(backoff.until() <= after(0s));
  TimePoint moment = after(0s);
  for (const Duration pause : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    const TimePoint began = moment;
    moment += 500ms;  // an attempt takes a while
    backoff.failed(began, moment);
    CHECK(backoff.until() == moment + pause);
    moment = backoff.until() + 50ms;
  }
}

TEST_CASE("attempts that fail together count as one failure") {
  WarmBackoff backoff;
  backoff.failed(after(0s), after(100ms));
  backoff.failed(after(0s), after(150ms));
  CHECK(backoff.until() == after(1100ms));
}

TEST_CASE("after a success pauses begin anew") {
  WarmBackoff backoff;
  backoff.failed(after(0s), after(0s));
  backoff.failed(after(1s), after(1s));
  REQUIRE(backoff.until() == after(3s));
  backoff.failed(after(10s), after(10s));  // what began at 3 s was well until then
  CHECK(backoff.until() == after(11s));
}

TEST_CASE("a client's connection ends the pause; a failure behind it makes the next one longer") {
  WarmBackoff backoff;
  backoff.failed(after(0s), after(0s));
  backoff.lift(after(200ms));
  CHECK(backoff.until() == after(200ms));
  backoff.failed(after(250ms), after(300ms));
  CHECK(backoff.until() == after(2300ms));
  backoff.lift(after(60s));  // over long ago
  CHECK(backoff.until() == after(2300ms));
}

}  // namespace keepwarm::policy
