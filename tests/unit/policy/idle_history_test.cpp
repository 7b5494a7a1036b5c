#include "core/policy/idle_history.h"

#include <doctest/doctest.h>

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kHere = 0x1234'5678'9abc'def0;
constexpr std::uint64_t kThere = 42;
constexpr Duration kMargin = 1s;

/// A history, and a clock that moves only when told to.
struct HistoryFixture {
  IdleHistory history;
  TimePoint now = TimePoint{} + 24h * 365;

  void closes(Duration age, std::uint64_t address = kHere) { history.closed({age, address, now}, kMargin); }
  void survives(Duration age, std::uint64_t address = kHere) { history.survived({age, address, now}); }
  void pass(Duration time) { now += time; }
  void closes_later(Duration age, std::uint64_t address = kHere) {
    pass(10s);
    closes(age, address);
  }
  void survives_times(int times, Duration age, std::uint64_t address = kHere) {
    for (int i = 0; i < times; ++i) survives(age, address);
  }
  /// A lapse test that begins now, and that the server closes at `age`.
  void lapse_test_is_closed(Duration age) {
    history.lapse_test_begun(now);
    pass(1s);
    history.closed({age, kHere, now, true}, kMargin);
  }
  void lapse_test_survives(Duration age) {
    history.lapse_test_begun(now);
    pass(1s);
    history.survived({age, kHere, now, true});
  }
};

}  // namespace

TEST_CASE_FIXTURE(HistoryFixture, "nothing was seen: nothing is known") {
  CHECK(history.learned() == std::nullopt);
  CHECK(history.survived() == 0s);
  CHECK(history.proved() == 0s);
}

TEST_CASE_FIXTURE(HistoryFixture, "the first close counts at once, and then the least of them") {
  closes(5s);
  CHECK(history.learned() == 5s);
  closes_later(5900ms);
  CHECK(history.learned() == 5s);
  closes_later(4800ms);
  CHECK(history.learned() == 4800ms);
}

TEST_CASE_FIXTURE(HistoryFixture, "a close right after an answer is no idle timeout, and disproves nothing") {
  survives(10s);
  closes(249ms);
  CHECK(history.learned() == std::nullopt);
  CHECK(history.proved() == 10s);
  closes(250ms);
  CHECK(history.learned() == 250ms);
}

// ---- Bursts ----

TEST_CASE_FIXTURE(HistoryFixture,
                  "closes of clearly different ages at one moment are a restart, and none of them counts") {
  SUBCASE("the younger one first") {
    closes(3s);
    pass(200ms);
    closes(10s);
  }
  SUBCASE("the older one first") {
    closes(10s);
    pass(200ms);
    closes(3s);
  }
  SUBCASE("another worker's close comes with an earlier time") {
    closes(10s);
    pass(-200ms);
    closes(3s);
  }
  SUBCASE("many, over a longer time") {
    for (int i = 1; i < 20; ++i) {
      closes(i * 1s);
      pass(200ms);
    }
  }
  SUBCASE("several of one age before") {
    closes(3s);
    closes(3s);
    closes(3100ms);
    closes(10s);
  }
  SUBCASE("and one of the first age behind") {
    closes(3s);
    closes(10s);
    closes(3s);
  }
  CHECK(history.learned() == std::nullopt);
}

TEST_CASE_FIXTURE(HistoryFixture, "connections that fell idle at one moment may close at one moment") {
  for (int i = 0; i < 5; ++i) closes(5s + i * 10ms);
  CHECK(history.learned() == 5s);
}

TEST_CASE_FIXTURE(HistoryFixture, "closes that are further apart are no burst") {
  closes(3s);
  pass(251ms);
  closes(10s);
  CHECK(history.learned() == 3s);
}

TEST_CASE_FIXTURE(HistoryFixture, "two servers may close at one moment") {
  closes(3s, kHere);
  closes(10s, kThere);
  CHECK(history.learned() == 3s);
}

TEST_CASE_FIXTURE(HistoryFixture, "a burst takes back nothing that was learned before") {
  closes(5s);
  pass(1s);
  closes(5s);
  closes(2s);
  CHECK(history.learned() == 5s);
}

TEST_CASE_FIXTURE(HistoryFixture, "after a burst closes count again") {
  closes(3s);
  closes(10s);
  closes_later(7s);
  CHECK(history.learned() == 7s);
}

