#include "core/net/tls/tls_session.h"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/tls/tls_fixture.h"

namespace keepwarm::net::test {
namespace {

using State = TlsSession::State;

struct Version {
  const char* name;
  int number;
};
constexpr Version kVersions[] = {{"TLSv1.2", TLS1_2_VERSION}, {"TLSv1.3", TLS1_3_VERSION}};

TEST_CASE("a session is made, and carries bytes both ways, whole and one at a time") {
  for (const Version& version : kVersions) {
    for (const std::size_t slice : {std::string::npos, std::size_t{1}, std::size_t{7}}) {
      CAPTURE(version.name);
      CAPTURE(slice);
      TlsFixture fixture;
      const TlsServerContext context({.newest = version.number});
      SessionPair pair(fixture, context);
      CHECK(pair.client.state() == State::Handshaking);
      pair.talk(slice);
      CHECK(pair.client.state() == State::Open);
      CHECK(pair.server.secured);
      CHECK(pair.client.protocol() == version.name);
      CHECK_FALSE(pair.client.resumed());
      CHECK(pair.server.server_name() == "server.example");

      const std::string request = numbered(50000), response = numbered(70000);
      const std::string_view piece = request;
      CHECK(pair.write({&piece, 1}));
      pair.server.write(response);
      pair.talk(slice);
      CHECK(pair.server.got == request);
      CHECK(pair.got == response);
      CHECK(pair.client.between_records());
    }
  }
}

TEST_CASE("TLS 1.3 is preferred") {
  TlsFixture fixture;
  const TlsServerContext context;
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.client.protocol() == "TLSv1.3");
}

TEST_CASE("all plaintext of one read comes at once, with a record of which a part came before") {
  TlsFixture fixture;
  const TlsServerContext context;
  SessionPair pair(fixture, context);
  pair.talk();
  const std::string response = numbered(Loop::kReadBufferSize);
  pair.server.write(response);
  const std::string ciphertext = pair.take_to_client();
  pair.feed(std::string_view(ciphertext).substr(0, 16000));
  CHECK(pair.got.empty());
  CHECK_FALSE(pair.client.between_records());
  pair.feed(std::string_view(ciphertext).substr(16000));
  CHECK(pair.got == response);
}

TEST_CASE("a part of a record is told from none, wherever it is cut") {
  TlsFixture fixture;
  const TlsServerContext context({.tickets = 0});
  SessionPair pair(fixture, context);
  pair.talk();
  pair.server.write("x");
  const std::string record = pair.take_to_client();
  for (std::size_t i = 0; i + 1 < record.size(); ++i) {
    CAPTURE(i);
    pair.feed({&record[i], 1});
    CHECK_FALSE(pair.client.between_records());
  }
  pair.feed({&record.back(), 1});
  CHECK(pair.client.between_records());
  CHECK(pair.got == "x");
}

TEST_CASE("pieces are written in as few records as may be") {
  struct Case {
    const char* name;
    std::vector<std::size_t> pieces;
    int records;
  };
  const Case cases[] = {{"one", {10}, 1},
                        {"small ones", {10, 20, 0, 30}, 1},
                        {"just a record", {100, 16284}, 1},
                        {"a byte more", {100, 16285}, 2},
                        {"a head and a body", {300, 50000, 2}, 4},
                        {"whole records", {16384, 32768}, 3},
                        {"a large piece in the middle", {1, 40000, 5}, 3},
                        {"one that is large", {100000}, 7}};
  TlsFixture fixture;
  const TlsServerContext context;
  for (const Case& c : cases) {
    CAPTURE(c.name);
    SessionPair pair(fixture, context);
    pair.talk();
    std::size_t total = 0;
    for (const std::size_t size : c.pieces) total += size;
    const std::string all = numbered(total);
    std::vector<std::string_view> pieces;
    for (std::size_t at = 0, i = 0; i < c.pieces.size(); at += c.pieces[i++]) {
      pieces.push_back(std::string_view(all).substr(at, c.pieces[i]));
    }
    CHECK(pair.write(pieces));
    pair.talk();
    CHECK(pair.server.got == all);
    CHECK(pair.server.reads == c.records);
  }
}

TEST_CASE("close_notify ends the session, and what follows it is ignored") {
  TlsFixture fixture;
  const TlsServerContext context;
  SessionPair pair(fixture, context);
  pair.talk();
  pair.server.write("last words");
  pair.server.close();
  pair.talk();
  CHECK(pair.got == "last words");
  CHECK(pair.client.state() == State::Ended);
  CHECK(pair.client.failure() == nullptr);
  pair.feed("rubbish");
  CHECK(pair.client.state() == State::Ended);

  const std::string_view answer = "answer";
  CHECK(pair.write({&answer, 1}));
  pair.client.close();
  pair.talk();
  CHECK(pair.server.got == "answer");
  CHECK(pair.server.ended);
}

TEST_CASE("an answer of a protocol that was not offered is refused, no ALPN or the right one is not") {
  struct Case {
    const char* alpn;
    bool accepted;
  };
  for (const Version& version : kVersions) {
    for (const Case& c : {Case{"", true}, Case{"http/1.1", true}, Case{"h2", false}, Case{"http/1.0", false}}) {
      CAPTURE(version.name);
      CAPTURE(c.alpn);
      TlsFixture fixture;
      const TlsServerContext context({.newest = version.number, .alpn = c.alpn});
      SessionPair pair(fixture, context);
      pair.talk();
      CHECK((pair.client.state() == State::Open) == c.accepted);
      if (c.accepted) continue;
      CHECK(pair.failure().kind == TlsFailure::Kind::Protocol);
      const std::string text = "the server answered with a protocol that was not offered";
      CHECK(pair.failure().text.substr(0, text.size()) == text);  // newer OpenSSL does not say which
    }
  }
}

TEST_CASE("session tickets are kept as they come, and each is used once") {
  TlsFixture fixture;
  const TlsServerContext context({.tickets = 2});
  {
    SessionPair first(fixture, context);
    first.talk();
    CHECK_FALSE(first.client.resumed());
  }
  CHECK(fixture.tickets->count() == 2);
  {
    SessionPair second(fixture, context);
    CHECK(fixture.tickets->count() == 1);  // it is gone, whatever comes of the handshake
    SessionPair third(fixture, context);
    CHECK(fixture.tickets->count() == 0);
    SessionPair fourth(fixture, context);
    second.talk();
    CHECK(second.client.resumed());
    CHECK(second.server.resumed);
    third.talk();
    CHECK(third.server.resumed);
    fourth.talk();
    CHECK_FALSE(fourth.client.resumed());
    CHECK_FALSE(fourth.server.resumed);
    CHECK(fourth.client.state() == State::Open);
  }
}

TEST_CASE("a TLS 1.2 session is kept again after it was resumed") {
  for (const bool stateful : {false, true}) {
    CAPTURE(stateful);
    TlsFixture fixture;
    const TlsServerContext context({.newest = TLS1_2_VERSION, .stateful = stateful});
    for (int i = 0; i < 4; ++i) {
      CAPTURE(i);
      SessionPair pair(fixture, context);
      pair.talk();
      CHECK(pair.client.resumed() == (i > 0));
      CHECK(fixture.tickets->count() == 1);
      pair.server.close();  // else the server forgets the session
    }
  }
}

TEST_CASE("a ticket of another server means a full handshake") {
  TlsFixture fixture;
  const TlsServerContext context, other;
  SessionPair(fixture, context).talk();
  REQUIRE(fixture.tickets->count() == 2);
  SessionPair pair(fixture, other);
  pair.talk();
  CHECK(pair.client.state() == State::Open);
  CHECK_FALSE(pair.client.resumed());
}

TEST_CASE("without tickets sessions are not kept") {
  TlsFixture fixture;
  const TlsServerContext context;
  fixture.tickets = nullptr;
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.client.state() == State::Open);
}

