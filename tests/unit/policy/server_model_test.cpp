#include "core/policy/server_model.h"

#include <optional>

#include <doctest/doctest.h>

/// What is believed of a server, and what follows for its connections. The estimate itself: idle_history_test.cpp; what
/// idle times follow from it: idle_terms_test.cpp.
namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;
using Source = ExpectedIdle::Source;

constexpr std::uint64_t kAddress = 1;

/// Settings that differ from the default in one thing.
template <typename T>
HostSettings with(T HostSettings::*member, T value) {
  HostSettings settings;
  settings.*member = value;
  return settings;
}

/// A server, the others, and the time.
struct Model {
  explicit Model(const HostSettings& its_settings = {}) : settings(its_settings) {}

  /// A connection that has served once, and has been idle in the pool for so long.
  [[nodiscard]] ConnectionFacts idle_for(Duration age) const {
    return {.opened_at = now - age - 10ms, .idle_since = now - age, .returned_at = now - age, .served = 1};
  }
  /// One that was opened so long ago and has not served yet.
  [[nodiscard]] ConnectionFacts unused_for(Duration age) const {
    return {.opened_at = now - age, .idle_since = now - age, .returned_at = now - age};
  }
  /// The server closes a connection at this idle age.
  std::optional<IdlePeriod> close_at(Duration age) {
    ConnectionFacts connection = idle_for(age);
    now += 1s;  // so that several are no restart
    connection.idle_since += 1s;
    connection.returned_at += 1s;
    return server.closed(connection, kAddress, now);
  }
  /// A connection lives through an idle period of this length.
  void survive(Duration age) {
    ConnectionFacts connection = idle_for(age);
    server.survived(connection, age, kAddress, now);
  }
  /// A response came, with this hint.
  void answer(std::optional<Duration> hint) {
    ConnectionFacts connection = idle_for(0s);
    server.answered(connection, hint, now);
  }
  /// So many other hosts have lived through this idle age.
  void others_live(int count, Duration age) {
    for (int i = 0; i < count; ++i) {
      CloseRiskEstimator::HostSample host;
      all_hosts.lived(host, age);
    }
  }
  /// Whether a host that is new would be trusted at this age.
  [[nodiscard]] bool trusted_elsewhere(Duration age) const { return all_hosts.may_trust({}, age, 1ms); }

  HostSettings settings;
  CloseRiskEstimator all_hosts;
  TimePoint now{1000h};
  ServerModel server{settings, all_hosts};
};

// ---- Which connection serves which request ----

TEST_CASE("fit: whether a request may go on a connection, by its age and what is known") {
  struct Case {
    const char* name;
    HostSettings settings;
    Duration age;
    std::optional<Duration> hint;
    std::optional<Duration> closed_at;  ///< the server closed another one at this age
    Fit replayable, unsafe;
  };
  const auto never = with(&HostSettings::unsafe_reuse, UnsafeReuse::Never);
  const auto always = with(&HostSettings::unsafe_reuse, UnsafeReuse::Always);
  const Case cases[] = {
      {"just returned", {}, 0s, {}, {}, Fit::Trusted, Fit::Trusted},
      {"up to 250 ms without any proof", {}, 249ms, {}, {}, Fit::Trusted, Fit::Trusted},
      {"longer than was proved", {}, 1s, {}, {}, Fit::Untrusted, Fit::No},
      {"longer than is assumed", {}, 30s, {}, {}, Fit::Untrusted, Fit::No},
      {"longer than it is held", {}, 60s, {}, {}, Fit::No, Fit::No},
      {"well before the hint", {}, 8s, 10s, {}, Fit::Trusted, Fit::Trusted},
      {"within the margin of the hint", {}, 9s, 10s, {}, Fit::No, Fit::No},
      {"well before what was learned", {}, 1900ms, {}, 3s, Fit::Trusted, Fit::Trusted},
      {"within the margin of that", {}, 2s, {}, 3s, Fit::No, Fit::No},
      {"the hint is shorter than what was learned", {}, 1500ms, 2s, 5s, Fit::No, Fit::No},
      {"it does not learn", with(&HostSettings::learn, false), 3500ms, {}, 3s, Fit::Untrusted, Fit::No},
      {"never, just returned", never, 0s, {}, {}, Fit::Trusted, Fit::No},
      {"always, longer than was proved", always, 30s, {}, {}, Fit::Untrusted, Fit::Untrusted},
      {"always, longer than it is held", always, 60s, {}, {}, Fit::No, Fit::No},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Model model(c.settings);
    if (c.closed_at) REQUIRE(model.close_at(*c.closed_at));
    ConnectionFacts connection = model.idle_for(c.age);
    connection.hint = c.hint;
    CHECK(model.server.fit(connection, true, model.now) == c.replayable);
    CHECK(model.server.fit(connection, false, model.now) == c.unsafe);
  }
}

