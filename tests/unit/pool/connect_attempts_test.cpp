#include "core/pool/connect_attempts.h"

#include <memory>
#include <optional>
#include <span>

#include <doctest/doctest.h>

#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_tickets.h"
#include "core/pool/waiter_queue.h"
#include "tests/unit/pool/part_fakes.h"

namespace keepwarm::pool::test {
namespace {

using Kind = net::ConnectFailure::Kind;

/// Attempts whose ends the test decides, and waiters for them.
struct Attempts : Surroundings, WaiterEvents, ConnectEvents, HostPoolOwner {
  Attempts() {
    context.owner = this;
    for (Client* const each : {&local, &other, &remote}) {
      queue.add(*each->waiter, each == &remote ? kRemote : kReplayable, 10s, now());
    }
  }
  // WaiterEvents
  void waiter_left(ConnectAttempt*, TimePoint) noexcept override {}
  void waiter_timed_out(Waiter&, TimePoint) override {}
  // ConnectEvents
  void connected(ConnectAttempt& attempt, Dialed, TimePoint) override {
    ++successes;
    ended = in_use->take(attempt);
  }
  void connect_failed(ConnectAttempt& attempt, const DialFailure&, TimePoint) override {
    ++failures;
    ended = in_use->take(attempt);
  }
  void addresses_seen(std::span<const net::SocketAddress>, TimePoint) override {}
  // HostPoolOwner
  void host_unused(HostPool&) noexcept override {}
  bool free_a_descriptor() override {
    ++descriptors_asked_for;
    return descriptor_is_free;
  }
  bool close_an_idle_one() override { return false; }

  ConnectAttempt& start_for(Client& client) { return attempts.start_for(*client.waiter, 5s, now()); }
  ConnectAttempt& start_prewarming() {
    attempts.start_prewarming(true, 5s, now());
    ConnectAttempt* const attempt = attempts.adoptable(true, now());
    REQUIRE(attempt != nullptr);
    return *attempt;
  }

