#include <array>
#include <functional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/net/tls/tls_stream.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

namespace keepwarm::net::test {
namespace {

using Kind = TlsFailure::Kind;

TEST_CASE("a handshake that fails is told once, never inside start(), and nothing was secured") {
  struct Case {
    const char* text;
    Kind kind;
    const char* name;
    TlsServerOptions options;
    std::function<void(TlsPeer&)> act;
  };
  const Certificate self_signed = make_certificate({});
  const auto wait = [](TlsPeer&) {};
  const Case cases[] = {
      {"the certificate 'CN=server.example' issued by 'CN=server.example' is refused: self-signed certificate",
       Kind::Certificate,
       "server.example",
       {.certificate = &self_signed},
       wait},
      {"the server sent the TLS alert 'no application protocol' (120)",
       Kind::Alert,
       "server.example",
       {.refuse_alpn = true},
       wait},
      {"the server does not speak TLS",
       Kind::Protocol,
       "server.example",
       {},
       [](TlsPeer& peer) { peer.send_raw("HTTP/1.1 400 Bad Request\r\n\r\n"); }},
      {"the connection was closed within the TLS handshake",
       Kind::Closed,
       "server.example",
       {},
       [](TlsPeer& peer) {
         peer.drain();
         peer.close();
       }},
      {"the connection was reset within the TLS handshake",
       Kind::Closed,
       "server.example",
       {},
       [](TlsPeer& peer) { peer.send_reset(); }},
      {"the name of the server cannot be one of TLS", Kind::Protocol, "", {}, wait},
  };
  for (const Case& c : cases) {
    for (const bool destroyed_at_once : {false, true}) {
      CAPTURE(c.text);
      CAPTURE(destroyed_at_once);
      TlsStreamFixture fixture(c.options);
      if (destroyed_at_once) fixture.events.then_on_failed = [&] { fixture.stream.reset(); };
      fixture.start(c.name);
      CHECK(fixture.events.failed.empty());
      c.act(*fixture.peer);
      fixture.pump_until([&] { return !fixture.events.failed.empty(); });
      fixture.settle();
      CHECK(fixture.events.failed.size() == 1);
      CHECK(fixture.events.failed[0].kind == c.kind);
      CHECK(fixture.events.failed[0].text == c.text);
      CHECK(fixture.events.secured == 0);
      CHECK(fixture.events.broken.empty());
      CHECK(fixture.peer->tls.got.empty());
      if (!destroyed_at_once) CHECK(write_all(*fixture.stream, "x") == WriteResult::Failed);
    }
  }
}

TEST_CASE("a stream can be destroyed before its handshake is over, and nothing follows") {
  TlsStreamFixture fixture;
  fixture.start();
  SUBCASE("at once") {}
  SUBCASE("with the server's answer under way") {
    fixture.peer->pump();
  }
  fixture.stream.reset();
  fixture.settle();
  CHECK(fixture.events.secured == 0);
  CHECK(fixture.events.failed.empty());
}

TEST_CASE("a stream can be destroyed inside any of its events, and nothing follows") {
  TlsStreamFixture fixture;
  const auto destroy = [&] { fixture.stream.reset(); };
  const auto run = [&] {
    fixture.pump_until([&] { return !fixture.stream; });
    fixture.settle();
  };
  SUBCASE("on_secured") {
    fixture.events.then_on_secured = destroy;
    fixture.start();
    run();
    CHECK(fixture.peer->tls.ended);  // by close_notify
    CHECK(fixture.events.secured == 1);
    return;
  }
  fixture.start_secured();
  SUBCASE("on_bytes") {
    fixture.events.then_on_bytes = destroy;
    fixture.peer->tls.write(std::string(3 * Loop::kReadBufferSize, 'x'));
    fixture.peer->tls.close();
    fixture.peer->pump();
    run();
    CHECK(fixture.events.chunks.size() == 1);
    CHECK(fixture.events.ended == 0);
  }
  SUBCASE("on_end") {
    fixture.events.then_on_end = destroy;
    fixture.peer->tls.close();
    run();
    CHECK(fixture.events.broken.empty());
  }
  SUBCASE("on_broken, by a broken record") {
    fixture.events.then_on_broken = destroy;
    fixture.peer->send_raw(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x'));
    run();
  }
  SUBCASE("on_broken, by FIN") {
    fixture.events.then_on_broken = destroy;
    fixture.peer->close();
    run();
  }
  SUBCASE("on_drained") {
    fixture.events.then_on_drained = destroy;
    std::string much;
    much.resize(20000000);
    CHECK(write_all(*fixture.stream, much) == WriteResult::Queued);
    run();
  }
  SUBCASE("an end that was held back") {
    fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
    fixture.events.then_on_end = destroy;
    fixture.peer->tls.write("x");
    fixture.peer->tls.close();
    fixture.pump_until([&] { return !fixture.events.got.empty(); });
    fixture.stream->resume_reading();
    run();
  }
}

TEST_CASE("a stream with an end held back can be destroyed") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  fixture.events.then_on_bytes = [&] { fixture.stream->pause_reading(); };
  fixture.peer->tls.write("x");
  fixture.peer->tls.close();
  fixture.pump_until([&] { return !fixture.events.got.empty(); });
  fixture.stream->resume_reading();
  fixture.stream.reset();
  fixture.settle();
  CHECK_FALSE(fixture.events.over());
}

/// A server that speaks right behind its part of the handshake, which is the last one in TLS 1.2.
struct TalkativeFixture : TlsStreamFixture {
  TalkativeFixture() : TlsStreamFixture({.newest = TLS1_2_VERSION}) {}