TEST_CASE("a lapse test serves what is replayable alone, whatever its age and whatever risk the user takes") {
  for (const UnsafeReuse reuse : {UnsafeReuse::Never, UnsafeReuse::Trusted, UnsafeReuse::Always}) {
    Model model(with(&HostSettings::unsafe_reuse, reuse));
    model.others_live(200, 50s);
    for (const Duration age : {Duration(0s), Duration(40s)}) {
      ConnectionFacts connection = model.idle_for(age);
      connection.lapse_test = true;
      CHECK(model.server.fit(connection, true, model.now) == Fit::Untrusted);
      CHECK(model.server.fit(connection, false, model.now) == Fit::No);
    }
  }
}

TEST_CASE("one close by the server bounds what is trusted and what is held") {
  Model model;
  CHECK(model.server.expected().source == Source::Assumed);
  CHECK(model.close_at(3s));
  CHECK(model.server.expected().source == Source::Learned);
  CHECK(model.server.expected().timeout == 3s);
  const IdleTerms terms = model.server.terms(model.idle_for(0s), model.now);
  CHECK(terms.held_for == 2s);  // the margin is a second
  CHECK(terms.trusted_for == 2s);
}

TEST_CASE("a hint that is shorter than what was learned decides, and a longer one does not") {
  Model model;
  REQUIRE(model.close_at(3s));
  model.answer(2s);
  CHECK(model.server.expected().source == Source::Hint);
  CHECK(model.server.expected().timeout == 2s);
  model.answer(30s);
  CHECK(model.server.expected().source == Source::Learned);
}

TEST_CASE("until when a connection is held") {
  struct Case {
    const char* name;
    Duration max_lifetime;
    std::optional<Duration> hint;
    bool lapse_test;
    Duration held;  ///< from when it fell idle, a minute after it was opened
  };
  const Case cases[] = {
      {"nothing is known", 1h, {}, false, 60s},
      {"a hint", 1h, 10s, false, 9s},
      {"its lifetime ends first", 90s, {}, false, 30s},
      {"no limit of lifetime", 0s, {}, false, 60s},
      {"a lapse test", 1h, 10s, true, 60s},
      {"whose lifetime ends first", 90s, 10s, true, 30s},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Model model(with(&HostSettings::max_lifetime, c.max_lifetime));
    ConnectionFacts connection = model.idle_for(0s);
    connection.opened_at = model.now - 60s;
    connection.hint = c.hint;
    connection.lapse_test = c.lapse_test;
    CHECK(model.server.held_until(connection, model.now) == model.now + c.held);
  }
}

TEST_CASE("max_lifetime is over at its age, and never if there is none") {
  for (const Duration limit : {Duration(0s), Duration(90s)}) {
    Model model(with(&HostSettings::max_lifetime, limit));
    ConnectionFacts connection = model.idle_for(0s);
    connection.opened_at = model.now - 90s;
    CHECK(model.server.lifetime_over(connection, model.now) == (limit == 90s));
    CHECK_FALSE(model.server.lifetime_over(connection, model.now - 1ns));
  }
}

