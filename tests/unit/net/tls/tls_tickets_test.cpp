#include "core/net/tls/tls_tickets.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/tls/tls_client.h"
#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

struct TicketsFixture : LoopFixture {
  TlsClient client{loop};
};

TEST_CASE("the newest ticket goes first, each once, and no more than two are kept") {
  TicketsFixture fixture;
  TlsTickets tickets(fixture.client.ticket_bound());
  CHECK(tickets.take() == std::nullopt);
  tickets.put("one");
  tickets.put("two");
  tickets.put("three");
  CHECK(tickets.count() == 2);
  CHECK(tickets.take() == "three");
  tickets.put("four");
  CHECK(tickets.take() == "four");
  CHECK(tickets.take() == "two");
  CHECK(tickets.take() == std::nullopt);
  CHECK(fixture.client.ticket_bound().count() == 0);
}

TEST_CASE("all tickets of a client are bounded together, and the oldest goes") {
  TicketsFixture fixture;
  std::vector<std::unique_ptr<TlsTickets>> keys;
  const auto add_key = [&] { keys.push_back(std::make_unique<TlsTickets>(fixture.client.ticket_bound())); };
  for (std::size_t i = 0; i < TlsTicketBound::kMaxTickets / 2; ++i) {
    add_key();
    keys.back()->put(std::to_string(i));
    keys.back()->put(std::to_string(i) + " again");
  }
  CHECK(fixture.client.ticket_bound().count() == TlsTicketBound::kMaxTickets);
  CHECK(keys[0]->count() == 2);
  add_key();
  keys.back()->put("newest");
  CHECK(fixture.client.ticket_bound().count() == TlsTicketBound::kMaxTickets);
  CHECK(keys[0]->count() == 1);
  CHECK(keys[0]->take() == "0 again");
  CHECK(keys[1]->count() == 2);

  keys[1].reset();
  CHECK(fixture.client.ticket_bound().count() == TlsTicketBound::kMaxTickets - 3);
  fixture.client.ticket_bound().forget_all();
  CHECK(fixture.client.ticket_bound().count() == 0);
  CHECK(keys[2]->count() == 0);
  CHECK(keys[2]->take() == std::nullopt);
}

}  // namespace
}  // namespace keepwarm::net::test