TEST_CASE("what TLS sends for itself leaves an idle connection alive, and anything else does not") {
  TlsFixture fixture;
  const TlsServerContext context({.tickets = 0});
  SessionPair pair(fixture, context);
  pair.talk();
  bool alive = false;
  SUBCASE("a ticket, byte by byte") {
    pair.server.send_ticket();
    const std::string record = pair.take_to_client();
    for (const char& byte : record) CHECK(pair.client.feed_while_idle({&byte, 1}));
    CHECK(pair.client.between_records());
    CHECK(fixture.tickets->count() == 1);
    alive = true;
  }
  SUBCASE("a key update, which is answered with the next write") {
    pair.server.ask_for_key_update();
    CHECK(pair.client.feed_while_idle(pair.take_to_client()));
    const std::string_view on = "on";
    CHECK(pair.write({&on, 1}));
    pair.talk();
    CHECK(pair.server.got == "on");
    alive = true;
  }
  SUBCASE("a byte") {
    pair.server.write("x");
  }
  SUBCASE("a ticket and a byte") {
    pair.server.send_ticket();
    pair.server.write("x");
  }
  SUBCASE("close_notify") {
    pair.server.close();
  }
  if (!alive) CHECK_FALSE(pair.client.feed_while_idle(pair.take_to_client()));
}