  void start_with(std::string_view bytes, bool and_close) {
    start();
    while (!peer->tls.secured) {
      peer->send_raw(peer->tls.take_output());
      turn();
      std::array<char, 65536> buffer{};
      const ssize_t count = ::recv(peer->fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count > 0) peer->tls.receive({buffer.data(), static_cast<std::size_t>(count)});
    }
    peer->tls.write(bytes);
    if (and_close) peer->tls.close();
    peer->send_raw(peer->tls.take_output());
    pump_until([&] { return events.secured == 1; });
    settle();
  }
};

TEST_CASE("a stream changes hands when it is secured, and the rest of what was read is for the new events") {
  TalkativeFixture fixture;
  TlsRecorder next;
  SUBCASE("which read at once") {
    fixture.events.then_on_secured = [&] {
      fixture.stream->set_events(next);
      fixture.stream->resume_reading();
    };
    fixture.start_with("hello", true);
  }
  SUBCASE("which read later") {
    fixture.events.then_on_secured = [&] { fixture.stream->set_events(next); };
    bool and_close = false;
    SUBCASE("and there is more") {}
    SUBCASE("and there is an end") {
      and_close = true;
    }
    fixture.start_with("hello", and_close);
    CHECK(next.got.empty());
    CHECK_FALSE(next.over());
    CHECK_FALSE(fixture.stream->check_idle_alive());
    fixture.stream->resume_reading();
    CHECK(next.got.empty());
    if (!and_close) {
      fixture.pump_until([&] { return next.got == "hello"; });
      fixture.peer->tls.write(", and more");
      fixture.peer->tls.close();
      fixture.pump_until([&] { return next.got == "hello, and more"; });
    }
  }
  fixture.pump_until([&] { return next.ended == 1; });
  CHECK(next.got.substr(0, 5) == "hello");
  CHECK(fixture.events.got.empty());
  CHECK(next.broken.empty());
}

TEST_CASE("a stream that nobody reads after it is secured stops the server") {
  TlsStreamFixture fixture;
  fixture.events.then_on_secured = [&] { fixture.stream->set_events(fixture.events); };
  fixture.start();
  fixture.pump_until([&] { return fixture.events.secured == 1 && fixture.peer->tls.secured; });
  std::string much;
  much.resize(20000000);
  fixture.write_from_server(much);
  for (int i = 0; i < 100; ++i) fixture.settle();
  CHECK(fixture.peer->unsent.size() > 1000000);
  CHECK(fixture.events.got.empty());
  fixture.stream->resume_reading();
  fixture.pump_until([&] { return fixture.events.got.size() == much.size(); });
}

/// A client with a certificate, and a server that demands one.
struct IdentityFixture : TlsStreamFixture {
  explicit IdentityFixture(std::size_t ticket_count, const Certificate* trusted)
      : TlsStreamFixture({.tickets = ticket_count, .demand_certificate = true, .client_authority = trusted}) {
    const Certificate certificate = make_certificate({.name = "client", .usage = "clientAuth", .issuer = &authority()});
    settings.client_certificate = folder / "client.pem";
    write_pem(settings.client_certificate, certificate, true);
  }
};

TEST_CASE("in TLS 1.3 a stream is secured when the server has accepted the client's certificate") {
  SUBCASE("and shows it by a ticket") {
    IdentityFixture fixture(1, &authority());
    const TimePoint begun = Loop::now();
    fixture.start();
    fixture.pump_until([&] { return fixture.events.secured == 1; });
    CHECK(fixture.peer->tls.secured);
    WARN(Loop::now() - begun < 50ms);
    CHECK(fixture.tickets->count() == 1);
  }
  SUBCASE("or stays silent for a while") {
    IdentityFixture fixture(0, &authority());
    const TimePoint begun = Loop::now();
    fixture.start();
    fixture.pump_until([&] { return fixture.events.secured == 1; });
    CHECK(Loop::now() - begun >= 50ms);
    CHECK(write_all(*fixture.stream, "ping") == WriteResult::Done);
    fixture.pump_until([&] { return fixture.peer->tls.got == "ping"; });
  }
  SUBCASE("and not when it was refused") {
    const Certificate stranger = make_authority("Stranger CA");
    IdentityFixture fixture(2, &stranger);
    fixture.start();
    fixture.pump_until([&] { return !fixture.events.failed.empty(); });
    CHECK(fixture.events.secured == 0);
    CHECK(fixture.events.failed[0].text ==
          "the server sent the TLS alert 'unknown CA' (48), after it had asked for a client certificate");
    CHECK(fixture.peer->tls.got.empty());
  }
  SUBCASE("and not when the server closed instead") {
    IdentityFixture fixture(0, &authority());
    fixture.start();
    fixture.pump_until([&] { return fixture.peer->tls.secured; });
    fixture.peer->close();
    fixture.pump_until([&] { return !fixture.events.failed.empty(); });
    CHECK(fixture.events.failed[0].kind == Kind::Closed);
    CHECK(fixture.events.secured == 0);
  }
  SUBCASE("and it can be destroyed while it waits") {
    IdentityFixture fixture(0, &authority());
    fixture.start();
    fixture.pump_until([&] { return fixture.peer->tls.secured; });
    fixture.settle();
    fixture.stream.reset();
    fixture.settle();
    CHECK(fixture.events.secured == 0);
  }
}

TEST_CASE("a client without a certificate sends no byte to a server that demands one") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsStreamFixture fixture({.newest = version, .demand_certificate = true});
    fixture.start();
    fixture.pump_until([&] { return !fixture.events.failed.empty(); });
    CHECK(fixture.events.secured == 0);
    CHECK(fixture.events.failed[0].kind == Kind::Alert);
    CHECK(fixture.events.failed[0].alert == (version == TLS1_2_VERSION ? 40 : 116));
    CHECK(fixture.peer->tls.got.empty());
  }
}

}  // namespace
}  // namespace keepwarm::net::test
