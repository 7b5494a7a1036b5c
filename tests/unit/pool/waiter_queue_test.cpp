#include "core/pool/waiter_queue.h"

#include <initializer_list>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include "core/pool/connect_attempts.h"
#include "tests/unit/pool/part_fakes.h"

namespace keepwarm::pool::test {
namespace {

using Source = Waiter::Source;

/// A queue that nobody serves, and what it reports.
struct Queue : Surroundings, WaiterEvents, ConnectEvents {
  // WaiterEvents
  void waiter_left(ConnectAttempt* attempt, TimePoint) noexcept override {
    ++left;
    left_with = attempt;
  }
  void waiter_timed_out(Waiter& waiter, TimePoint) override {
    CHECK(waiter.waiting());
    timed_out.push_back(&waiter);
  }
  // ConnectEvents
  void connected(ConnectAttempt&, Dialed, TimePoint) override {}
  void connect_failed(ConnectAttempt&, const DialFailure&, TimePoint) override {}
  void addresses_seen(std::span<const net::SocketAddress>, TimePoint) override {}

  void add(std::initializer_list<Client*> clients, const CheckoutRequirements& requirements = kReplayable) {
    for (Client* const each : clients) queue.add(*each->waiter, requirements, 10s, now());
  }
  [[nodiscard]] ConnectAttempt& connect_for(Client& client) {
    ConnectAttempt& attempt = attempts.start_for(*client.waiter, 5s, now());
    queue.connecting(*client.waiter, attempt);
    return attempt;
  }
  /// All that wait, in line; the queue is empty then.
  [[nodiscard]] std::vector<Waiter*> line() {
    std::vector<Waiter*> all;
    while (Waiter* const first = queue.front()) {
      all.push_back(first);
      queue.remove(*first);
    }
    return all;
  }
  /// All that have no source, in line; they leave the queue.
  [[nodiscard]] std::vector<Waiter*> line_without_source() {
    std::vector<Waiter*> all;
    while (Waiter* const first = queue.first_without_source()) {
      all.push_back(first);
      queue.remove(*first);
    }
    return all;
  }
  [[nodiscard]] static Waiter* of(Client& client) { return &*client.waiter; }

