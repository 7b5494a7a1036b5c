#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/dial_fixture.h"

/// How dialing fails, step by step, and that it can be given up at any moment.
namespace keepwarm::pool::test {
namespace {

using Told = std::vector<std::string>;

// ---- Failures ----

TEST_CASE("nobody who listens is a failure to connect, told of whom") {
  DialFixture fixture;
  const net::test::RefusedPort refused(literal("127.0.0.1"));
  std::string whom;
  policy::NextHop hop = fixture.direct();
  SUBCASE("the host itself") {}
  SUBCASE("connect_to") {
    hop = fixture.connect_to();
    whom = "127.0.0.1:" + std::to_string(refused.port());
  }
  SUBCASE("parent") {
    hop = fixture.parent();
    whom = "the parent proxy 127.0.0.1:" + std::to_string(refused.port());
  }
  hop.port = refused.port();
  fixture.dial(hop);
  fixture.run_until_told();
  CHECK(fixture.events.told == Told{"failed"});
  CHECK(fixture.events.failure.step == Step::Connect);
  CHECK(fixture.events.failure.connect.kind == Kind::Refused);
  CHECK(fixture.events.failure.connect.address.port() == refused.port());
  CHECK(fixture.events.failure.text == whom);
}

TEST_CASE("a name that does not exist is a failure to connect") {
  DialFixture fixture;
  fixture.dial(fixture.connect_to("none.test"));
  fixture.run_until_told();
  CHECK(fixture.events.failure.step == Step::Connect);
  CHECK(fixture.events.failure.connect.kind == Kind::Dns);
}

TEST_CASE("a path where nothing is, is a failure to connect") {
  DialFixture fixture;
  policy::NextHop hop = fixture.connect_to("");
  hop.unix_path = fixture.folder / "none.sock";
  fixture.dial(hop);
  fixture.run_until_told();
  CHECK(fixture.events.failure.step == Step::Connect);
  CHECK(fixture.events.failure.connect.kind == Kind::Refused);
  CHECK(fixture.events.failure.connect.error == -ENOENT);
  CHECK(fixture.events.failure.text == "unix:" + hop.unix_path);
}

TEST_CASE("a parent's refusal is told with its status") {
  struct Case {
    const char* answer;
    std::uint16_t status;
  };
  const Case cases[] = {{"HTTP/1.1 403 Forbidden\r\n\r\n", 403},
                        {"HTTP/1.1 407 No\r\n\r\n", 407},
                        {"HTTP/1.1 101 Switching\r\n\r\n", 101},
                        {"garbage\r\n\r\n", 0}};
  for (const Case& each : cases) {
    for (const bool secure : {false, true}) {
      CAPTURE(each.answer);
      CAPTURE(secure);
      DialFixture fixture;
      fixture.dial(secure ? fixture.with_tls(fixture.parent()) : fixture.parent());
      fixture.accept();
      fixture.say(each.answer);
      fixture.run_until_told();
      CHECK(fixture.events.told == Told{"failed"});
      CHECK(fixture.events.failure.step == Step::Parent);
      CHECK(fixture.events.failure.parent_status == each.status);
    }
  }
}

TEST_CASE("bytes of the far end before our handshake are the parent's fault") {
  DialFixture fixture;
  fixture.dial(fixture.with_tls(fixture.parent()));
  fixture.accept();
  fixture.say(std::string(kEstablished) + "early");
  fixture.run_until_told();
  CHECK(fixture.events.told == Told{"failed"});
  CHECK(fixture.events.failure.step == Step::Parent);
  CHECK(fixture.events.failure.parent_status == 0);
}

TEST_CASE("a handshake that fails is told as such") {
  DialFixture fixture;
  policy::NextHop hop = fixture.with_tls(fixture.direct());
  net::TlsFailure::Kind kind = net::TlsFailure::Kind::Certificate;
  SUBCASE("another name") {
    hop.tls->server_name = "other.example";
    fixture.dial(hop);
    fixture.accept();
    fixture.secure_peer();
  }
  SUBCASE("no TLS") {
    kind = net::TlsFailure::Kind::Protocol;
    fixture.dial(hop);
    fixture.accept();
    fixture.say("HTTP/1.1 400 Bad Request\r\n\r\n");
  }
  SUBCASE("closed") {
    kind = net::TlsFailure::Kind::Closed;
    fixture.dial(hop);
    fixture.accept();
    fixture.peer = Fd();
  }
  bool demands = false;
  SUBCASE("a certificate is demanded") {
    kind = net::TlsFailure::Kind::Alert;
    demands = true;
    SSL_CTX_set_verify(fixture.server.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    fixture.dial(hop);
    fixture.accept();
    fixture.secure_peer();
  }
  fixture.run_until_told();
  CHECK(fixture.events.told == Told{"failed"});
  CHECK(fixture.events.failure.step == Step::Tls);
  CHECK(fixture.events.failure.tls.kind == kind);
  CHECK(fixture.events.failure.tls.certificate_requested == demands);
  CHECK_FALSE(fixture.events.failure.tried_to_resume);
}

TEST_CASE("TLS settings that cannot be used are told, not inside start()") {
  DialFixture fixture;
  policy::NextHop hop = fixture.with_tls(fixture.direct());
  hop.tls->ca_file = fixture.folder / "none.pem";
  fixture.dial(hop);
  fixture.run_until_told();
  CHECK(fixture.events.told == Told{"failed"});
  CHECK(fixture.events.failure.step == Step::Settings);
  CHECK(fixture.events.failure.text.find("none.pem") != std::string::npos);
}

// ---- The time limit ----

TEST_CASE("the time limit ends each step, and is told as that step's") {
  struct Case {
    const char* name;
    Step step;
    Kind kind;
    std::function<void(DialFixture&, Duration)> until;
  };
  const net::test::BlackHole black_hole(literal("127.0.0.1"));
  const Case cases[] = {
      {"the look-up", Step::Connect, Kind::DnsTimeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.names->hold();
         fixture.resolver.set_settings({.ttl = 0s, .negative_ttl = 0s, .timeout = limit});
         fixture.dial(fixture.direct());
       }},
      {"connecting", Step::Connect, Kind::Timeout,
       [&](DialFixture& fixture, Duration limit) {
         policy::NextHop hop = fixture.direct();
         hop.port = black_hole.port();
         fixture.dial(hop, limit);
       }},
      {"the parent", Step::Parent, Kind::Timeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.parent(), limit);
         static_cast<void>(fixture.accept_in_time());
       }},
      {"the parent, half-way", Step::Parent, Kind::Timeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.with_tls(fixture.parent()), limit);
         if (fixture.accept_in_time()) fixture.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n");
       }},
      {"the handshake", Step::Tls, Kind::Timeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.with_tls(fixture.direct()), limit);
         static_cast<void>(fixture.accept_in_time());
       }},
      {"the handshake after a slow look-up, whose time does not count", Step::Tls, Kind::Timeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.names->hold();
         fixture.dial(fixture.with_tls(fixture.direct()), limit);
         fixture.run_for(2 * limit);
         fixture.started = net::Loop::now();
         fixture.names->release();
         static_cast<void>(fixture.accept_in_time());
       }},
      {"the handshake behind a parent", Step::Tls, Kind::Timeout,
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.with_tls(fixture.parent()), limit);
         if (!fixture.accept_in_time()) return;
         fixture.run_for(limit / 2);  // counts, too
         if (fixture.events.told.empty()) fixture.say(kEstablished);
       }},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    play_in_time([&each](Duration limit) {
      DialFixture fixture;
      each.until(fixture, limit);
      fixture.run_until_told();
      CHECK(fixture.told("failed"));
      CHECK(fixture.elapsed() >= limit - 2ms);  // the loop's clock counts in whole milliseconds
      fixture.dialer.reset();
      const DialFailure& failure = fixture.events.failure;
      return failure.step == each.step && failure.connect.kind == each.kind;
    });
  }
}

