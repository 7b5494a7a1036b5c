#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/net/tls/tls_stream.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

namespace keepwarm::net::test {
namespace {

TEST_CASE("a ticket that arrives on an idle connection is kept, and tells its user nothing") {
  TlsStreamFixture fixture({.tickets = 0});
  fixture.start_secured();
  CHECK(fixture.tickets->count() == 0);
  fixture.peer->tls.send_ticket();
  fixture.pump_until([&] { return fixture.tickets->count() == 1; });
  fixture.settle();
  CHECK(fixture.events.got.empty());
  CHECK_FALSE(fixture.events.over());
  CHECK(fixture.stream->check_idle_alive());
}

TEST_CASE("looking whether a connection is alive takes what TLS sends for itself") {
  std::optional<TlsStreamFixture> tried;
  bool in_time = false;
  // What takes longer than a stream's share of a turn counts as dead. A machine that stalls just then is to try again.
  for (int attempt = 0; attempt < 20 && !in_time; ++attempt) {
    tried.emplace(TlsServerOptions{.tickets = 0});
    tried->start_secured();
    CHECK(tried->stream->check_idle_alive());
    for (int i = 0; i < 25; ++i) tried->peer->tls.send_ticket();  // more than one read
    tried->peer->tls.ask_for_key_update();
    tried->peer->pump();
    const TimePoint before = Loop::now();
    const bool alive = tried->stream->check_idle_alive();  // no turn of the loop was between
    in_time = Loop::now() - before < Loop::kShare;
    CHECK((alive || !in_time));
  }
  REQUIRE(in_time);
  TlsStreamFixture& fixture = *tried;
  CHECK(fixture.tickets->count() == TlsTickets::kMaxTickets);
  CHECK(fixture.stream->check_idle_alive());
  fixture.settle();
  CHECK(fixture.stream->check_idle_alive());
  CHECK(write_all(*fixture.stream, "ping") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "ping"; });
  fixture.write_from_server("pong");
  fixture.pump_until([&] { return fixture.events.got == "pong"; });
}

TEST_CASE("a connection is not alive when anything else has arrived") {
  TlsStreamFixture fixture({.tickets = 0});
  fixture.start_secured();
  fixture.peer->tls.send_ticket();  // is no excuse
  fixture.peer->pump();
  SUBCASE("bytes") {
    fixture.write_from_server("HTTP/1.1 408 Request Timeout\r\n");
  }
  SUBCASE("close_notify") {
    fixture.peer->tls.close();
    fixture.peer->pump();
  }
  SUBCASE("FIN") {
    fixture.peer->close();
  }
  SUBCASE("RST") {
    fixture.peer->send_reset();
  }
  SUBCASE("a broken record") {
    fixture.peer->send_raw(std::string("\x17\x03\x03\0\x20", 5) + std::string(32, 'x'));
  }
  SUBCASE("a part of a record") {
    fixture.peer->tls.write("x");
    fixture.peer->send_raw(fixture.peer->tls.take_output().substr(0, 5));
  }
  CHECK_FALSE(fixture.stream->check_idle_alive());
  CHECK_FALSE(fixture.stream->check_idle_alive());
}

TEST_CASE("tickets without end are not alive") {
  TlsStreamFixture fixture({.tickets = 0});
  fixture.start_secured();
  for (int i = 0; i < 600; ++i) fixture.peer->tls.send_ticket();
  fixture.peer->pump();
  CHECK_FALSE(fixture.stream->check_idle_alive());
}

TEST_CASE("another stream may be asked whether it is alive while bytes are told") {
  TlsStreamFixture busy({.tickets = 0}), idle({.tickets = 0});
  busy.start_secured();
  idle.start_secured();
  idle.peer->tls.send_ticket();
  idle.peer->pump();
  const std::string bytes(100000, 'b');
  std::string seen;
  bool alive = false;
  busy.events.then_on_bytes = [&] { alive = idle.stream->check_idle_alive(); };
  busy.write_from_server(bytes);
  busy.pump_until([&] { return busy.events.got.size() == bytes.size(); });
  CHECK(alive);
  CHECK(busy.events.got == bytes);
  CHECK(idle.tickets->count() == 1);
}

TEST_CASE("a connection that ended with the last bytes is not alive inside their event") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  bool alive = true;
  fixture.events.then_on_bytes = [&] { alive = fixture.stream->check_idle_alive(); };
  fixture.peer->tls.write("HTTP/1.1 200 OK\r\n\r\n");
  fixture.peer->tls.close();
  fixture.peer->pump();
  fixture.pump_until([&] { return fixture.events.ended == 1; });
  CHECK_FALSE(alive);
}

TEST_CASE("the next connection resumes, with each ticket once") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsStreamFixture fixture({.newest = version, .tickets = 1});
    fixture.start_secured();
    CHECK_FALSE(fixture.stream->resumed());
    CHECK(fixture.tickets->count() == 1);
    for (int i = 0; i < 3; ++i) {
      fixture.start_secured();
      CHECK(fixture.stream->resumed());
      CHECK(fixture.peer->tls.resumed);
      CHECK(fixture.tickets->count() == 1);  // the used one, and a new one
    }
  }
}

TEST_CASE("the tickets of a stream may outlive whoever gave them") {
  TlsStreamFixture fixture({.tickets = 0});
  fixture.start_secured();
  fixture.tickets.reset();
  fixture.peer->tls.send_ticket();
  fixture.settle();
  CHECK_FALSE(fixture.events.over());
  fixture.stream.reset();
  CHECK(fixture.client.ticket_bound().count() == 0);
}

}  // namespace
}  // namespace keepwarm::net::test
