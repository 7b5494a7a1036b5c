#include "core/pool/dialer.h"

#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/pool/dial_fixture.h"

namespace keepwarm::pool::test {
namespace {

using Told = std::vector<std::string>;
using Verdict = net::AddressFilter::Verdict;

/// Shows that the stream leads to the peer, in both directions.
void check_works(DialFixture& fixture) {
  REQUIRE(fixture.events.told == Told{"dialed"});
  StreamRecorder user;
  net::Stream& stream = *fixture.events.dialed->stream;
  stream.set_events(user);
  stream.resume_reading();
  REQUIRE(net::write_all(stream, "question\r\n\r\n") == net::WriteResult::Done);
  if (fixture.secure) {
    fixture.pump_until([&] { return fixture.secure->tls.got == "question\r\n\r\n"; });
    fixture.secure->tls.write("answer");
  } else {
    CHECK(fixture.hear_head() == "question\r\n\r\n");
    fixture.say("answer");
  }
  fixture.pump_until([&] { return user.got == "answer"; });
  fixture.events.dialed.reset();
}

// ---- The ways ----

TEST_CASE("a name is looked up and connected to") {
  DialFixture fixture;
  fixture.dial(fixture.direct());
  fixture.run_until_told();
  fixture.accept();
  const Dialed& dialed = *fixture.events.dialed;
  CHECK(dialed.address.text() == fixture.listening.address().text());
  CHECK(dialed.times.dns > Duration::zero());
  CHECK(dialed.times.connect > Duration::zero());
  CHECK(dialed.times.tls == Duration::zero());
  CHECK(dialed.times.total() <= fixture.elapsed());
  CHECK(dialed.tls_protocol.empty());
  check_works(fixture);
}

TEST_CASE("the addresses of a name are told, whoever chose it") {
  DialFixture fixture;
  SUBCASE("the client") {
    fixture.dial(fixture.direct());
  }
  SUBCASE("the operator") {
    fixture.dial(fixture.connect_to("origin.test"));
  }
  fixture.run_until_told();
  REQUIRE(fixture.events.addresses.size() == 1);
  CHECK(fixture.events.addresses[0].same_host(literal("127.0.0.1")));
  CHECK(fixture.events.told == Told{"dialed"});
}

TEST_CASE("connect_to leads elsewhere") {
  DialFixture fixture;
  SUBCASE("an address") {
    fixture.dial(fixture.connect_to());
  }
  SUBCASE("a name") {
    fixture.dial(fixture.connect_to("origin.test"));
  }
  fixture.run_until_told();
  fixture.accept();
  CHECK(fixture.events.dialed->address.text() == fixture.listening.address().text());
  check_works(fixture);
}

TEST_CASE("a unix socket needs no look-up") {
  DialFixture fixture;
  const Fd listener = net::test::listen_on_path(fixture.folder / "x.sock");
  policy::NextHop hop = fixture.connect_to("");
  hop.unix_path = fixture.folder / "x.sock";
  fixture.dial(hop);
  fixture.run_until_told();
  fixture.peer = Fd(::accept(listener.get(), nullptr, nullptr));
  REQUIRE(fixture.peer.valid());
  CHECK(fixture.events.dialed->address.family() == AF_UNIX);
  CHECK(fixture.events.dialed->times.dns == Duration::zero());
  check_works(fixture);
}

TEST_CASE("a parent is asked for a tunnel, and what comes behind its answer is handed on") {
  DialFixture fixture;
  fixture.dial(fixture.parent());
  fixture.accept();
  CHECK(fixture.hear_head() ==
        "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n"
        "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\nVia: 1.1 keepwarm-test\r\n\r\n");
  fixture.run_for(30ms);
  fixture.say(std::string(kEstablished) + "early");
  fixture.run_until_told();
  const Dialed& dialed = *fixture.events.dialed;
  CHECK(dialed.early == "early");
  CHECK(dialed.address.text() == fixture.listening.address().text());
  CHECK(dialed.times.connect >= 30ms);  // with the parent's tunnel
  CHECK(dialed.times.tls == Duration::zero());
  check_works(fixture);
}

TEST_CASE("a parent is told Via") {
  DialFixture fixture;
  fixture.way = fixture.parent();
  fixture.way.credentials.clear();
  const auto start = [&fixture](const std::string& as_given = {}) {
    fixture.make_dialer({.hop = fixture.way, .timeout = kLong, .via = as_given});
    fixture.dialer->start();
  };
  std::string via;
  SUBCASE("as given") {
    start("1.0 fred, 1.1 keepwarm-test");
    via = "Via: 1.0 fred, 1.1 keepwarm-test\r\n";
  }
  SUBCASE("our own alone") {
    start();
    via = "Via: 1.1 keepwarm-test\r\n";
  }
  SUBCASE("none") {
    fixture.context.via.clear();
    start();
  }
  fixture.accept();
  CHECK(fixture.hear_head() == "CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n" + via + "\r\n");
}

TEST_CASE("TLS is spoken, and a later connection resumes") {
  DialFixture fixture;
  for (const bool resumed : {false, true}) {
    CAPTURE(resumed);
    fixture.events.told.clear();
    fixture.dial(fixture.with_tls(fixture.direct()));
    fixture.accept();
    fixture.secure_peer();
    fixture.run_until_told();
    const Dialed& dialed = *fixture.events.dialed;
    CHECK(dialed.tls_protocol == "TLSv1.3");
    CHECK(dialed.tls_resumed == resumed);
    CHECK_FALSE(dialed.client_certificate_requested);
    CHECK(dialed.times.tls > Duration::zero());
    CHECK(dialed.times.total() <= fixture.elapsed());
    check_works(fixture);
    CHECK(fixture.secure->tls.resumed == resumed);
    CHECK(fixture.secure->tls.server_name() == "server.example");
  }
}

TEST_CASE("a server that asks for a client certificate, and goes on without one, is told of; also when it resumes") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const bool through_parent : {false, true}) {
      CAPTURE(version);
      CAPTURE(through_parent);
      DialFixture fixture;
      SSL_CTX_set_verify(fixture.server.get(), SSL_VERIFY_PEER, nullptr);
      SSL_CTX_set_max_proto_version(fixture.server.get(), version);
      for (const bool resumed : {false, true, true}) {
        CAPTURE(resumed);
        fixture.events.told.clear();
        fixture.dial(fixture.with_tls(through_parent ? fixture.parent() : fixture.direct()));
        fixture.accept();
        if (through_parent) {
          fixture.hear_head();
          fixture.say(kEstablished);
        }
        fixture.secure_peer();
        fixture.run_until_told();
        REQUIRE(fixture.events.told == Told{"dialed"});
        CHECK(fixture.events.dialed->tls_resumed == resumed);
        CHECK(fixture.events.dialed->client_certificate_requested);
        check_works(fixture);
      }
    }
  }
}