TEST_CASE("how long a connection counts as warm, and when its successor is due") {
  Model model(with(&HostSettings::max_lifetime, Duration(20s)));
  ConnectionFacts connection = model.idle_for(0s);
  connection.opened_at = model.now;
  CHECK(model.server.warm_time(connection, 0s, model.now).until == model.now + 4s);  // assumed: 5 s, less the margin
  connection.hint = 10s;
  CHECK(model.server.warm_time(connection, 0s, model.now).until == model.now + 9s);
  const Duration lead = model.server.warm_time(connection, 0s, model.now).lead;
  CHECK(lead > 0s);
  CHECK(model.server.warm_time(connection, 1s, model.now).lead > lead);  // opening takes a second
  connection.opened_at = model.now - 15s;
  CHECK(model.server.warm_time(connection, 0s, model.now).until == model.now + 5s);  // its lifetime ends
}

TEST_CASE("a server that closes within a moment is not worth keeping warm") {
  Model model;
  CHECK(model.server.worth_keeping_warm());
  model.answer(400ms);
  CHECK_FALSE(model.server.worth_keeping_warm());
}

TEST_CASE("a hint that is shorter than a round trip leaves no room") {
  Model model;
  ConnectionFacts connection = model.idle_for(0s);
  connection.round_trip = {.smoothed_us = 20000, .variation_us = 0};
  CHECK_FALSE(model.server.no_time(connection, model.now));
  connection.hint = 1s;
  CHECK_FALSE(model.server.no_time(connection, model.now));
  connection.hint = 15ms;
  const auto no_time = model.server.no_time(connection, model.now);
  REQUIRE(no_time);
  CHECK(no_time->hint == 15ms);
  CHECK(no_time->round_trip == 20ms);
}

// ---- Hints and settings ----

TEST_CASE("an answer counts, and its hint is the one that holds") {
  Model model;
  ConnectionFacts connection = model.unused_for(1s);
  model.server.answered(connection, 7s, model.now - 5ms);
  CHECK(connection.served == 1);
  CHECK(connection.hint == Duration(7s));
  CHECK(connection.idle_since == model.now - 5ms);
  CHECK(model.server.last_hint() == Duration(7s));
  model.server.answered(connection, std::nullopt, model.now);
  CHECK(connection.served == 2);
  CHECK_FALSE(connection.hint);
  CHECK_FALSE(model.server.last_hint());
}

TEST_CASE("a hint that is not to be honoured is none") {
  Model model(with(&HostSettings::server_hint, false));
  ConnectionFacts connection = model.unused_for(1s);
  model.server.answered(connection, 7s, model.now);
  CHECK_FALSE(connection.hint);
  CHECK_FALSE(model.server.last_hint());
}

TEST_CASE("new settings count at once: hints that are not to be honoured are forgotten, closes are not") {
  Model model;
  model.answer(2s);
  REQUIRE(model.close_at(3s));
  const HostSettings no_hints = with(&HostSettings::server_hint, false);
  model.server.set_settings(no_hints);
  CHECK_FALSE(model.server.last_hint());
  CHECK(model.server.expected().source == Source::Learned);
  const HostSettings no_learning = with(&HostSettings::learn, false);
  model.server.set_settings(no_learning);
  CHECK(model.server.expected().source == Source::Assumed);
  CHECK_FALSE(model.server.learning());
}

// ---- Closes ----