// ---- Contradictions ----

TEST_CASE_FIXTURE(HistoryFixture, "a close that four connections outlived is dropped") {
  closes(5s);
  survives_times(3, 20s);
  CHECK(history.learned() == 5s);
  survives(20s);
  CHECK(history.learned() == std::nullopt);
}

TEST_CASE_FIXTURE(HistoryFixture, "to outlive a close is to be clearly older") {
  SUBCASE("a quarter more is not enough") {
    closes(8s);
    survives_times(10, 10s);
    CHECK(history.learned() == 8s);
    survives_times(4, 10001ms);
    CHECK(history.learned() == std::nullopt);
  }
  SUBCASE("nor are 250 ms") {
    closes(500ms);
    survives_times(10, 750ms);
    CHECK(history.learned() == 500ms);
    survives_times(4, 751ms);
    CHECK(history.learned() == std::nullopt);
  }
}

TEST_CASE_FIXTURE(HistoryFixture, "a close of about that age again starts the count anew") {
  closes(5s);
  survives_times(3, 20s);
  closes_later(5500ms);
  survives_times(3, 20s);
  CHECK(history.learned() == 5s);
  survives(20s);
  CHECK(history.learned() == std::nullopt);
}

TEST_CASE_FIXTURE(HistoryFixture, "a close of another age does not") {
  closes(5s);
  survives_times(3, 20s);
  closes_later(30s);
  CHECK(history.learned() == 30s);  // it was the fourth that lived longer
}

TEST_CASE_FIXTURE(HistoryFixture, "what lives longer at another address contradicts nothing") {
  closes(5s, kHere);
  survives_times(20, 60s, kThere);
  closes_later(90s, kThere);
  CHECK(history.learned() == 5s);
  survives_times(4, 60s, kHere);
  CHECK(history.learned() == 90s);
}

TEST_CASE_FIXTURE(HistoryFixture, "only the closes that were outlived are dropped") {
  closes(5s);
  closes_later(30s);
  survives_times(3, 20s);  // the close at 30 s is the first that contradicts the one at 5 s
  CHECK(history.learned() == 30s);
}

// ---- What was survived and proved ----

TEST_CASE_FIXTURE(HistoryFixture, "what three connections survived counts: the third-longest age") {
  survives(10s);
  survives(30s);
  CHECK(history.survived() == 0s);
  survives(20s);
  CHECK(history.survived() == 10s);
  survives(15s);
  CHECK(history.survived() == 15s);
  survives(1s);
  CHECK(history.survived() == 15s);
  CHECK(history.proved() == 30s);
}

TEST_CASE_FIXTURE(HistoryFixture, "a connection that is still open proves an age without having survived it") {
  for (int i = 0; i < 5; ++i) history.seen_open(8s);
  history.seen_open(2s);
  CHECK(history.proved() == 8s);
  CHECK(history.survived() == 0s);
}

TEST_CASE_FIXTURE(HistoryFixture, "a close disproves longer ages, and its own less the margin") {
  survives_times(3, 20s);
  closes(12s);
  CHECK(history.proved() == 11s);
  CHECK(history.survived() == 11s);
  closes_later(600ms);
  CHECK(history.proved() == 0s);
  CHECK(history.survived() == 0s);
}

TEST_CASE_FIXTURE(HistoryFixture, "a restart disproves, too: whoever takes it for one may be wrong") {
  survives_times(3, 20s);
  closes(5s);
  closes(10s);
  CHECK(history.learned() == std::nullopt);
  CHECK(history.proved() == 4s);
}

TEST_CASE_FIXTURE(HistoryFixture, "what was disproved without a close that counts can be proved again") {
  survives_times(3, 20s);
  history.invalidate_survival(4s);
  CHECK(history.learned() == std::nullopt);
  CHECK(history.proved() == 4s);
  CHECK(history.survived() == 4s);
  CHECK_FALSE(history.would_change(4s));
  CHECK(history.would_change(15s));
  survives_times(3, 15s);
  CHECK(history.proved() == 15s);
  CHECK(history.survived() == 15s);
  CHECK_FALSE(history.would_change(15s));
}

// ---- Forgetting ----