TEST_CASE("no time limit strikes once it is dialed") {
  struct Case {
    const char* name;
    std::function<void(DialFixture&, Duration)> until;
  };
  const Case cases[] = {
      {"plain", [](DialFixture& fixture, Duration limit) { fixture.dial(fixture.direct(), limit); }},
      {"a parent's tunnel",
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.parent(), limit);
         if (fixture.accept_in_time()) fixture.say(kEstablished);
       }},
      {"TLS",
       [](DialFixture& fixture, Duration limit) {
         fixture.dial(fixture.with_tls(fixture.direct()), limit);
         if (fixture.accept_in_time()) fixture.secure_peer();
       }},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    play_in_time([&each](Duration limit) {
      DialFixture fixture;
      each.until(fixture, limit);
      fixture.run_until_told();
      if (!fixture.told("dialed")) return false;
      fixture.run_for(limit * 2);
      CHECK(fixture.told("dialed"));
      return true;
    });
  }
}

TEST_CASE("a failure is told once, whatever comes after it") {
  DialFixture fixture;
  SUBCASE("a parent that says more, and then ends") {
    fixture.dial(fixture.parent(), kShort);
    if (fixture.accept_in_time()) fixture.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n");
    fixture.run_until_told();
    ::send(fixture.peer.get(), "sorry", 5, MSG_NOSIGNAL);
    fixture.turn();
    fixture.peer = Fd();
  }
  SUBCASE("a handshake") {
    fixture.dial(fixture.with_tls(fixture.direct()), kShort);
    if (fixture.accept_in_time()) fixture.say("HTTP/1.1 400 Bad Request\r\n\r\n");
    fixture.run_until_told();
    fixture.peer = Fd();
  }
  SUBCASE("settings") {
    policy::NextHop hop = fixture.with_tls(fixture.direct());
    hop.tls->ca_file = "/none.pem";
    fixture.dial(hop, kShort);
    fixture.run_until_told();
  }
  SUBCASE("a time limit") {
    fixture.dial(fixture.with_tls(fixture.parent()), kShort);
    static_cast<void>(fixture.accept_in_time());
    fixture.run_until_told();
    ::send(fixture.peer.get(), kEstablished.data(), kEstablished.size(), MSG_NOSIGNAL);
  }
  SUBCASE("an address that may not be named") {
    fixture.local_filter.answer = net::AddressFilter::Verdict::Denied;
    fixture.dial(fixture.parent("192.0.2.7"), kShort);
    fixture.run_until_told();
  }
  fixture.run_for(kShort * 2);
  CHECK(fixture.told("failed"));
}