TEST_CASE("TLS through a parent's tunnel") {
  DialFixture fixture;
  fixture.dial(fixture.with_tls(fixture.parent()));
  fixture.accept();
  fixture.hear_head();
  fixture.run_for(30ms);
  CHECK(::recv(fixture.peer.get(), nullptr, 0, MSG_DONTWAIT | MSG_PEEK) < 0);  // no handshake before the answer
  fixture.say(kEstablished);
  fixture.secure_peer();
  fixture.run_until_told();
  const Dialed& dialed = *fixture.events.dialed;
  CHECK(dialed.times.connect >= 30ms);
  CHECK(dialed.times.tls > Duration::zero());
  CHECK(dialed.times.total() <= fixture.elapsed());
  CHECK(dialed.early.empty());
  check_works(fixture);
}

// ---- Which addresses may be reached ----

TEST_CASE("what the client chose is held against the rules for this client, what the operator chose is not") {
  struct Case {
    const char* name = "";
    Via via = Via::Client;
    bool local_client = true;
    Verdict local = Verdict::Allowed, remote = Verdict::Allowed;
    std::optional<Kind> refused;
  };
  const Case cases[] = {
      {"a local client", Via::Client, true, Verdict::Allowed, Verdict::Denied, {}},
      {"one from elsewhere", Via::Client, false, Verdict::Allowed, Verdict::Denied, Kind::Denied},
      {"denied to all", Via::Client, true, Verdict::Denied, Verdict::Denied, Kind::Denied},
      {"connect_to, from elsewhere", Via::ConnectTo, false, Verdict::Allowed, Verdict::Denied, {}},
      {"connect_to, denied to all", Via::ConnectTo, true, Verdict::Denied, Verdict::Denied, Kind::Denied},
      {"connect_to, ourselves", Via::ConnectTo, true, Verdict::Ourselves, Verdict::Ourselves, Kind::Ourselves},
      {"parent, from elsewhere", Via::Parent, false, Verdict::Allowed, Verdict::Denied, {}},
      {"parent, denied to all", Via::Parent, true, Verdict::Denied, Verdict::Denied, {}},
      {"parent, ourselves", Via::Parent, true, Verdict::Ourselves, Verdict::Ourselves, Kind::Ourselves},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    DialFixture fixture;
    fixture.local_filter.answer = each.local;
    fixture.remote_filter.answer = each.remote;
    policy::NextHop hop = each.via == Via::Client ? fixture.direct() : fixture.connect_to();
    hop.via = each.via;
    fixture.dial(hop, kLong, each.local_client);
    fixture.run_until_told();
    CHECK(fixture.events.told == Told{each.refused ? "failed" : "dialed"});
    if (each.refused) CHECK(fixture.events.failure.connect.kind == *each.refused);
    if (each.refused) CHECK(fixture.events.failure.step == Step::Connect);
  }
}

TEST_CASE("an address that may not be reached is not named to a parent") {
  DialFixture fixture;
  fixture.local_filter.answer = Verdict::Denied;
  SUBCASE("IPv4") {
    fixture.dial(fixture.parent("192.0.2.7"));
  }
  SUBCASE("IPv6") {
    fixture.dial(fixture.parent("2001:db8::7"));
  }
  SUBCASE("a name is the parent's to resolve") {
    fixture.dial(fixture.parent("far.test"));
    fixture.accept();
    fixture.hear_head();
    return;
  }
  fixture.run_until_told();
  CHECK(fixture.events.told == Told{"failed"});
  CHECK(fixture.events.failure.step == Step::Connect);
  CHECK(fixture.events.failure.connect.kind == Kind::Denied);
  CHECK_FALSE(fixture.listening.accept().valid());
}

TEST_CASE("our own unix socket is refused") {
  DialFixture fixture;
  fixture.local_filter.own_path = true;
  policy::NextHop hop = fixture.connect_to("");
  hop.unix_path = "/run/own.sock";
  fixture.dial(hop);
  fixture.run_until_told();
  CHECK(fixture.events.failure.connect.kind == Kind::Ourselves);
}

}  // namespace
}  // namespace keepwarm::pool::test
