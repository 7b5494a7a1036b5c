#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/tls/client_hello.h"
#include "tests/unit/net/tls/hello_builder.h"
#include "tests/unit/net/tls/tls_accept_fixture.h"

namespace keepwarm::net::test {
namespace {

const std::string kBothProtocols = std::string("\x02h2\x08http/1.1");

TEST_CASE("a client is served with a leaf for its host, with the issuer behind it, in TLS 1.2 and 1.3") {
  struct Case {
    const char* name;
    TlsClientOptions options;
    const char* protocol;
    const char* chosen;
  };
  const Case cases[] = {
      {"TLS 1.3", {}, "TLSv1.3", ""},
      {"TLS 1.2", {.newest = TLS1_2_VERSION}, "TLSv1.2", ""},
      {"TLS 1.3 alone", {.oldest = TLS1_3_VERSION}, "TLSv1.3", ""},
      {"h2 and http/1.1", {.alpn = kBothProtocols}, "TLSv1.3", "http/1.1"},
      {"h2 and http/1.1 in TLS 1.2", {.newest = TLS1_2_VERSION, .alpn = kBothProtocols}, "TLSv1.2", "http/1.1"},
      {"something else",
       {.alpn = "\x03"
                "foo"},
       "TLSv1.3",
       ""},
      {"no name", {.send_name = false}, "TLSv1.3", ""},
      {"no name in TLS 1.2", {.send_name = false, .newest = TLS1_2_VERSION}, "TLSv1.2", ""},
      {"P-256", {.groups = "P-256"}, "TLSv1.3", ""},
      {"a retry with another key share", {.groups = "P-384:X25519"}, "TLSv1.3", ""},
      {"P-256 in TLS 1.2", {.newest = TLS1_2_VERSION, .groups = "P-256"}, "TLSv1.2", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    TlsAcceptFixture fixture;
    fixture.start_secured(c.options);
    CHECK(fixture.stream->protocol() == c.protocol);
    CHECK(fixture.peer->tls.protocol_chosen() == c.chosen);
    CHECK(fixture.peer->tls.chain() == std::vector<std::string>{TlsTestClient::der(fixture.authority.ca->issuer(0))});
    CHECK_FALSE(fixture.stream->certificate_requested());
    fixture.write_from_client("request");
    fixture.pump_until([&] { return fixture.events.got == "request"; });
    CHECK(write_all(*fixture.stream, "response") == WriteResult::Done);
    fixture.pump_until([&] { return fixture.peer->tls.got == "response"; });
    CHECK(fixture.events.secured == 1);
  }
}

TEST_CASE("the hello may come in pieces, before and after the stream is accepted") {
  for (const std::size_t size : {0U, 1U, 5U, 100U}) {
    CAPTURE(size);
    TlsAcceptFixture fixture;
    fixture.start({}, size);
    fixture.pump_until([&] { return fixture.peer->tls.secured && fixture.events.secured == 1; });
  }
}

TEST_CASE("a hello that there is no time for is read in the next turn") {
  TlsAcceptFixture fixture;
  fixture.connect();
  const std::string hello = in_records(std::string_view(fixture.peer->tls.take_output()).substr(5), 20);
  Loop::begin_event();
  static_cast<void>(Loop::event_time());
  keep_busy_for(Loop::kShare);
  fixture.peer->send_raw(hello.substr(300));  // and this must wait for what is before it
  const std::string received = hello.substr(0, 300);
  fixture.stream = fixture.server.accept(fixture.transport, received, fixture.host, 0, fixture.events);
  std::array<char, 1> byte{};
  CHECK(::recv(fixture.peer->fd.get(), byte.data(), 1, MSG_DONTWAIT | MSG_PEEK) < 0);  // no answer yet
  SUBCASE("and the stream is served") {
    fixture.pump_until([&] { return fixture.events.secured == 1; });
  }
  SUBCASE("and the stream may be gone by then") {
    fixture.stream.reset();
    fixture.settle();
  }
}

TEST_CASE("nothing is kept that could be resumed") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsAcceptFixture fixture;
    fixture.start_secured({.newest = version});
    CHECK(write_all(*fixture.stream, "response") == WriteResult::Done);
    fixture.pump_until([&] { return fixture.peer->tls.got == "response"; });
    const SSL_SESSION* const session = SSL_get0_session(fixture.peer->tls.ssl());
    CHECK_FALSE(SSL_SESSION_has_ticket(session));
    CHECK_FALSE(SSL_SESSION_is_resumable(session));
  }
}

TEST_CASE("what a reader of hellos calls usable can be served, and nothing else") {
  struct Case {
    const char* ciphers;
    const char* groups;
    int newest;
    bool usable;
  };
  const Case cases[] = {
      {"ECDHE-ECDSA-AES128-GCM-SHA256", "X25519:P-256", TLS1_2_VERSION, true},
      {"ECDHE-ECDSA-AES256-GCM-SHA384", "P-256", TLS1_2_VERSION, true},
      {"ECDHE-ECDSA-CHACHA20-POLY1305", "X25519:P-256", TLS1_2_VERSION, true},
      {"ECDHE-ECDSA-AES128-SHA256", "X25519:P-256", TLS1_2_VERSION, false},
      {"ECDHE-RSA-AES128-GCM-SHA256", "X25519:P-256", TLS1_2_VERSION, false},
      {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-384", TLS1_2_VERSION, false},
      {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-384", TLS1_3_VERSION, false},
      {"ECDHE-ECDSA-AES128-GCM-SHA256", "P-384:P-256", TLS1_3_VERSION, true},
  };
  for (const Case& c : cases) {
    CAPTURE(c.ciphers);
    CAPTURE(c.groups);
    TlsAcceptFixture fixture;
    fixture.start({.newest = c.newest, .groups = c.groups, .ciphers = c.ciphers});
    ClientHello hello;
    REQUIRE(read_client_hello(fixture.hello, hello) == HelloProgress::Complete);
    CHECK((hello.offers_usable_cipher && hello.accepts_ecdsa_p256) == c.usable);
    fixture.pump_until([&] { return fixture.events.secured == 1 || !fixture.events.failed.empty(); });
    CHECK((fixture.events.secured == 1) == c.usable);
  }
}

TEST_CASE("much goes both ways at once") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsAcceptFixture fixture;
    fixture.start_secured({.newest = version});
    const std::string up = numbered(std::size_t{1} << 20U), down = numbered((std::size_t{1} << 20U) + 77);
    fixture.write_from_client(up);
    static_cast<void>(write_all(*fixture.stream, down));
    fixture.pump_until(
        [&] { return fixture.events.got.size() == up.size() && fixture.peer->tls.got.size() == down.size(); });
    CHECK(fixture.events.got == up);
    CHECK(fixture.peer->tls.got == down);
  }
}

TEST_CASE("without a CA, or the generation that is asked for, the connection stays with the caller") {
  TlsAcceptFixture fixture;
  fixture.connect();
  SUBCASE("no CA") {
    fixture.server.set_ca(nullptr);
  }
  SUBCASE("no such generation") {
    fixture.generation = 7;
  }
  const std::string hello = fixture.peer->tls.take_output();
  CHECK(fixture.server.accept(fixture.transport, hello, fixture.host, fixture.generation, fixture.events) == nullptr);
  REQUIRE(fixture.transport);
  fixture.transport->set_events(fixture.nobody);
  CHECK(write_all(*fixture.transport, "x") == WriteResult::Done);
}

TEST_CASE("a leaf is shown again, and a new key with a new leaf after a day, and when the clock jumps back") {
  TlsAcceptFixture fixture;
  const auto show = [&] {
    fixture.start_secured();
    return std::pair(fixture.peer->tls.leaf(), fixture.peer->tls.leaf_key());
  };
  const auto first = show();
  CHECK(show() == first);
  fixture.now += std::chrono::hours(23);
  CHECK(show() == first);
  fixture.now += std::chrono::hours(2);
  const auto second = show();
  CHECK(second.first != first.first);
  CHECK(second.second != first.second);
  fixture.now -= std::chrono::hours(3);
  const auto third = show();
  CHECK(third.second != second.second);
  fixture.server.set_ca(fixture.authority.ca);
  CHECK(show().second != third.second);
}

TEST_CASE("each host has a leaf of its own, by the generation that is asked for") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  const std::string first = fixture.peer->tls.leaf();
  fixture.host = "other.example";
  fixture.generation = 1;
  fixture.start_secured({.name = "other.example"});
  CHECK(fixture.peer->tls.leaf() != first);
  CHECK(fixture.peer->tls.chain() == std::vector<std::string>{TlsTestClient::der(fixture.authority.ca->issuer(1))});
}

