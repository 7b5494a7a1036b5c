#include <array>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/tls_fixture.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

// Servers that ask for the client's certificate after the handshake.

namespace keepwarm::net::test {
namespace {

using LateState = TlsSession::State;

void late_write(SessionPair& pair, std::string_view text) {
  REQUIRE(pair.write({&text, 1}));
}

}  // namespace

TEST_CASE("a server may ask for the client's certificate once it has read a request") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const std::size_t slice : {std::string::npos, std::size_t{1}}) {
      CAPTURE(version);
      CAPTURE(slice);
      WithIdentity fixture;
      const TlsServerContext context({.newest = version, .client_authority = &fixture.issuer});
      SessionPair pair(fixture, context);
      pair.talk();
      CHECK_FALSE(pair.server.knows_client());
      late_write(pair, "GET /private");
      pair.talk();
      pair.server.demand_certificate();
      pair.talk(slice);
      CHECK(pair.server.knows_client());
      pair.server.write("secret");
      pair.talk(slice);
      CHECK(pair.got == "secret");
      CHECK(pair.client.state() == LateState::Open);
      CHECK(pair.client.between_records());
      late_write(pair, "more");
      pair.talk();
      CHECK(pair.server.got == "GET /privatemore");
    }
  }
}

TEST_CASE("who has no certificate offers none later, and refuses to renegotiate") {
  TlsFixture fixture;
  const TlsServerContext context({.newest = TLS1_2_VERSION});
  SessionPair pair(fixture, context);
  pair.talk();
  late_write(pair, "GET /");
  pair.talk();
  pair.server.ask_to_renegotiate();
  pair.talk();
  CHECK(pair.server.alert == SSL_AD_NO_RENEGOTIATION);
}

TEST_CASE("an idle connection is not renegotiated, nor one whose answer has begun") {
  for (const bool answered : {false, true}) {
    CAPTURE(answered);
    WithIdentity fixture;
    const TlsServerContext context({.newest = TLS1_2_VERSION, .client_authority = &fixture.issuer});
    SessionPair pair(fixture, context);
    pair.talk();
    if (answered) {
      late_write(pair, "GET /");
      pair.talk();
      pair.server.write("H");
      pair.talk();
    }
    pair.server.demand_certificate();
    pair.feed(pair.take_to_client());
    CHECK(pair.client.between_records());  // it is as idle as before
    pair.talk();
    CHECK(pair.server.alert == SSL_AD_NO_RENEGOTIATION);
    CHECK_FALSE(pair.server.knows_client());
  }
}

TEST_CASE("a server may renegotiate three times on a connection") {
  WithIdentity fixture;
  const TlsServerContext context({.newest = TLS1_2_VERSION, .client_authority = &fixture.issuer});
  SessionPair pair(fixture, context);
  pair.talk();
  for (int i = 1; i <= 4; ++i) {
    late_write(pair, "GET /");
    pair.talk();
    pair.server.demand_certificate();
    pair.talk();
    CHECK((pair.server.alert == SSL_AD_NO_RENEGOTIATION) == (i == 4));
    if (i == 4) break;
    pair.server.write("ok");
    pair.talk();
  }
  CHECK(pair.got == "okokok");
}

TEST_CASE("a server may renegotiate on a connection that has resumed a session") {
  for (const bool stateful : {false, true}) {
    CAPTURE(stateful);
    WithIdentity fixture;
    const TlsServerContext context(
        {.newest = TLS1_2_VERSION, .client_authority = &fixture.issuer, .stateful = stateful});
    {
      SessionPair first(fixture, context);
      first.talk();
      first.server.close();  // else the server forgets the session
    }
    SessionPair pair(fixture, context);
    pair.talk();
    REQUIRE(pair.client.resumed());
    late_write(pair, "GET /private");
    pair.talk();
    pair.server.demand_certificate();
    pair.talk();
    CHECK(pair.client.state() == LateState::Open);
    CHECK(pair.server.knows_client());
    pair.server.write("secret");
    pair.talk();
    CHECK(pair.got == "secret");
  }
}