TEST_CASE("a server that sends some tens of messages without data in a row is heard, with one more it is not") {
  struct Kind {
    const char* name;
    int version, most;
    void (*send)(TlsServer&);
  };
  constexpr Kind kKinds[] = {
      {"key updates, which OpenSSL answers", TLS1_3_VERSION, 16,
       [](TlsServer& server) { server.ask_for_key_update(); }},
      {"tickets", TLS1_3_VERSION, 32, [](TlsServer& server) { server.send_ticket(); }},
      {"hello requests", TLS1_2_VERSION, 32, [](TlsServer& server) { server.ask_to_renegotiate(); }},
  };
  for (const Kind& kind : kKinds) {
    for (const std::size_t slice : {std::string::npos, std::size_t{7}}) {
      CAPTURE(kind.name);
      CAPTURE(slice);
      TlsFixture fixture;
      const TlsServerContext context({.newest = kind.version, .tickets = 0});
      SessionPair pair(fixture, context);
      pair.talk();
      const auto send = [&](int count) {
        for (int i = 0; i < count; ++i) kind.send(pair.server);
        std::string bytes = pair.take_to_client();
        while (!bytes.empty()) {
          pair.feed(bytes.substr(0, slice));
          bytes.erase(0, slice);
        }
      };
      send(kind.most);
      REQUIRE(pair.client.state() == TlsSession::State::Open);
      CHECK(pair.client.between_records());
      pair.server.write("x");  // data: the count begins anew
      send(0);
      CHECK(pair.got == "x");
      send(kind.most - 5);
      send(5);
      CHECK(pair.client.state() == TlsSession::State::Open);
      send(1);
      CHECK(pair.client.state() == TlsSession::State::Failed);
      CHECK(pair.failure().text == "the server sent too many TLS messages without data");
    }
  }
}

TEST_CASE("what there is no time for is left, and can be fed again") {
  TlsFixture fixture;
  const TlsServerContext context({.tickets = 0});
  SessionPair pair(fixture, context);
  pair.talk();
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    pair.server.write(std::to_string(i) + ' ');
    sent += std::to_string(i) + ' ';
  }
  const std::string bytes = pair.take_to_client();
  std::string got;
  std::size_t left = bytes.size(), steps = 0;
  while (left > 0) {
    const TlsSession::Fed fed = pair.client.feed(std::string_view(bytes).substr(bytes.size() - left), TimePoint{});
    REQUIRE(fed.left < left);
    got += fed.plaintext;
    left = fed.left;
    ++steps;
  }
  CHECK(got == sent);
  CHECK(steps > 20);  // so it looks at the clock each few records
  CHECK(pair.client.feed(bytes.substr(0, 0), TimePoint{}).left == 0);
}

TEST_CASE("the server's name is told, an address is not") {
  struct Case {
    const char* name;
    const char* told;
  };
  for (const Case& c : {Case{"server.example", "server.example"}, Case{"127.0.0.1", ""}, Case{"::1", ""}}) {
    CAPTURE(c.name);
    TlsFixture fixture;
    const Certificate certificate =
        make_certificate({.alternative_names = "DNS:server.example,IP:127.0.0.1,IP:::1", .issuer = &authority()});
    const TlsServerContext context({.certificate = &certificate});
    SessionPair pair(fixture, context, c.name);
    pair.talk();
    CHECK(pair.client.state() == State::Open);
    CHECK(pair.server.server_name() == c.told);
  }
}

TEST_CASE("a name that TLS cannot have fails, rather than that nothing is verified") {
  TlsFixture fixture;
  const TlsServerContext context;
  for (const std::string& name : {std::string(), std::string(300, 'x'), std::string("server.example\0.org", 19)}) {
    for (const bool verify : {true, false}) {
      CAPTURE(name);
      fixture.settings.verify = verify;
      SessionPair pair(fixture, context, name);
      CHECK(pair.client.state() == State::Failed);
      CHECK(pair.failure().kind == TlsFailure::Kind::Protocol);
    }
  }
}

}  // namespace
}  // namespace keepwarm::net::test