TEST_CASE("connections go on when the CA is replaced") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  fixture.server.set_ca(nullptr);
  fixture.write_from_client("still here");
  fixture.pump_until([&] { return fixture.events.got == "still here"; });
}

// ---- What goes wrong ----

TEST_CASE("a client that does not trust the CA is told by its alert") {
  const Certificate other = make_authority("Other");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsAcceptFixture fixture;
    fixture.start({.authority = other.x509.get(), .newest = version});
    fixture.pump_until([&] { return !fixture.events.failed.empty(); });
    const TlsFailure& failure = fixture.events.failed.front();
    CHECK(failure.kind == TlsFailure::Kind::Alert);
    CHECK(failure.alert == SSL_AD_UNKNOWN_CA);
    CHECK(failure.text == "the client sent the TLS alert 'unknown CA' (48)");
    CHECK(fixture.events.secured == 0);
  }
}

TEST_CASE("an alert that comes behind the handshake is told by the broken stream") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsAcceptFixture fixture;
    fixture.start_secured({.newest = version});
    fixture.peer->tls.receive(std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'));  // makes it complain
    fixture.pump_until([&] { return fixture.events.over(); });
    CHECK(fixture.events.broken == std::vector<int>{-EPROTO});
    REQUIRE(fixture.stream->tls_failure() != nullptr);
    CHECK(fixture.stream->tls_failure()->kind == TlsFailure::Kind::Alert);
    CHECK(fixture.stream->tls_failure()->alert == SSL_AD_BAD_RECORD_MAC);
    CHECK(fixture.events.got.empty());
  }
}