  int left = 0;
  ConnectAttempt* left_with = nullptr;
  std::vector<Waiter*> timed_out;
  UpstreamTarget target{context, {Scheme::Http, "origin.test", 80}, plain_hop()};
  ConnectAttempts attempts{context, target, *this};
  WaiterQueue queue{wheel, *this};
  Client a, b, c, d;
};

using Line = std::vector<Waiter*>;

TEST_CASE_FIXTURE(Queue, "first come, first served, though all come in one event") {
  CHECK(queue.empty());
  CHECK(queue.front() == nullptr);
  CHECK(queue.waiting_since() == TimePoint::max());
  add({&a, &b, &c});
  CHECK(queue.size() == 3);
  CHECK(a.waiter->order() < b.waiter->order());
  CHECK(line() == Line{of(a), of(b), of(c)});
  CHECK(queue.empty());
  CHECK_FALSE(a.waiting());
}

TEST_CASE_FIXTURE(Queue, "whatever each needs, they stand in one line") {
  add({&a}, kUnsafe);
  add({&b}, kRemote);
  add({&c}, kReplayable);
  CHECK(line() == Line{of(a), of(b), of(c)});
}

TEST_CASE_FIXTURE(Queue, "retries go first, in the order in which they come") {
  add({&a});
  add({&b, &c}, kFresh);
  add({&d});
  CHECK(queue.waiting_since() == a.waiter->since());  // who was passed has waited longest all the same
  CHECK(line() == Line{of(b), of(c), of(a), of(d)});
}

TEST_CASE_FIXTURE(Queue, "who waits is asked for by what it needs") {
  for (const CheckoutRequirements& each : {kReplayable, kUnsafe, kFresh, kRemote}) {
    CAPTURE(each.replayable);
    CAPTURE(each.local_client);
    add({&a}, each);
    std::size_t classes = 0;
    for (std::size_t of_class = 0; of_class < WaiterQueue::kClasses; ++of_class) {
      if (queue.front(of_class) == nullptr) continue;
      ++classes;
      const CheckoutRequirements needs = WaiterQueue::requirements_of(of_class);
      CHECK(needs.replayable == each.replayable);
      CHECK(needs.fresh_only == each.fresh_only);
      CHECK(needs.local_client == each.local_client);
      CHECK(queue.front(of_class) == of(a));
      CHECK(queue.first_without_source(of_class) == of(a));
    }
    CHECK(classes == 1);
    CHECK(a.waiter->requirements().local_client == each.local_client);
    CHECK(queue.first_without_source_of(each.local_client) == of(a));
    CHECK(queue.first_without_source_of(!each.local_client) == nullptr);
    queue.remove(*a.waiter);
  }
}

TEST_CASE_FIXTURE(Queue, "a waiter with a source waits on, and asks for none") {
  add({&a, &b});
  ConnectAttempt& attempt = connect_for(a);
  CHECK(a.waiter->source() == Source::Connect);
  CHECK(a.waiter->attempt() == &attempt);
  CHECK(queue.front() == of(a));
  CHECK(queue.first_without_source() == of(b));
  CHECK(queue.waiting_since() == a.waiter->since());
  CHECK(queue.waiting_without_source_since() == b.waiter->since());
  CHECK(queue.remove(*a.waiter) == &attempt);
  CHECK(queue.remove(*b.waiter) == nullptr);
}

TEST_CASE_FIXTURE(Queue, "who loses its connect is put back into its place in line") {
  add({&a, &b, &c, &d});
  for (Client* const each : {&a, &b, &c}) static_cast<void>(connect_for(*each));
  SUBCASE("one after the other") {
    for (Client* const each : {&a, &b, &c}) queue.connect_lost(*each->waiter);
  }
  SUBCASE("the last first") {
    for (Client* const each : {&c, &b, &a}) queue.connect_lost(*each->waiter);
  }
  SUBCASE("in no order") {
    for (Client* const each : {&b, &c, &a}) queue.connect_lost(*each->waiter);
  }
  SUBCASE("and one again") {
    for (Client* const each : {&b, &c}) queue.connect_lost(*each->waiter);
    static_cast<void>(connect_for(c));
    queue.connect_lost(*a.waiter);
    queue.connect_lost(*c.waiter);
  }
  SUBCASE("and the one that was put back last leaves") {
    queue.connect_lost(*c.waiter);
    queue.remove(*c.waiter);
    queue.connect_lost(*b.waiter);
    queue.connect_lost(*a.waiter);
    CHECK(line_without_source() == Line{of(a), of(b), of(d)});
    return;
  }
  CHECK(a.waiter->attempt() == nullptr);
  CHECK(a.waiter->source() == Source::None);
  CHECK(line_without_source() == Line{of(a), of(b), of(c), of(d)});
}

TEST_CASE_FIXTURE(Queue, "other workers refuse in the order in which they were asked, and are not asked again") {
  add({&a, &b, &c});
  queue.await_transfer(*b.waiter);
  queue.await_transfer(*a.waiter);
  CHECK(queue.awaiting_transfer() == 2);
  CHECK(queue.first_without_source() == of(c));
  queue.refuse_transfer();
  CHECK(queue.awaiting_transfer() == 1);
  CHECK(b.waiter->transfer_refused());
  CHECK_FALSE(a.waiter->transfer_refused());
  CHECK(queue.first_without_source() == of(b));
  queue.refuse_transfer();
  queue.refuse_transfer();  // nobody is left
  CHECK(queue.awaiting_transfer() == 0);
  CHECK(line_without_source() == Line{of(a), of(b), of(c)});
  add({&b});  // it asks again later, for another request
  CHECK_FALSE(b.waiter->transfer_refused());
}

TEST_CASE_FIXTURE(Queue, "who leaves while it waits for another worker is not waited for") {
  add({&a});
  queue.await_transfer(*a.waiter);
  queue.remove(*a.waiter);
  CHECK(queue.awaiting_transfer() == 0);
  queue.refuse_transfer();
}

TEST_CASE_FIXTURE(Queue, "who withdraws, or is destroyed, is out of the queue, which reports it with its connect") {
  add({&a, &b});
  ConnectAttempt& attempt = connect_for(a);
  SUBCASE("withdrawn") {
    a.waiter->withdraw();
  }
  SUBCASE("destroyed") {
    a.waiter.reset();
  }
  CHECK(left == 1);
  CHECK(left_with == &attempt);
  CHECK(queue.size() == 1);
  CHECK(queue.front() == of(b));
  b.waiter->withdraw();
  CHECK(left == 2);
  CHECK(left_with == nullptr);
  b.waiter->withdraw();  // it does not wait
  CHECK(left == 2);
}

TEST_CASE_FIXTURE(Queue, "who was served is not reported as having left") {
  add({&a});
  queue.remove(*a.waiter);
  a.waiter.reset();
  CHECK(left == 0);
}

TEST_CASE_FIXTURE(Queue, "when its time is over a waiter is reported, and still waits") {
  add({&a, &b, &c});
  queue.remove(*c.waiter);
  pass(5s);
  queue.extend(*b.waiter, 10s, now());
  CHECK(timed_out.empty());
  pass(5100ms);
  CHECK(timed_out == Line{of(a)});
  CHECK(queue.size() == 2);
  pass(5s);
  CHECK(timed_out == Line{of(a), of(b)});
}

}  // namespace
}  // namespace keepwarm::pool::test