// ---- Given up ----

TEST_CASE("it may be destroyed at every stage, and nothing is told or left open") {
  DialFixture fixture;
  SUBCASE("before it starts") {
    fixture.make_dialer({.hop = fixture.way});
  }
  SUBCASE("at once") {
    fixture.dial(fixture.direct());
  }
  SUBCASE("within the look-up") {
    fixture.names->hold();
    fixture.dial(fixture.direct());
    fixture.turn();
  }
  SUBCASE("before a refusal is told") {
    fixture.local_filter.answer = net::AddressFilter::Verdict::Denied;
    fixture.dial(fixture.parent("192.0.2.7"));
  }
  SUBCASE("while connecting") {
    const net::test::BlackHole black_hole(literal("127.0.0.1"));
    policy::NextHop hop = fixture.connect_to();
    hop.port = black_hole.port();
    fixture.dial(hop);
    fixture.turn();
    fixture.dialer.reset();
    fixture.turn();
  }
  SUBCASE("while the parent thinks") {
    fixture.dial(fixture.parent());
    fixture.accept();
    fixture.hear_head();
  }
  SUBCASE("with half of the parent's answer read") {
    fixture.dial(fixture.with_tls(fixture.parent()));
    fixture.accept();
    fixture.say("HTTP/1.1 200 Conn");
    fixture.run_for(10ms);
  }
  SUBCASE("within the handshake") {
    fixture.dial(fixture.with_tls(fixture.direct()));
    fixture.accept();
    fixture.run_for(10ms);
  }
  SUBCASE("within the handshake behind a parent") {
    fixture.dial(fixture.with_tls(fixture.parent()));
    fixture.accept();
    fixture.say(kEstablished);
    fixture.run_for(10ms);
  }
  fixture.dialer.reset();
  fixture.run_for(20ms);
  CHECK(fixture.events.told.empty());
}

TEST_CASE("it may be destroyed inside each event") {
  DialFixture fixture;
  const auto destroy = [&] { fixture.dialer.reset(); };
  fixture.events.then = destroy;
  std::string told = "failed";
  SUBCASE("the addresses") {
    fixture.events.then_on_addresses = destroy;
    fixture.dial(fixture.direct());
    fixture.pump_until([&] { return fixture.dialer == nullptr; });
    fixture.run_for(20ms);
    CHECK(fixture.events.told.empty());
    return;
  }
  SUBCASE("connected") {
    told = "dialed";
    fixture.dial(fixture.direct());
  }
  SUBCASE("not connected") {
    const net::test::RefusedPort refused(literal("127.0.0.1"));
    policy::NextHop hop = fixture.direct();
    hop.port = refused.port();
    fixture.dial(hop);
    fixture.run_until_told();
  }
  SUBCASE("a tunnel") {
    told = "dialed";
    fixture.dial(fixture.parent());
    fixture.accept();
    fixture.say(std::string(kEstablished) + "early");
  }
  SUBCASE("no tunnel") {
    fixture.dial(fixture.parent());
    fixture.accept();
    fixture.say("HTTP/1.1 403 Forbidden\r\n\r\n");
  }
  SUBCASE("bytes before the handshake") {
    fixture.dial(fixture.with_tls(fixture.parent()));
    fixture.accept();
    fixture.say(std::string(kEstablished) + "early");
  }
  SUBCASE("settings") {
    policy::NextHop hop = fixture.with_tls(fixture.parent());
    hop.tls->ca_file = "/none.pem";
    fixture.dial(hop);
    fixture.accept();
    fixture.say(kEstablished);
  }
  SUBCASE("a handshake") {
    told = "dialed";
    fixture.dial(fixture.with_tls(fixture.parent()));
    fixture.accept();
    fixture.hear_head();
    fixture.say(kEstablished);
    fixture.secure_peer();
  }
  SUBCASE("no handshake") {
    fixture.dial(fixture.with_tls(fixture.direct()));
    fixture.accept();
    fixture.say("HTTP/1.1 400 Bad Request\r\n\r\n");
  }
  SUBCASE("a time limit") {
    fixture.dial(fixture.with_tls(fixture.parent()), kShort);
    fixture.accept();
  }
  SUBCASE("a refusal") {
    fixture.local_filter.answer = net::AddressFilter::Verdict::Denied;
    fixture.dial(fixture.parent("192.0.2.7"));
  }
  fixture.run_until_told();
  CHECK_FALSE(fixture.dialer);
  CHECK(fixture.events.told == Told{told});
}

}  // namespace
}  // namespace keepwarm::pool::test
