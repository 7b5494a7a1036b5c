#include "core/proxy/exchange_store.h"

#include <string>
#include <sys/socket.h>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/slab.h"
#include "tests/unit/proxy/engine_fixture.h"

namespace keepwarm::proxy::test {
namespace {

std::size_t exchanges() {
  return SlabOfThread::of<Exchange>().objects();
}

// Under the sanitizers there are no slabs, which know how many there are.
TEST_CASE("exchanges that a burst leaves behind go, all but a few" * doctest::skip(!kSlabs)) {
  constexpr std::size_t kMany = 3 * ExchangeStore::kKept;
  EngineFixture proxy;
  const std::string request =
      "GET http://127.0.0.1:" + std::to_string(proxy.origin.port()) + "/ HTTP/1.1\r\nHost: h\r\n\r\n";
  std::vector<net::test::Fd> clients = net::test::connect_to(proxy.address, kMany);
  for (const net::test::Fd& client : clients) {
    REQUIRE(::send(client.get(), request.data(), request.size(), MSG_NOSIGNAL) > 0);
  }
  proxy.fixture.run_until([] { return exchanges() == kMany; });
  const ::linger reset{1, 0};  // a FIN would be a half-close: the exchanges would go on
  for (const net::test::Fd& client : clients) ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  clients.clear();
  proxy.fixture.run_until([] { return exchanges() <= ExchangeStore::kKept; });
  CHECK(exchanges() == ExchangeStore::kKept);
}

}  // namespace
}  // namespace keepwarm::proxy::test