TEST_CASE_FIXTURE(HistoryFixture, "of one address the last eight closes count: a timeout that crept up is followed") {
  closes(5s);
  for (int i = 0; i < 7; ++i) closes_later(6s);
  CHECK(history.learned() == 5s);
  closes_later(6s);
  CHECK(history.learned() == 6s);
}

TEST_CASE_FIXTURE(HistoryFixture, "many closes at one address do not push out what was learned of another") {
  closes(5s, kHere);
  for (int i = 0; i < 50; ++i) closes_later(60s, kThere);
  CHECK(history.learned() == 5s);
}

TEST_CASE_FIXTURE(HistoryFixture, "of more addresses than there is room for the last ones count") {
  closes(5s, 100);
  for (std::uint64_t address = 1; address <= 7; ++address) closes_later(60s, address);
  CHECK(history.learned() == 5s);
  closes_later(60s, 8);
  CHECK(history.learned() == 60s);
}

TEST_CASE_FIXTURE(HistoryFixture, "what was not seen again for an hour is forgotten") {
  closes(5s, kThere);
  pass(40min);
  closes(60s);
  CHECK(history.learned() == 5s);
  pass(21min);
  static_cast<void>(history.may_test_lapse(now));
  CHECK(history.learned() == 60s);
  pass(40min);
  closes(70s);
  CHECK(history.learned() == 70s);
}

// ---- Probes ----

TEST_CASE_FIXTURE(HistoryFixture, "there is nothing to test before something was learned") {
  CHECK_FALSE(history.may_test_lapse(now));
  closes(5s);
  CHECK(history.may_test_lapse(now));
}

TEST_CASE_FIXTURE(HistoryFixture, "one lapse test at a time") {
  closes(5s);
  history.lapse_test_begun(now);
  pass(30min);
  CHECK_FALSE(history.may_test_lapse(now));
  history.survived({1s, kHere, now, true});
  CHECK(history.may_test_lapse(now));
}

TEST_CASE_FIXTURE(HistoryFixture, "until three closes are known lapse tests follow one another") {
  closes(5s);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(history.may_test_lapse(now));
    lapse_test_is_closed(5s);
  }
  CHECK_FALSE(history.may_test_lapse(now));
}

TEST_CASE_FIXTURE(HistoryFixture, "a minute between lapse tests, and up to ten while they confirm what is known") {
  for (int i = 0; i < 3; ++i) closes_later(5s);
  for (const Duration pause : {2min, 4min, 8min, 10min, 10min}) {
    CAPTURE(pause.count());
    REQUIRE(history.may_test_lapse(now));
    lapse_test_is_closed(5100ms);
    pass(pause - 1ms);
    CHECK_FALSE(history.may_test_lapse(now));
    pass(1ms);
  }
}

TEST_CASE_FIXTURE(HistoryFixture, "a lapse test that tells nothing keeps the pace") {
  survives_times(3, 10s);
  for (int i = 0; i < 3; ++i) closes_later(5s);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(history.may_test_lapse(now));
    lapse_test_survives(2s);
    CHECK_FALSE(history.may_test_lapse(now));
    pass(59s - 1ms);
    CHECK_FALSE(history.may_test_lapse(now));
    pass(1ms);
  }
}

TEST_CASE_FIXTURE(HistoryFixture,
                  "a lapse test that contradicts is followed by the next one at once, until the close is dropped") {
  for (int i = 0; i < 2; ++i) closes_later(5s);
  lapse_test_is_closed(5s);
  pass(2min);
  for (int i = 0; i < 4; ++i) {
    REQUIRE(history.may_test_lapse(now));
    lapse_test_survives(60s);
  }
  CHECK(history.learned() == std::nullopt);
  CHECK_FALSE(history.may_test_lapse(now));
  CHECK(history.survived() == 60s);
}

TEST_CASE_FIXTURE(HistoryFixture, "after a contradiction the pauses begin at a minute again") {
  for (int i = 0; i < 3; ++i) closes_later(5s);
  for (int i = 0; i < 4; ++i) {
    lapse_test_is_closed(5s);
    pass(10min);
  }
  lapse_test_survives(60s);
  lapse_test_is_closed(5s);
  pass(2min - 1ms);
  CHECK_FALSE(history.may_test_lapse(now));
  pass(1ms);
  CHECK(history.may_test_lapse(now));
}

}  // namespace keepwarm::policy