  int successes = 0;
  int failures = 0;
  std::unique_ptr<ConnectAttempt> ended;
  int descriptors_asked_for = 0;
  bool descriptor_is_free = true;
  UpstreamTarget target{context, {Scheme::Http, "origin.test", 80}, plain_hop()};
  ConnectAttempts attempts{context, target, *this};
  ConnectAttempts* in_use = &attempts;
  WaiterQueue queue{wheel, *this};
  Client local, other, remote;
};

TEST_CASE_FIXTURE(Attempts, "one that is begun for a waiter is that one's, as long as it needs it") {
  ConnectAttempt& attempt = start_for(local);
  CHECK(attempts.count() == 1);
  CHECK(attempts.unclaimed() == 0);
  CHECK(stats.attempts == 1);
  CHECK(attempt.waiter() == &*local.waiter);
  CHECK(attempt.local_client());
  CHECK(dialer.request(1).timeout == 5s);
  CHECK(dialer.request(1).local_client);
  CHECK(attempts.adoptable(true, now()) == nullptr);
  attempts.release(attempt);
  CHECK(attempt.waiter() == nullptr);
  CHECK(attempts.unclaimed() == 1);
  CHECK(attempts.adoptable(true, now()) == &attempt);
  CHECK(attempts.adoptable(false, now()) == nullptr);  // it was begun under other rules
  attempts.adopt(attempt, *other.waiter);
  CHECK(attempt.waiter() == &*other.waiter);
  CHECK(attempt.adopted());
  CHECK(attempts.unclaimed() == 0);
  CHECK(dialer.under_way() == 1);
}

TEST_CASE_FIXTURE(Attempts, "the oldest unclaimed one of its kind is adopted first") {
  ConnectAttempt& first = start_for(local);
  ConnectAttempt& second = start_for(other);
  ConnectAttempt& far = start_for(remote);
  CHECK_FALSE(dialer.request(3).local_client);
  for (ConnectAttempt* const each : {&first, &far, &second}) attempts.release(*each);
  CHECK(attempts.adoptable(true, now()) == &first);
  CHECK(attempts.adoptable(false, now()) == &far);
  attempts.adopt(first, *local.waiter);
  CHECK(attempts.adoptable(true, now()) == &second);
}

TEST_CASE_FIXTURE(Attempts, "one that has ended is taken out, whosever it was") {
  ConnectAttempt& first = start_for(local);
  static_cast<void>(start_for(other));
  static_cast<void>(start_for(remote));
  SUBCASE("a success") {
    dialer.succeed(1);
    CHECK(successes == 1);
    CHECK(stats.opened == 1);
  }
  SUBCASE("a failure") {
    dialer.fail(1);
    CHECK(failures == 1);
    CHECK(stats.open_failures == 1);
  }
  SUBCASE("of one that nobody waits for") {
    attempts.release(first);
    dialer.succeed(1);
    CHECK(attempts.unclaimed() == 0);
    CHECK(attempts.adoptable(true, now()) == nullptr);
  }
  CHECK(ended.get() == &first);
  CHECK(attempts.count() == 2);
  dialer.succeed(3);
  dialer.succeed(2);
  CHECK(attempts.count() == 0);
}

TEST_CASE_FIXTURE(Attempts, "those that nobody waits for can be given up, the others alone or all") {
  ConnectAttempt& first = start_for(local);
  static_cast<void>(start_for(other));
  ConnectAttempt& far = start_for(remote);
  attempts.release(first);
  attempts.release(far);
  CHECK(attempts.cancel_unclaimed() == 2);
  CHECK(attempts.count() == 1);
  CHECK(dialer.under_way() == 1);
  CHECK(dialer.oldest() == 2);
  attempts.cancel_all();
  CHECK(attempts.count() == 0);
  CHECK(dialer.under_way() == 0);
  CHECK(successes + failures == 0);
  CHECK(stats.attempts == 0);
}

// ---- keep_warm ----

TEST_CASE_FIXTURE(Attempts, "one that is begun for keep_warm counts as such, whoever adopts it") {
  ConnectAttempt& attempt = start_prewarming();
  CHECK(attempt.prewarms());
  CHECK(attempts.prewarming() == 1);
  CHECK(attempts.unclaimed() == 1);
  attempts.adopt(attempt, *local.waiter);
  CHECK(attempts.prewarming() == 1);
  dialer.succeed(1);
  CHECK(attempts.prewarming() == 0);
  CHECK(stats.prewarmed == 1);
}

TEST_CASE_FIXTURE(Attempts, "one that takes longer than it should is not adopted; another one that is unclaimed is") {
  const ConnectAttempt& slow = start_prewarming();
  ConnectAttempt& released = start_for(other);
  pass(200ms);
  CHECK(attempts.adoptable(true, now()) == nullptr);
  attempts.release(released);
  CHECK(attempts.adoptable(true, now()) == &released);
  CHECK(slow.waiter() == nullptr);
}

TEST_CASE_FIXTURE(Attempts, "after one has failed none is adopted that is for keep_warm, until one succeeds") {
  static_cast<void>(start_prewarming());
  dialer.fail(1);
  attempts.start_prewarming(true, 5s, now());
  CHECK(attempts.adoptable(true, now()) == nullptr);
  dialer.succeed(2);
  static_cast<void>(start_prewarming());
}

// ---- A second try ----

TEST_CASE_FIXTURE(Attempts, "out of descriptors, one is freed and the attempt starts again, once") {
  ConnectAttempt& attempt = start_for(local);
  dialer.fail(1, Kind::OutOfDescriptors);
  CHECK(descriptors_asked_for == 1);
  CHECK(failures == 0);
  CHECK(attempts.count() == 1);
  REQUIRE(dialer.begun() == 2);
  SUBCASE("and succeeds") {
    dialer.succeed(2);
    CHECK(successes == 1);
  }
  SUBCASE("and fails") {
    dialer.fail(2, Kind::OutOfDescriptors);
    CHECK(failures == 1);
    CHECK(stats.open_failures == 1);
    CHECK(descriptors_asked_for == 1);
  }
  CHECK(ended.get() == &attempt);
  CHECK(dialer.begun() == 2);
}

TEST_CASE_FIXTURE(Attempts, "which failures are tried again") {
  struct Case {
    const char* name;
    Kind kind;
    bool for_a_waiter;
    bool descriptor_is_free;
    int asked_for;
    bool again;
  };
  const Case cases[] = {
      {"refused", Kind::Refused, true, true, 0, false},
      {"no descriptor, and one can be freed", Kind::OutOfDescriptors, true, true, 1, true},
      {"and none can", Kind::OutOfDescriptors, true, false, 1, false},
      {"nobody waits for it", Kind::OutOfDescriptors, false, true, 0, false},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Attempts each;
    each.descriptor_is_free = c.descriptor_is_free;
    c.for_a_waiter ? static_cast<void>(each.start_for(each.local)) : static_cast<void>(each.start_prewarming());
    each.dialer.fail(1, c.kind);
    CHECK(each.descriptors_asked_for == c.asked_for);
    CHECK(each.failures == (c.again ? 0 : 1));
    CHECK(each.dialer.begun() == (c.again ? 2U : 1U));
  }
}

TEST_CASE("a server that breaks when it is shown a session is tried once more, without one") {
  net::Loop loop;
  net::TlsClient client(loop);
  Attempts base;
  base.dialer.tickets = std::make_shared<net::TlsTickets>(client.ticket_bound());
  base.dialer.tickets->put("one");
  base.dialer.tickets->put("two");
  policy::HostSettings settings;
  settings.upgrade = true;
  UpstreamTarget target(base.context, {Scheme::Http, "origin.test", 80},
                        policy::next_hop({Scheme::Http, "origin.test", 80}, settings));
  ConnectAttempts attempts(base.context, target, base);
  base.in_use = &attempts;
  static_cast<void>(attempts.start_for(*base.local.waiter, 5s, base.now()));
  DialFailure failure;
  failure.step = DialFailure::Step::Tls;
  failure.tried_to_resume = true;
  SUBCASE("once") {
    base.dialer.fail(1, failure);
    CHECK(base.dialer.tickets->count() == 0);
    REQUIRE(base.dialer.begun() == 2);
    base.dialer.fail(2, failure);
  }
  SUBCASE("not if none was shown") {
    failure.tried_to_resume = false;
    base.dialer.fail(1, failure);
    CHECK(base.dialer.begun() == 1);
  }
  SUBCASE("nor if its certificate is what is wrong") {
    failure.tls.kind = net::TlsFailure::Kind::Certificate;
    base.dialer.fail(1, failure);
    CHECK(base.dialer.begun() == 1);
  }
  CHECK(base.failures == 1);
}

// ---- What it cost ----

TEST_CASE_FIXTURE(Attempts, "the opening cost follows what the last ones took") {
  CHECK(attempts.opening_cost() == Duration::zero());
  dialer.cost = 80ms;
  static_cast<void>(start_for(local));
  dialer.succeed(1);
  CHECK(attempts.opening_cost() == 80ms);
  dialer.cost = 160ms;
  static_cast<void>(start_for(local));
  dialer.succeed(2);
  CHECK(attempts.opening_cost() == 90ms);
  static_cast<void>(start_for(local));
  dialer.fail(3);
  CHECK(attempts.opening_cost() == 90ms);
}

}  // namespace
}  // namespace keepwarm::pool::test
