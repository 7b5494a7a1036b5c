#include <malloc.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/tls_accept_fixture.h"

namespace keepwarm::net::test {
namespace {

/// Bytes that are allocated now. Under a sanitizer, which has an allocator of its own, always the same.
std::size_t allocated_now() {
  return mallinfo2().uordblks;
}

TEST_CASE("an idle client costs less than 17 KiB of TLS, before and after its first exchange") {
  constexpr std::size_t kStreams = 50, kMost = std::size_t{17} * 1024;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool after_exchange : {false, true}) {
      CAPTURE(version);
      CAPTURE(after_exchange);
      TlsAcceptFixture fixture;
      std::vector<std::pair<Fd, std::unique_ptr<TlsStream>>> idle;
      idle.reserve(kStreams);
      const auto open = [&] {
        fixture.start_secured({.newest = version, .alpn = "\x02h2\x08http/1.1"});
        if (after_exchange) {
          fixture.write_from_client("GET / HTTP/1.1\r\n\r\n");
          fixture.pump_until([&] { return !fixture.events.got.empty(); });
          CHECK(write_all(*fixture.stream, "HTTP/1.1 200 OK\r\n\r\n") == WriteResult::Done);
        }
        idle.emplace_back(std::move(fixture.peer->fd), std::move(fixture.stream));
        fixture.peer.reset();
      };
      open();  // what is allocated once
      const std::size_t before = allocated_now();
      for (std::size_t i = 1; i < kStreams; ++i) open();
      const std::size_t each = (allocated_now() - before) / (kStreams - 1);
      CAPTURE(each);
      CHECK(each < kMost);
      idle.clear();
    }
  }
}

}  // namespace
}  // namespace keepwarm::net::test