TEST_CASE("a server that comes back with another certificate is left, and nothing of what it says then is taken") {
  WithIdentity fixture;
  const Certificate other = make_certificate({.issuer = &authority()});
  const TlsServerContext context({.newest = TLS1_2_VERSION, .client_authority = &fixture.issuer});
  SessionPair pair(fixture, context);
  pair.talk();
  late_write(pair, "GET /");
  pair.talk();
  pair.server.change_certificate(other);
  pair.server.demand_certificate();
  pair.server.answer_to_known = "answer";
  pair.talk();
  CHECK(pair.client.state() == LateState::Failed);
  CHECK(pair.failure().text == "the server has changed its certificate on the connection");
  CHECK(pair.got.empty());
}

TEST_CASE("what is written while a renegotiation is under way goes out behind it") {
  WithIdentity fixture;
  const TlsServerContext context({.newest = TLS1_2_VERSION, .client_authority = &fixture.issuer});
  SessionPair pair(fixture, context);
  pair.talk();
  late_write(pair, "POST /");
  pair.talk();
  pair.server.demand_certificate();
  pair.feed(pair.take_to_client());
  CHECK_FALSE(pair.client.between_records());
  late_write(pair, " body");
  const std::array<std::string_view, 2> pieces = {" of", " it"};
  REQUIRE(pair.write(pieces));
  CHECK(pair.client.unsent_bytes() == 11);
  pair.talk();
  CHECK(pair.client.unsent_bytes() == 0);
  CHECK(pair.server.got == "POST / body of it");
}

TEST_CASE("what is written when half of the request for a certificate has come goes out behind it") {
  WithIdentity fixture;
  const TlsServerContext context({.newest = TLS1_3_VERSION, .client_authority = &fixture.issuer});
  SessionPair pair(fixture, context);
  pair.talk();
  late_write(pair, "POST /");
  pair.talk();
  pair.server.name_many_authorities(fixture.issuer);
  pair.server.demand_certificate();
  const std::string request = pair.take_to_client();
  pair.feed(request.substr(0, 600));
  CHECK_FALSE(pair.client.between_records());
  late_write(pair, " body");
  CHECK(pair.client.unsent_bytes() == 5);
  pair.feed(request.substr(600));
  CHECK(pair.client.unsent_bytes() == 0);
  pair.talk();
  CHECK(pair.server.knows_client());
  CHECK(pair.server.got == "POST / body");
}

TEST_CASE("a stream queues what a renegotiation holds back, and tells when it has gone out") {
  struct Identified : TlsStreamFixture {
    Identified() : TlsStreamFixture({.newest = TLS1_2_VERSION, .client_authority = &issuer_()}) {
      settings.client_certificate = folder / "client.pem";
      write_pem(settings.client_certificate, certificate, true);
    }
    static const Certificate& issuer_() {
      static const Certificate made = make_authority("Client CA");
      return made;
    }
    Certificate certificate = make_certificate({.name = "client", .usage = "clientAuth", .issuer = &issuer_()});
  };
  Identified fixture;
  fixture.start_secured();
  REQUIRE(write_all(*fixture.stream, "POST /") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "POST /"; });
  fixture.peer->tls.demand_certificate();
  fixture.peer->send_raw(fixture.peer->tls.take_output());
  fixture.turn();
  REQUIRE(write_all(*fixture.stream, " body") == WriteResult::Queued);
  CHECK(fixture.stream->queued_bytes() >= 5);
  CHECK_FALSE(fixture.stream->check_idle_alive());
  CHECK(fixture.events.drained == 0);
  fixture.pump_until([&] { return fixture.peer->tls.got == "POST / body"; });
  CHECK(fixture.events.drained == 1);
  CHECK(fixture.stream->queued_bytes() == 0);
  CHECK(write_all(*fixture.stream, "!") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "POST / body!"; });
}

}  // namespace keepwarm::net::test
