#include <malloc.h>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/tls_fixture.h"

namespace keepwarm::net::test {
namespace {

/// Bytes that are allocated now. Under a sanitizer, which has an allocator of its own, always the same.
std::size_t allocated() {
  return mallinfo2().uordblks;
}

TEST_CASE(
    "an idle session costs less than 25 KiB, however long the chain of the server, after a ticket and after a write") {
  constexpr std::size_t kSessions = 20, kMost = std::size_t{25} * 1024;
  constexpr std::size_t kLinks = 6;
  std::vector<Certificate> chain;
  chain.reserve(kLinks);
  for (std::size_t i = 0; i < kLinks; ++i) {
    chain.push_back(make_certificate({.name = "CA " + std::to_string(i),
                                      .alternative_names = "",
                                      .usage = "",
                                      .authority = true,
                                      .issuer = chain.empty() ? &authority() : &chain.back()}));
  }
  const Certificate certificate = make_certificate({.issuer = &chain.back()});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool after_write : {false, true}) {
      CAPTURE(version);
      CAPTURE(after_write);
      TlsServerOptions options{.certificate = &certificate, .newest = version};
      for (const Certificate& link : chain) options.chain.push_back(&link);
      TlsFixture fixture;
      const TlsServerContext context(options);
      const auto open = [&] {
        auto client = std::make_unique<TlsSession>(fixture.client.wire(), fixture.context(), "server.example", nullptr);
        TlsServer server(context);
        std::string& outgoing = fixture.client.wire().outgoing();
        while (!outgoing.empty()) {
          server.receive(std::exchange(outgoing, {}));
          (void)client->feed(server.take_output());
        }
        REQUIRE(client->state() == TlsSession::State::Open);
        const std::string_view request = "GET / HTTP/1.1";
        if (after_write) CHECK(client->write({&request, 1}));
        outgoing.clear();
        return client;
      };
      open();  // what OpenSSL allocates once
      std::vector<std::unique_ptr<TlsSession>> clients(kSessions);
      for (auto& client : clients) client = open();
      const std::size_t with_clients = allocated();
      for (auto& client : clients) client.reset();
      const std::size_t each = (with_clients - allocated()) / kSessions;
      CAPTURE(each);
      CHECK(each < kMost);
    }
  }
}

TEST_CASE("a session is kept without the certificate of the server") {
  TlsFixture fixture;
  const TlsServerContext context;
  SessionPair(fixture, context).talk();
  const auto ticket = fixture.tickets->take();
  REQUIRE(ticket);
  CHECK(ticket->find("Test CA") == std::string::npos);
  fixture.tickets->put(*ticket);
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.client.resumed());
}

}  // namespace
}  // namespace keepwarm::net::test