TEST_CASE("a client that goes within the handshake is told so") {
  TlsAcceptFixture fixture;
  fixture.start();
  std::string text = "the connection was closed within the TLS handshake";
  SUBCASE("FIN") {
    fixture.peer->end();
  }
  SUBCASE("RST") {
    fixture.peer->send_reset();
    text = "the connection was reset within the TLS handshake";
  }
  fixture.run_until([&] { return !fixture.events.failed.empty(); });
  CHECK(fixture.events.failed.front().kind == TlsFailure::Kind::Closed);
  CHECK(fixture.events.failed.front().text == text);
}

TEST_CASE("what is no TLS fails, never inside accept(), and is answered with an alert") {
  TlsAcceptFixture fixture;
  fixture.connect();
  fixture.stream = fixture.server.accept(fixture.transport, "GET / HTTP/1.1\r\n\r\n", fixture.host, 0, fixture.events);
  CHECK(fixture.events.failed.empty());
  fixture.run_until([&] { return !fixture.events.failed.empty(); });
  CHECK(fixture.events.failed.front().kind == TlsFailure::Kind::Protocol);
  CHECK(fixture.events.failed.front().text.find("the TLS handshake failed") == 0);
}

TEST_CASE("garbage behind the hello fails the handshake") {
  TlsAcceptFixture fixture;
  fixture.start({}, std::string::npos, "garbage that is no record");
  fixture.pump_until([&] { return !fixture.events.failed.empty(); });
  CHECK(fixture.events.failed.front().kind == TlsFailure::Kind::Protocol);
  CHECK(fixture.peer->tls.alert > 0);
}

TEST_CASE("a client may update its keys some times in a row, not without end") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  for (int i = 0; i < 10; ++i) fixture.peer->tls.update_key(SSL_KEY_UPDATE_REQUESTED);
  fixture.write_from_client("data");
  fixture.pump_until([&] { return fixture.events.got == "data"; });
  for (int i = 0; i < 40; ++i) fixture.peer->tls.update_key(SSL_KEY_UPDATE_NOT_REQUESTED);
  fixture.pump_until([&] { return fixture.events.over(); });
  CHECK(fixture.events.broken == std::vector<int>{-EPROTO});
  CHECK(fixture.stream->tls_failure()->text == "the client sent too many TLS messages without data");
}

TEST_CASE("a renegotiation is refused, before and after bytes were written") {
  TlsAcceptFixture fixture;
  fixture.start_secured({.newest = TLS1_2_VERSION});
  SUBCASE("before") {}
  SUBCASE("after") {
    CHECK(write_all(*fixture.stream, "an interim answer") == WriteResult::Done);
    fixture.pump_until([&] { return !fixture.peer->tls.got.empty(); });
  }
  fixture.peer->tls.ask_to_renegotiate();
  fixture.pump_until([&] { return fixture.peer->tls.alert == SSL_AD_NO_RENEGOTIATION; });
  CHECK(fixture.events.got.empty());
}

