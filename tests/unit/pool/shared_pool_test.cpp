#include "core/pool/shared_pool.h"

#include <atomic>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm::pool {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kWorkers = 3;

Origin origin(std::uint16_t port = 80) {
  return {Scheme::Http, "origin.test", port};
}

struct SharedPoolFixture {
  SharedPool shared_pool{kWorkers};
  std::shared_ptr<SharedHost> host = shared_pool.host(origin(), {});
  TimePoint start{1h};
};

TEST_CASE_FIXTURE(SharedPoolFixture, "equal settings are one key, wherever they are kept") {
  const policy::HostSettings one, two;
  CHECK(shared_pool.host(origin(), one) == host);
  CHECK(shared_pool.host(origin(), two) == host);
  CHECK(shared_pool.host(origin(81), two) != host);
  policy::HostSettings changed;
  changed.max_idle = 1;
  CHECK(shared_pool.host(origin(), changed) != host);
  CHECK(shared_pool.host(origin(), changed) != host);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "a key that nobody holds any more begins anew") {
  host->add(5);
  host.reset();
  CHECK(shared_pool.host(origin(), {})->open() == 0);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "keys that nobody holds are forgotten in the end") {
  for (std::uint16_t port = 1; port < 20000; ++port) static_cast<void>(shared_pool.host(origin(port), {}));
  CHECK(shared_pool.host_count() <= 2048);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "no more connections are reserved than may be, whoever asks") {
  constexpr std::uint32_t kMost = 1000;
  std::vector<std::uint32_t> got(4);
  std::vector<std::thread> threads;
  threads.reserve(got.size());
  for (std::uint32_t& mine : got) {
    threads.emplace_back([&mine, this] {
      while (host->reserve(kMost)) ++mine;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(got[0] + got[1] + got[2] + got[3] == kMost);
  CHECK(host->open() == kMost);
  host->release();
  CHECK(host->reserve(kMost));
  CHECK_FALSE(host->reserve(kMost));
}

TEST_CASE_FIXTURE(SharedPoolFixture, "the worker with the most idle connections is asked, never the one that asks") {
  CHECK_FALSE(host->most_idle(0));
  host->idle_rose(0, 9);
  CHECK_FALSE(host->most_idle(0));
  host->idle_rose(1, 2);
  host->idle_rose(2, 3);
  CHECK(host->most_idle(0) == 2);
  CHECK(host->most_idle(1) == 0);
  host->idle_fell(2, 1);
  CHECK(host->most_idle(0) == 1);
  CHECK(host->idle() == 12);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "who has waited longest is claimed first, once, and never by itself") {
  CHECK_FALSE(host->anybody_waits());
  host->await(0, start + 2s);
  host->await(1, start + 1s);
  host->await(2, start + 3s);
  CHECK(host->claim(1, TimePoint::max()) == 0);
  CHECK(host->claim(2, TimePoint::max()) == 1);
  CHECK_FALSE(host->claim(2, TimePoint::max()));
  CHECK(host->anybody_waits());
  CHECK(host->claim(0, TimePoint::max()) == 2);
  CHECK_FALSE(host->anybody_waits());
}

TEST_CASE_FIXTURE(SharedPoolFixture, "who has not waited as long as the one who gives is not claimed") {
  host->await(0, start + 2s);
  CHECK_FALSE(host->claim(1, start + 2s));
  CHECK_FALSE(host->claim(1, start + 1s));
  CHECK(host->claim(1, start + 2s + 1ns) == 0);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "a worker counts once among those that wait, however often it says so") {
  host->await(0, start);
  host->await(0, start + 1s);
  host->stop_awaiting(0);
  CHECK_FALSE(host->anybody_waits());
  host->stop_awaiting(0);
  CHECK_FALSE(host->anybody_waits());
  host->await(0, start);
  CHECK(host->claim(1, TimePoint::max()) == 0);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "each that waits is claimed by one of those who look") {
  std::vector<int> got(2);
  std::atomic<bool> done = false;
  std::vector<std::thread> threads;
  threads.reserve(got.size());
  for (int& mine : got) {
    threads.emplace_back([&mine, &done, this] {
      while (!done) {
        mine += host->claim(2, TimePoint::max()).has_value();
        std::this_thread::yield();
      }
    });
  }
  constexpr int kTimes = 2000;
  for (int i = 0; i < kTimes; ++i) {
    host->await(0, start);
    while (host->anybody_waits()) std::this_thread::yield();
    if (i % 3 == 0) host->stop_awaiting(0);
  }
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(got[0] + got[1] == kTimes);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "one worker at a time keeps connections warm, until it resigns") {
  CHECK_FALSE(host->prewarmer());
  CHECK(host->claim_prewarming(1));
  CHECK(host->claim_prewarming(1));
  CHECK_FALSE(host->claim_prewarming(2));
  host->resign_prewarming(2);
  CHECK(host->prewarmer() == 1U);
  host->resign_prewarming(1);
  CHECK_FALSE(host->prewarmer());
  CHECK(host->claim_prewarming(2));
}

TEST_CASE_FIXTURE(SharedPoolFixture, "of several that would keep connections warm one does") {
  std::atomic<int> claimed{0};
  std::vector<std::thread> threads;
  for (std::uint32_t worker = 0; worker < kWorkers; ++worker) {
    threads.emplace_back([&, worker] {
      if (host->claim_prewarming(worker)) ++claimed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(claimed == 1);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "the host was used last when any worker used it last") {
  host->used(start + 2s);
  host->used(start + 1s);
  CHECK(host->last_used() == start + 2s);
  host->used(start + 3s);
  CHECK(host->last_used() == start + 3s);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "expiring connections are counted over all workers") {
  host->show_expiring(0, 2);
  host->show_expiring(2, 3);
  CHECK(host->expiring() == 5);
  host->show_expiring(0, 0);
  CHECK(host->expiring() == 3);
}

TEST_CASE_FIXTURE(SharedPoolFixture, "only the pool that is there can leave") {
  auto* const first = reinterpret_cast<SharedPeers*>(&host);
  auto* const later = reinterpret_cast<SharedPeers*>(&shared_pool);
  host->enter(1, *first);
  host->enter(1, *later);
  host->idle_rose(1, 4);
  host->leave(1, *first);
  CHECK(host->peers_of(1) == later);
  CHECK(host->idle() == 4);
  host->leave(1, *later);
  CHECK(host->peers_of(1) == nullptr);
  CHECK(host->idle() == 0);
}

}  // namespace
}  // namespace keepwarm::pool