TEST_CASE("which closes tell the idle timeout") {
  struct Case {
    const char* name;
    Duration in_pool;  ///< how long it lay there
    Duration idle;     ///< how long the server may have counted
    std::uint32_t served;
    bool tells;
  };
  const Case cases[] = {
      {"after a while in the pool", 3s, 3s, 1, true},
      {"it has never served", 3s, 3s, 0, false},
      {"its answer was read slowly: nobody knows when the server began to count", 3s, 33s, 1, false},
      {"read a little slowly", 3s, 3200ms, 1, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Model model;
    ConnectionFacts connection = model.idle_for(c.in_pool);
    connection.idle_since = model.now - c.idle;
    connection.served = c.served;
    const auto period = model.server.closed(connection, kAddress, model.now);
    CHECK(period.has_value() == c.tells);
    CHECK(model.server.learned().has_value() == c.tells);
    if (!period) continue;
    CHECK(period->age == c.in_pool);
    CHECK(period->address == kAddress);
    CHECK(period->ended == model.now);
  }
}

TEST_CASE("which closes concern the other workers") {
  Model model;
  CHECK(model.server.concerns_other_workers({.age = 250ms, .address = kAddress, .ended = model.now}));
  CHECK_FALSE(model.server.concerns_other_workers({.age = 249ms, .address = kAddress, .ended = model.now}));
  const HostSettings no_learning = with(&HostSettings::learn, false);
  model.server.set_settings(no_learning);
  CHECK_FALSE(model.server.concerns_other_workers({.age = 10s, .address = kAddress, .ended = model.now}));
}

TEST_CASE("a close that another worker has seen counts as one of our own") {
  Model model;
  model.server.learn_close({.age = 3s, .address = kAddress, .ended = model.now});
  CHECK(model.server.learned() == Duration(3s));
}

TEST_CASE("a limit for first requests holds connections that never served, for ten minutes") {
  Model model;
  ConnectionFacts connection = model.unused_for(3s);
  CHECK_FALSE(model.server.closed(connection, kAddress, model.now));
  CHECK(model.server.terms(model.unused_for(0s), model.now).held_for == 2s);
  CHECK(model.server.terms(model.idle_for(0s), model.now).held_for == 60s);
  CHECK(model.server.expected().source == Source::Assumed);
  CHECK(model.server.terms(model.unused_for(0s), model.now + 10min - 1ns).held_for == 2s);
  CHECK(model.server.terms(model.unused_for(0s), model.now + 10min).held_for == 60s);
}

TEST_CASE("a connection that never served and is closed at once has met no limit") {
  Model model;
  ConnectionFacts connection = model.unused_for(249ms);
  CHECK_FALSE(model.server.closed(connection, kAddress, model.now));
  CHECK(model.server.terms(model.unused_for(0s), model.now).held_for == 60s);
}

// ---- Survivals ----

TEST_CASE("an idle age that was survived is trusted from then on, until a close or a failure disproves it") {
  Model model(with(&HostSettings::idle_margin, Duration(0s)));
  const auto trusted_at = [&](Duration age) {
    return model.server.fit(model.idle_for(age), false, model.now) == Fit::Trusted;
  };
  CHECK_FALSE(trusted_at(350ms));
  model.survive(600ms);
  CHECK(trusted_at(350ms));
  CHECK_FALSE(trusted_at(700ms));
  SUBCASE("a close") {
    model.close_at(260ms);
    CHECK_FALSE(trusted_at(350ms));
  }
  SUBCASE("a request that failed") {
    model.server.request_failed(300ms);
    CHECK_FALSE(trusted_at(350ms));
  }
  SUBCASE("but not one that failed so early that it is no idle timeout") {
    model.server.request_failed(249ms);
    CHECK(trusted_at(350ms));
  }
}

TEST_CASE("a failure disproves its age less the margin") {
  Model model;  // idle_margin: 1 s
  model.survive(600ms);
  model.server.request_failed(2s);
  CHECK(model.server.fit(model.idle_for(300ms), false, model.now) == Fit::Trusted);
  model.server.request_failed(1200ms);
  CHECK(model.server.fit(model.idle_for(300ms), false, model.now) == Fit::No);
}

TEST_CASE("which survivals tell something") {
  Model model;
  CHECK(model.server.learns_from_survival(model.idle_for(1s), 1s));
  CHECK_FALSE(model.server.learns_from_survival(model.idle_for(0s), 249ms));
  CHECK_FALSE(model.server.learns_from_survival(model.unused_for(1s), 1s));
  for (int i = 0; i < 3; ++i) model.survive(1s);
  CHECK_FALSE(model.server.learns_from_survival(model.idle_for(1s), 1s));  // known by now
  ConnectionFacts lapse_test = model.idle_for(0s);
  lapse_test.lapse_test = true;
  CHECK(model.server.learns_from_survival(lapse_test, 0s));  // its end is awaited
}

TEST_CASE("a connection that is found open proves its age for others, if it has served") {
  Model model;
  CHECK_FALSE(model.server.would_prove(model.unused_for(1s), model.now));
  const ConnectionFacts oldest = model.idle_for(1s);
  REQUIRE(model.server.would_prove(oldest, model.now));
  model.server.seen_open(oldest, model.now);
  CHECK_FALSE(model.server.would_prove(oldest, model.now));
  CHECK(model.server.fit(model.idle_for(900ms), false, model.now) == Fit::Trusted);
  CHECK(model.server.fit(model.idle_for(1100ms), false, model.now) == Fit::No);
}

TEST_CASE("what counts is how long it lay in the pool, not since when the server may have counted") {
  Model model;
  ConnectionFacts slowly_read = model.idle_for(100ms);
  slowly_read.idle_since = model.now - 3s;
  model.server.seen_open(slowly_read, model.now);
  CHECK(model.server.fit(model.idle_for(1s), false, model.now) == Fit::No);
}

// ---- Lapse tests ----

TEST_CASE("which connection is left to lapse when its time is over") {
  struct Case {
    const char* name;
    bool learn;
    bool learned;
    std::optional<Duration> hint;
    Duration age;
    std::uint32_t served;
    bool may;
  };
  const Case cases[] = {
      {"one that was learned of", true, true, {}, 2s, 1, true},
      {"nothing was learned", true, false, {}, 2s, 1, false},
      {"it does not learn", false, true, {}, 2s, 1, false},
      {"a shorter hint limits it", true, true, 2s, 2s, 1, false},
      {"a longer hint does not", true, true, 30s, 2s, 1, true},
      {"it has never served", true, true, {}, 2s, 0, false},
      {"it is as old as any may be", true, true, {}, 60s, 1, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Model model(with(&HostSettings::learn, c.learn));
    if (c.learned) REQUIRE(model.close_at(3s));
    ConnectionFacts connection = model.idle_for(c.age);
    connection.served = c.served;
    connection.hint = c.hint;
    CHECK(model.server.may_test_lapse(connection, model.now) == c.may);
  }
}

TEST_CASE("one lapse test at a time, and its end ends it") {
  Model model;
  REQUIRE(model.close_at(3s));
  ConnectionFacts first = model.idle_for(2s);
  ConnectionFacts second = model.idle_for(2s);
  REQUIRE(model.server.may_test_lapse(first, model.now));
  model.server.begin_lapse_test(first, model.now);
  CHECK(first.lapse_test);
  CHECK_FALSE(model.server.may_test_lapse(first, model.now));
  CHECK_FALSE(model.server.may_test_lapse(second, model.now));
  model.now += 1s;
  SUBCASE("by a close") {
    const auto period = model.server.closed(first, kAddress, model.now);
    REQUIRE(period);
    CHECK(period->lapse_test);
  }
  SUBCASE("by a request that was answered") {
    model.server.survived(first, 3s, kAddress, model.now);
  }
  CHECK_FALSE(first.lapse_test);
  model.now += 30min;
  second = model.idle_for(2s);
  CHECK(model.server.may_test_lapse(second, model.now));
}

// ---- What other hosts have shown ----

TEST_CASE("a host of which nothing is known is trusted at an age that a hundred others lived through") {
  Model model;
  const auto fit_at = [&](Duration age) { return model.server.fit(model.idle_for(age), false, model.now); };
  CHECK(fit_at(20s) == Fit::No);
  model.others_live(97, 50s);
  CHECK(fit_at(20s) == Fit::No);
  model.others_live(1, 50s);
  CHECK(fit_at(20s) == Fit::Trusted);  // even beyond what is assumed
  CHECK(model.server.expected().source == Source::Assumed);
}

TEST_CASE("an age is trusted as long as the others lived through what is left of its bin, and no longer") {
  Model model;
  model.others_live(98, 20s);
  CHECK(model.server.fit(model.idle_for(19s), false, model.now) == Fit::Trusted);
  CHECK(model.server.fit(model.idle_for(19999ms), false, model.now) == Fit::No);
}

TEST_CASE("the others have no say about a host whose own history or settings decide") {
  HostSettings settings;
  SUBCASE("it does not learn") {
    settings.learn = false;
  }
  SUBCASE("what cannot be replayed is never to be reused") {
    settings.unsafe_reuse = UnsafeReuse::Never;
  }
  SUBCASE("it is held no longer") {
    settings.idle_timeout = 10s;
  }
  Model model(settings);
  model.others_live(200, 50s);
  ConnectionFacts connection = model.idle_for(29500ms);
  SUBCASE("its server gives a hint") {
    connection.hint = 30s;
  }
  SUBCASE("a close was seen") {
    REQUIRE(model.close_at(30s));
  }
  SUBCASE("a request failed, whatever the reason") {
    model.server.request_failed(30s);
    CHECK(model.server.expected().source == Source::Assumed);
  }
  SUBCASE("the connection has never served") {
    connection.served = 0;
  }
  CHECK(model.server.fit(connection, false, model.now) == Fit::No);
}

TEST_CASE("what a host lives through is evidence for the others, once") {
  Model model;
  model.others_live(97, 260ms);
  CHECK_FALSE(model.trusted_elsewhere(250ms));
  SUBCASE("when a request is answered") {
    model.survive(300ms);
    model.survive(300ms);
  }
  SUBCASE("when the oldest is still open") {
    model.server.seen_open(model.idle_for(300ms), model.now);
    model.server.seen_open(model.idle_for(300ms), model.now);
  }
  CHECK(model.trusted_elsewhere(250ms));
  CloseRiskEstimator::HostSample host;
  model.all_hosts.closed(host, 252ms);
  CHECK_FALSE(model.trusted_elsewhere(250ms));
  model.others_live(98, 260ms);
  CHECK_FALSE(model.trusted_elsewhere(250ms));  // 196 of 197
}

TEST_CASE("the first close of a host is evidence, and no further one") {
  Model model;
  model.others_live(99, 50s);
  SUBCASE("a close that was seen") {
    CHECK(model.trusted_elsewhere(20s));
    REQUIRE(model.close_at(20s));
    CHECK_FALSE(model.trusted_elsewhere(20s));
    CHECK(model.trusted_elsewhere(10s));
    REQUIRE(model.close_at(10s));
    CHECK(model.trusted_elsewhere(10s));
  }
  SUBCASE("or a failure that may have been one") {
    model.server.request_failed(20s);
    CHECK_FALSE(model.trusted_elsewhere(20s));
  }
}

TEST_CASE("a host that does not learn, or gives hints, is no evidence for the others") {
  HostSettings settings;
  std::optional<Duration> hint;
  SUBCASE("does not learn") {
    settings.learn = false;
  }
  SUBCASE("gives hints") {
    hint = 30s;
  }
  Model model(settings);
  model.answer(hint);
  model.others_live(97, 260ms);
  model.survive(300ms);
  CHECK_FALSE(model.trusted_elsewhere(250ms));
  model.others_live(1, 50s);
  CHECK(model.trusted_elsewhere(250ms));
  model.close_at(251ms);
  model.server.request_failed(251ms);
  CHECK(model.trusted_elsewhere(250ms));
}

}  // namespace
}  // namespace keepwarm::policy
