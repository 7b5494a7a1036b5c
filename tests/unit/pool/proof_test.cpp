#include <doctest/doctest.h>

#include "tests/unit/pool/pool_fixture.h"

/// What open connections prove of their server, for whom that is enough; and leases that are returned unused.
namespace keepwarm::pool::test {

TEST_CASE("a server is verified while a connection to it is open, idle or not") {
  Fixture fixture;
  CHECK(fixture.host->proof(true) == ServerProof::None);
  Client client;
  fixture.checkout(client, kReplayable);
  CHECK(fixture.host->proof(true) == ServerProof::None);  // it is being opened
  fixture.run_until([&] { return client.events > 0; });
  CHECK(fixture.host->proof(true) == ServerProof::Verified);
  fixture.give_back(client);
  CHECK(fixture.host->proof(true) == ServerProof::Verified);
  fixture.host->close_all_idle(CloseReason::Shutdown, fixture.now());
  CHECK(fixture.host->proof(true) == ServerProof::None);
}

TEST_CASE("a connection that is being opened proves nothing, though no other may be opened") {
  policy::HostSettings settings;
  settings.max_connections = 1;
  Fixture fixture(settings);
  Client client;
  fixture.checkout(client, kReplayable);
  CHECK(fixture.host->proof(true) == ServerProof::None);
  fixture.run_until([&] { return client.events > 0; });
  CHECK(fixture.host->proof(true) == ServerProof::Verified);
}

TEST_CASE("a connection that a client may not be given proves nothing to it") {
  Fixture fixture;
  fixture.add_idle();
  fixture.remote_filter.denied.push_back(literal("127.0.0.1", Fixture::kPort));
  CHECK(fixture.host->proof(true) == ServerProof::Verified);
  CHECK(fixture.host->proof(false) == ServerProof::None);
}

TEST_CASE("a connection that is to close when it is returned proves nothing") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  client.lease.connection().retiring = CloseReason::AddressGone;  // by a reload: it leads to what is denied now
  CHECK(fixture.host->proof(true) == ServerProof::None);
}

TEST_CASE("a server that asked for a certificate of the client is told apart") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  client.lease.connection().facts.certificate_requested = true;
  CHECK(fixture.host->proof(true) == ServerProof::WantsCertificate);
  fixture.give_back(client);
  CHECK(fixture.host->proof(true) == ServerProof::WantsCertificate);
}

TEST_CASE("a fresh lease that is returned unused joins the pool as one that was never used") {
  Fixture fixture;
  Client client;
  fixture.open(client);
  client.lease.give_back({.unused = true});
  CHECK(fixture.host->idle() == 1);
  Client next;
  fixture.take(next, kUnsafe);
  CHECK(next.lease.connection().served() == 0);
  CHECK(next.lease.connection().reused());  // it has waited: the server may have closed it
  CHECK(fixture.stats.opened == 1);
}

TEST_CASE("an idle connection that is leased and returned unused is as old as before") {
  Fixture fixture;
  fixture.add_idle();
  fixture.pass(2s);
  Client client;
  fixture.take(client, kReplayable);
  const TimePoint since = client.lease.connection().idle_since();
  client.lease.give_back({.unused = true});
  fixture.pass(1s);
  Client next;
  fixture.take(next, kReplayable);
  CHECK(next.lease.connection().idle_since() == since);
  CHECK(next.lease.connection().served() == 1);
}

TEST_CASE("a lease that is returned unused serves who waits for it") {
  policy::HostSettings settings;
  settings.max_connections = 1;
  Fixture fixture(settings);
  Client holder, waiter;
  fixture.open(holder);
  fixture.checkout(waiter, kUnsafe);
  CHECK(waiter.waiting());
  holder.lease.give_back({.unused = true});
  CHECK(waiter.lease);
}

TEST_CASE("a lease that is returned unused to a host without reuse is closed") {
  policy::HostSettings settings;
  settings.reuse = false;
  Fixture fixture(settings);
  Client client;
  fixture.open(client);
  client.lease.give_back({.unused = true});
  CHECK(fixture.host->idle() == 0);
  CHECK(fixture.stats.closed[static_cast<std::size_t>(CloseReason::Unused)] == 1);
}

}  // namespace keepwarm::pool::test
