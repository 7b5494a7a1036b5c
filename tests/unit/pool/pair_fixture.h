#pragma once

#include <array>
#include <memory>
#include <optional>

#include <doctest/doctest.h>

#include "core/net/mailbox.h"
#include "core/pool/commons.h"
#include "tests/unit/pool/pool_fixture.h"

namespace keepwarm::pool::test {

/// Two workers' pools on one loop. Worker 0 is that of the fixture.
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
    common = commons.host({Scheme::Http, "origin.test", listening.port()}, settings);
  }
  ~Pair() {
    turn();
    other_host.reset();
    other_pool.reset();
    host.reset();
    pool.reset();
    mailboxes[0]->close();
    mailboxes[1]->close();
    CHECK(other_context.stats.connections == 0);
    CHECK(common->open() == 0);
    CHECK(common->idle() == 0);
    CHECK_FALSE(common->anybody_waits());
    std::uint64_t closes = 0;
    for (const auto* of : {&context, &other_context}) {
      for (const std::uint64_t count : of->stats.closed) closes += count;
    }
    CHECK(context.stats.opened + other_context.stats.opened == closes);
    context.stats.opened += context.stats.borrowed;  // for the fixture's own books
    detached += context.stats.lent;
  }

  void join(PoolContext& of, std::uint32_t worker) {
    mailboxes[worker].emplace(loop);
    of.commons = &commons;
    of.worker = worker;
    commons.enlist(worker, *mailboxes[worker], of);
  }
  void ask_other(Client& client, const Demand& demand = kReplayable) { other_host->checkout(*client.waiter, demand); }
  void await(Client& client) {
    run_until([&] { return client.events > 0; });
    REQUIRE(client.lease);
  }
  [[nodiscard]] std::uint64_t opened() const { return context.stats.opened + other_context.stats.opened; }

  Commons commons{2};
  std::array<std::optional<net::Mailbox>, 2> mailboxes;
  PoolContext other_context{loop, deadlines, resolver, tls, local_filter, remote_filter, log};
  std::optional<Pool> other_pool;
  HostRef other_host;
  std::shared_ptr<CommonHost> common;
};

}  // namespace keepwarm::pool::test
