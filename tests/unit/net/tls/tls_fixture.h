#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <doctest/doctest.h>
#include <openssl/err.h>

#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_session.h"
#include "core/net/tls/tls_tickets.h"
#include "tests/unit/net/tls/tls_server.h"
#include "tests/unit/net/unix_fixture.h"

/// What the tests of TLS share on the client's side.
namespace keepwarm::net::test {

/// A client that trusts authority().
struct TlsFixture : LoopFixture {
  TlsFixture() {
    settings.ca_file = folder / "ca.pem";
    write_pem(settings.ca_file, authority());
  }

  const TlsContext& context() {
    const auto made = client.context(settings);
    REQUIRE_MESSAGE(made.ok(), made.failure());
    return *made.value();
  }

  TempFolder folder;
  TlsSettings settings;
  TlsClient client{loop};
  std::shared_ptr<TlsTickets> tickets = std::make_shared<TlsTickets>(client.ticket_bound());
};

/// A client with a certificate, and an authority for it.
struct WithIdentity : TlsFixture {
  WithIdentity() {
    settings.client_certificate = folder / "client.pem";
    write_pem(settings.client_certificate, certificate, true);
  }
  Certificate issuer = make_authority("Client CA");
  Certificate certificate = make_certificate({.name = "client", .usage = "clientAuth", .issuer = &issuer});
};

/// A session and its server, joined in memory.
class SessionPair {
 public:
  using State = TlsSession::State;

  explicit SessionPair(TlsFixture& fixture, const TlsServerContext& context, std::string_view name = "server.example")
      : client(fixture.client.wire(), fixture.context(), name, fixture.tickets),
        server(context),
        wire_(fixture.client.wire()) {
    to_server_ = std::exchange(wire_.outgoing(), {});
  }

  /// Has both say what they have to say, in pieces of at most `slice` bytes, until both are silent.
  void talk(std::size_t slice = std::string::npos) {
    collect();
    while (!to_server_.empty() || !to_client_.empty()) {
      server.receive(cut(to_server_, slice));
      if (!to_client_.empty()) feed(cut(to_client_, slice));
      collect();
    }
  }
  void feed(std::string_view ciphertext) {
    got += client.feed(ciphertext).plaintext;
    CHECK(ERR_peek_error() == 0);
    collect();
  }
  [[nodiscard]] bool write(std::span<const std::string_view> pieces) {
    const bool done = client.write(pieces);
    collect();
    return done;
  }
  /// What the server has said and the client was not given yet.
  [[nodiscard]] std::string take_to_client() {
    collect();
    return std::exchange(to_client_, {});
  }
  [[nodiscard]] TlsFailure failure() const {
    REQUIRE(client.failure() != nullptr);
    return *client.failure();
  }

  TlsSession client;
  TlsServer server;
  std::string got;  ///< plaintext at the client

 private:
  static std::string cut(std::string& from, std::size_t slice) {
    std::string head = from.substr(0, slice);
    from.erase(0, head.size());
    return head;
  }
  void collect() {
    to_server_ += std::exchange(wire_.outgoing(), {});
    to_client_ += server.take_output();
  }

  TlsWire& wire_;
  std::string to_server_, to_client_;
};

}  // namespace keepwarm::net::test