TEST_CASE("a client that has TLS answer without end and does not read is broken off") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  const std::string much(1000000, 'm');
  while (write_all(*fixture.stream, much) == WriteResult::Done) continue;
  const std::size_t before = fixture.stream->queued_bytes();
  for (int i = 0; i < 1000 && !fixture.events.over(); ++i) {
    for (int each = 0; each < 10; ++each) fixture.peer->tls.update_key(SSL_KEY_UPDATE_REQUESTED);
    fixture.peer->tls.write("x");
    fixture.peer->send_raw(fixture.peer->tls.take_output());
    for (int each = 0; each < 3; ++each) uv_run(&fixture.loop.uv(), UV_RUN_NOWAIT);
  }
  CHECK(fixture.events.over());
  CHECK(fixture.stream->queued_bytes() < before + 100000);
}

// ---- Ends ----

TEST_CASE("close_notify of the client is the end, and writing still works") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  fixture.write_from_client("last words");
  fixture.peer->tls.close();
  fixture.pump_until([&] { return fixture.events.ended == 1; });
  CHECK(fixture.events.got == "last words");
  CHECK(write_all(*fixture.stream, "answer") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "answer"; });
  fixture.stream.reset();
  fixture.pump_until([&] { return fixture.peer->closed; });
  CHECK(fixture.peer->tls.ended);
}

TEST_CASE("a client whose connection ends without close_notify was cut") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  fixture.peer->end();
  fixture.pump_until([&] { return fixture.events.over(); });
  CHECK(fixture.events.broken == std::vector<int>{-ECONNRESET});
}

TEST_CASE("an answer that was cut ends without close_notify, by FIN, and what comes is still read") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool lingering : {true, false}) {
      CAPTURE(version);
      CAPTURE(lingering);
      TlsAcceptFixture fixture;
      fixture.start_secured({.newest = version});
      CHECK(write_all(*fixture.stream, "half an ans") == WriteResult::Done);
      fixture.stream->mark_cut();
      if (lingering) fixture.stream->finish_writing();
      if (!lingering) fixture.stream.reset();
      fixture.pump_until([&] { return fixture.peer->closed; });
      CHECK(fixture.peer->tls.got == "half an ans");
      CHECK_FALSE(fixture.peer->tls.ended);
      CHECK_FALSE(fixture.peer->reset);
      if (!lingering) continue;
      fixture.write_from_client("more of the request");
      fixture.pump_until([&] { return fixture.events.got == "more of the request"; });
      fixture.stream.reset();
      fixture.settle();
      CHECK_FALSE(fixture.peer->tls.ended);
    }
  }
}

TEST_CASE("an answer ends with close_notify and FIN") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  CHECK(write_all(*fixture.stream, "an answer") == WriteResult::Done);
  SUBCASE("by the end of writing") {
    fixture.stream->finish_writing();
  }
  SUBCASE("by destruction") {
    fixture.stream.reset();
  }
  fixture.pump_until([&] { return fixture.peer->closed; });
  CHECK(fixture.peer->tls.got == "an answer");
  CHECK(fixture.peer->tls.ended);
}

TEST_CASE("a paused stream stops the client, and loses nothing") {
  TlsAcceptFixture fixture;
  fixture.start_secured();
  fixture.stream->pause_reading();
  const std::string upload = numbered(20000000);
  fixture.write_from_client(upload);
  fixture.settle();
  CHECK_FALSE(fixture.peer->unsent.empty());
  CHECK(fixture.events.got.empty());
  fixture.stream->resume_reading();
  fixture.pump_until([&] { return fixture.events.got.size() == upload.size(); });
  CHECK(fixture.events.got == upload);
}

TEST_CASE("an accepted stream can be destroyed before its handshake is over, and inside each of its events") {
  TlsAcceptFixture fixture;
  const auto destroy = [&] { fixture.stream.reset(); };
  SUBCASE("before") {
    fixture.start();
    destroy();
  }
  SUBCASE("secured") {
    fixture.events.then_on_secured = destroy;
    fixture.start();
    fixture.pump_until([&] { return fixture.events.secured == 1; });
  }
  SUBCASE("failed") {
    fixture.events.then_on_failed = destroy;
    fixture.start();
    fixture.peer->end();
    fixture.run_until([&] { return !fixture.events.failed.empty(); });
  }
  SUBCASE("bytes") {
    fixture.events.then_on_bytes = destroy;
    fixture.start_secured();
    fixture.write_from_client("x");
    fixture.pump_until([&] { return fixture.events.got == "x"; });
  }
  fixture.settle();
  CHECK(fixture.stream == nullptr);
}

}  // namespace
}  // namespace keepwarm::net::test
