#include "core/policy/idle_terms.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr IdleSettings kDefaults;
constexpr std::uint64_t kKiB = 1024;
constexpr std::uint64_t kMiB = 1024 * kKiB;

/// A ServerView of which a case names only what it is about.
struct Known {
  std::optional<Duration> hint = std::nullopt;
  std::optional<Duration> learned = std::nullopt;
  Duration survived{};
  Duration proved{};
  Duration round_trip{};
  Duration srtt{};

  [[nodiscard]] ServerView view() const { return {hint, learned, survived, proved, round_trip, srtt}; }
};

TimePoint at(Duration since_start) {
  return TimePoint{} + 1000s + since_start;
}

}  // namespace

TEST_CASE("idle terms follow the hint, then what was learned, then the assumption") {
  struct Case {
    const char* name;
    Known server;
    Duration held_for, trusted_for;
  };
  const Case cases[] = {
      {"hint of 5 s: closed by us a second before", {.hint = 5s}, 4s, 4s},
      {"the margin takes at most half", {.hint = 1s}, 500ms, 500ms},
      {"a long hint: our own limit", {.hint = 120s}, 60s, 60s},
      {"the lesser of hint and learned", {.hint = 10s, .learned = 3s}, 2s, 2s},
      {"unknown: held, trusted as far as proved", {.proved = 2s, .round_trip = 40ms}, 60s, 1960ms},
      {"unknown and nothing proved", {}, 60s, 250ms},
      {"a slow link needs a wider margin", {.hint = 10s, .round_trip = 3s}, 7s, 7s},

      {"learned alone counts as a hint does", {.learned = 15s}, 14s, 14s},
      {"a hint below what was learned wins", {.hint = 3s, .learned = 10s}, 2s, 2s},
      {"two seconds: the margin is just half", {.hint = 2s}, 1s, 1s},
      {"a slow link too takes at most half", {.hint = 4s, .round_trip = 3s}, 2s, 2s},
      {"a round trip below the margin changes nothing", {.hint = 5s, .round_trip = 900ms}, 4s, 4s},
      {"a hint of nothing: no time at all", {.hint = 0s}, 0s, 0s},
      {"what was proved does not stretch a hint", {.hint = 5s, .proved = 30s}, 4s, 4s},
      {"nor does it shorten one", {.hint = 5s, .proved = 1s}, 4s, 4s},
      {"proved beyond the assumption: never beyond its margin", {.proved = 40s}, 60s, 4s},
      {"the proof is less a round trip, at least 250 ms", {.proved = 300ms, .round_trip = 100ms}, 60s, 250ms},
      {"a slow link shortens what the assumption allows", {.proved = 40s, .round_trip = 2s}, 60s, 3s},

      {"what three survived replaces a lesser assumption", {.survived = 20s, .proved = 40s}, 60s, 19s},
      {"but not a greater one", {.survived = 2s, .proved = 40s}, 60s, 4s},
      {"and only as far as was proved", {.survived = 20s, .proved = 10s, .round_trip = 40ms}, 60s, 9960ms},
      {"what was survived does not stretch a hint", {.hint = 5s, .survived = 20s, .proved = 40s}, 4s, 4s},
      {"nor what was learned", {.learned = 5s, .survived = 20s, .proved = 40s}, 4s, 4s},

      {"a round trip of more than half: the last safe moment",
       {.hint = 1s, .round_trip = 600ms, .srtt = 600ms},
       400ms,
       400ms},
      {"and one deviation more", {.hint = 1s, .round_trip = 800ms, .srtt = 600ms}, 350ms, 350ms},
      {"under half it is as before", {.hint = 1s, .round_trip = 400ms, .srtt = 300ms}, 500ms, 500ms},
      {"a round trip of all of it: no time at all", {.learned = 1s, .round_trip = 1200ms, .srtt = 1100ms}, 0s, 0s},
      {"nor under an assumption", {.proved = 40s, .round_trip = 6s, .srtt = 6s}, 60s, 0s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const IdleTerms terms = idle_terms(kDefaults, c.server.view());
    CHECK(terms.held_for == c.held_for);
    CHECK(terms.trusted_for == c.trusted_for);
  }
}

TEST_CASE("idle terms obey the settings of the host") {
  struct Case {
    const char* name;
    IdleSettings settings;
    Known server;
    Duration held_for, trusted_for;
  };
  const Case cases[] = {
      {"idle_timeout below the hint", {.idle_timeout = 2s}, {.hint = 5s}, 2s, 2s},
      {"idle_timeout above the hint does not stretch it", {.idle_timeout = 1h}, {.hint = 5s}, 4s, 4s},
      {"idle_timeout bounds trust where nothing is known", {.idle_timeout = 100ms}, {.proved = 3s}, 100ms, 100ms},
      {"idle_margin as set", {.idle_margin = 3s}, {.hint = 10s}, 7s, 7s},
      {"no idle_margin: the round trip is left",
       {.idle_margin = 0s},
       {.hint = 10s, .round_trip = 20ms},
       9980ms,
       9980ms},
      {"no idle_margin and no round trip", {.idle_margin = 0s}, {.hint = 10s}, 10s, 10s},
      {"idle_margin limits the assumption too", {.idle_margin = 2s}, {.proved = 40s}, 60s, 3s},
      {"assumed_idle_timeout as set", {.assumed_idle_timeout = 20s}, {.proved = 40s}, 60s, 19s},
      {"an assumption so short that half of it is under 250 ms", {.assumed_idle_timeout = 200ms}, {}, 60s, 100ms},
      {"the assumption does not hold against a hint", {.assumed_idle_timeout = 1s}, {.hint = 10s}, 9s, 9s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const IdleTerms terms = idle_terms(c.settings, c.server.view());
    CHECK(terms.held_for == c.held_for);
    CHECK(terms.trusted_for == c.trusted_for);
  }
}

TEST_CASE("trust never outlasts the hold, whatever is known") {
  const Duration values[] = {0s, 1ms, 250ms, 1s, 5s, 61s, 24h};
  for (const Duration idle_timeout : values) {
    for (const Duration known : values) {
      for (const Duration round_trip : values) {
        const IdleSettings settings{.idle_timeout = idle_timeout};
        for (const Known& server :
             {Known{.hint = known, .round_trip = round_trip}, Known{.learned = known, .round_trip = round_trip},
              Known{.proved = known, .round_trip = round_trip}}) {
          const IdleTerms terms = idle_terms(settings, server.view());
          CHECK(terms.trusted_for <= terms.held_for);
          CHECK(terms.held_for <= idle_timeout);
          CHECK(terms.trusted_for >= 0s);
        }
      }
    }
  }
}

TEST_CASE("what is expected of the server, and how that is known") {
  using Source = ExpectedIdle::Source;
  struct Case {
    const char* name;
    Known server;
    Duration timeout;
    Source source;
    const char* described;
  };
  const Case cases[] = {
      {"nothing is known", {.proved = 40s}, 5s, Source::Assumed, "assumed"},
      {"a hint", {.hint = 10s}, 10s, Source::Hint, "hint"},
      {"closes", {.learned = 10s}, 10s, Source::Learned, "learned"},
      {"the lesser: the hint", {.hint = 4s, .learned = 10s}, 4s, Source::Hint, "hint"},
      {"the lesser: the closes", {.hint = 10s, .learned = 4s}, 4s, Source::Learned, "learned"},
      {"both say the same", {.hint = 4s, .learned = 4s}, 4s, Source::Hint, "hint"},
      {"three lived longer than assumed", {.survived = 8s}, 8s, Source::Learned, "learned"},
      {"three lived, but not longer", {.survived = 5s}, 5s, Source::Assumed, "assumed"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    const ExpectedIdle expected = expected_idle(kDefaults, c.server.view());
    CHECK(expected.timeout == c.timeout);
    CHECK(expected.source == c.source);
    CHECK(describe(expected.source) == c.described);
  }
}

TEST_CASE("a hint that is no longer than the round trip leaves no room") {
  const auto at_capacity = [](const Known& server) { return hint_leaves_no_time(kDefaults, server.view()); };
  CHECK_FALSE(at_capacity({}));
  CHECK_FALSE(at_capacity({.hint = 1s}));
  CHECK_FALSE(at_capacity({.hint = 1s, .round_trip = 2s, .srtt = 600ms}));
  CHECK(at_capacity({.hint = 1s, .round_trip = 2s, .srtt = 900ms}));
  CHECK(at_capacity({.hint = 1s, .round_trip = 1s, .srtt = 1s}));
  CHECK(at_capacity({.hint = 0s}));
  CHECK_FALSE(at_capacity({.learned = 1s, .round_trip = 2s, .srtt = 900ms}));
  CHECK_FALSE(at_capacity({.hint = 2s, .learned = 1s, .round_trip = 2s, .srtt = 900ms}));
}

TEST_CASE("idle settings are the host's") {
  HostSettings host;
  host.idle_timeout = 11s;
  host.idle_margin = 12s;
  host.assumed_idle_timeout = 13s;
  const IdleSettings settings = idle_settings(host);
  CHECK(settings.idle_timeout == 11s);
  CHECK(settings.idle_margin == 12s);
  CHECK(settings.assumed_idle_timeout == 13s);
  CHECK(idle_settings({}).idle_timeout == kDefaults.idle_timeout);
  CHECK(idle_settings({}).idle_margin == kDefaults.idle_margin);
  CHECK(idle_settings({}).assumed_idle_timeout == kDefaults.assumed_idle_timeout);
}

TEST_CASE("the idle age counts from the last byte, the last pause, or earlier after a large body") {
  struct Case {
    const char* name;
    Arrival arrival;
    Duration since;
  };
  const Case cases[] = {
      {"a small answer: its last byte", {at(0s), at(1s), {}, 10}, 1s},
      {"a body of 64 KiB is not large", {at(0s), at(1s), {}, 64 * kKiB}, 1s},
      {"reading was paused: the start of the last pause", {at(0s), at(3s), at(2s), 10}, 2s},
      {"a body that fits the socket buffers: all of its time", {at(1s), at(3s), {}, 2 * kMiB}, 1s},
      {"a larger one: the share that the buffers hold", {at(0s), at(10s), {}, 40 * kMiB}, 9s},
      {"a huge one", {at(0s), at(100s), {}, 400 * kMiB}, 99s},
      {"the earlier of the two: the buffers", {at(0s), at(10s), at(9500ms), 40 * kMiB}, 9s},
      {"the earlier of the two: the pause", {at(0s), at(10s), at(8s), 40 * kMiB}, 8s},
      {"a large body in no time", {at(1s), at(1s), {}, 40 * kMiB}, 1s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(idle_since(c.arrival) == at(c.since));
  }
}

TEST_CASE("no more than a large body's first byte is ever charged") {
  for (std::uint64_t size = 1; size < 64 * kMiB; size *= 3) {
    const TimePoint since = idle_since({at(1s), at(2s), {}, size});
    CHECK(since >= at(1s));
    CHECK(since <= at(2s));
  }
}

}  // namespace keepwarm::policy
