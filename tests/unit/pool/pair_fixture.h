#pragma once

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/message_queue.h"
#include "core/pool/shared_pool.h"
#include "tests/unit/pool/pool_fixture.h"

namespace keepwarm::pool::test {

/// The messages for one worker, delivered when the test turns.
class FakeMailbox final : public MessageQueue {
 public:
  /// Those that are there now; what they post in turn is for the next time. False: there were none.
  template <typename BeginEvent>
  bool deliver(BeginEvent begin_event) {
    const auto messages = std::exchange(messages_, {});
    for (const auto& message : messages) {
      begin_event();
      message->deliver();
    }
    return !messages.empty();
  }
  void close() {
    closed_ = true;
    messages_.clear();
  }

 private:
  void put(std::unique_ptr<Message> message) override {
    if (!closed_) messages_.push_back(std::move(message));
  }
  std::vector<std::unique_ptr<Message>> messages_;
  bool closed_ = false;
};

/// Two workers' pools. Worker 0 is that of the fixture.
struct Pair : Fixture {
  explicit Pair(const policy::HostSettings& settings = {}) : Fixture(settings) {
    host.reset();
    pool.reset();
    join(context, 0);
    join(other_context, 1);
    pool.emplace(context, table_of(settings));
    host = HostRef(pool->host(origin()));
    other_pool.emplace(other_context, table_of(settings));
    other_host = HostRef(other_pool->host(origin()));
    shared_host = shared_pool.host({Scheme::Http, "origin.test", kPort}, settings);
  }
  ~Pair() {
    turn();
    other_host.reset();
    other_pool.reset();
    host.reset();
    pool.reset();
    for (FakeMailbox& mailbox : mailboxes) mailbox.close();
    CHECK(other_stats.connections == 0);
    CHECK(shared_host->open() == 0);
    CHECK(shared_host->idle() == 0);
    CHECK_FALSE(shared_host->anybody_waits());
    std::uint64_t closes = 0;
    for (const PoolStats* each : {&stats, &other_stats}) {
      for (const std::uint64_t count : each->closed) closes += count;
    }
    CHECK(stats.opened + other_stats.opened == closes);
    stats.opened += stats.transferred_here;  // for the fixture's own books
    detached += stats.transferred_away;
  }

  void turn() override {
    for (FakeMailbox& mailbox : mailboxes) mailbox.deliver([this] { clock.begin_event(); });
    Fixture::turn();
  }
  void join(PoolContext& of, std::uint32_t worker) {
    of.shared = &shared_pool;
    of.worker = worker;
    shared_pool.register_worker(worker, mailboxes[worker], of);
  }
  void ask_other(Client& client, const CheckoutRequirements& requirements = kReplayable) {
    other_host->checkout(*client.waiter, requirements, clock.now());
  }
  void await(Client& client) {
    run_until([&] { return client.events > 0; });
    REQUIRE(client.lease);
  }
  [[nodiscard]] std::uint64_t opened() const { return stats.opened + other_stats.opened; }

  SharedPool shared_pool{2};
  std::array<FakeMailbox, 2> mailboxes;
  PoolStats other_stats;
  PoolContext other_context{network, wheel, local_filter, remote_filter, log, other_stats, all_hosts};
  std::optional<Pool> other_pool;
  HostRef other_host;
  std::shared_ptr<SharedHost> shared_host;
};

}  // namespace keepwarm::pool::test
