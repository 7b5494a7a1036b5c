#include "core/pool/parent_tunnel.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::pool::test {
namespace {

using net::test::Fd;

constexpr std::string_view kYes = "HTTP/1.1 200 Connection established\r\n\r\n";

/// What it is told, in words; and what is to happen inside an event.
struct TunnelRecorder final : ParentTunnelEvents {
  void on_tunnel_open(std::unique_ptr<net::TcpStream> given, std::string behind) override {
    stream = std::move(given);
    early = std::move(behind);
    tell("open");
  }
  void on_tunnel_refused(std::uint16_t status, std::string schemes) override {
    tell("refused " + std::to_string(status) + (schemes.empty() ? "" : " " + schemes));
  }

  void tell(std::string what) {
    told.push_back(std::move(what));
    if (then) then();
  }

  std::vector<std::string> told;
  std::unique_ptr<net::TcpStream> stream;
  std::string early;
  std::function<void()> then;
};

/// Who has the stream once the tunnel is open.
struct User final : net::StreamEvents {
  void on_bytes(std::string_view bytes) override { got.append(bytes); }
  void on_end() override { ended = true; }
  void on_broken(int) override { ended = true; }
  void on_drained() override {}
  std::string got;
  bool ended = false;
};

/// A tunnel that is asked for, and the parent as a plain socket.
struct TunnelFixture : net::test::LoopFixture {
  explicit TunnelFixture(const http::HeadLimits& limits = {}) {
    net::test::Listening listening(net::test::literal("127.0.0.1"));
    Fd near = net::test::connect_to(listening.address());
    parent = listening.accept();
    REQUIRE(parent.valid());
    auto stream = net::TcpStream::adopt(loop, near.release(), user);
    REQUIRE(stream);
    tunnel = std::make_unique<ParentTunnel>(std::move(stream), limits, events);
  }
  void start(std::string_view authorization = {}, std::string_view via = {}) {
    tunnel->start("a.test:443", authorization, via);
  }
  void say(std::string_view bytes) const {
    REQUIRE(::send(parent.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// All that the parent has been sent so far; "<end>" behind it if that was all.
  [[nodiscard]] std::string heard() const {
    std::array<char, 4096> buffer{};
    std::string all;
    while (true) {
      const ssize_t count = ::recv(parent.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (count == 0) return all + "<end>";
      if (count < 0) return all;
      all.append(buffer.data(), static_cast<std::size_t>(count));
    }
  }
  /// What is told of an answer that comes in pieces of `size`, each read by itself.
  std::vector<std::string> answer(std::string_view bytes, std::size_t size = std::string_view::npos) {
    for (; !bytes.empty() && events.told.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
      say(bytes.substr(0, size));
      turn();
    }
    if (events.told.empty()) turn();
    return events.told;
  }

  Fd parent;
  TunnelRecorder events;
  User user;
  std::unique_ptr<ParentTunnel> tunnel;
};

using Told = std::vector<std::string>;

TEST_CASE("credentials become the value of Proxy-Authorization") {
  CHECK(basic_authorization("").empty());
  CHECK(basic_authorization("Aladdin:open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
  CHECK(basic_authorization("user:") == "Basic dXNlcjo=");
}

TEST_CASE("the request for a tunnel, byte for byte") {
  TunnelFixture fixture;
  SUBCASE("bare") {
    fixture.start();
    CHECK(fixture.heard() == "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n");
  }
  SUBCASE("with credentials and Via") {
    fixture.start("Basic eDp5", "1.0 fred, 1.1 me");
    CHECK(fixture.heard() ==
          "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\nProxy-Authorization: Basic eDp5\r\n"
          "Via: 1.0 fred, 1.1 me\r\n\r\n");
  }
  CHECK(fixture.events.told.empty());
}

TEST_CASE("what a parent's answer means, whole and byte by byte") {
  const std::string long_value(70000, 'x');
  struct Case {
    const char* name;
    std::string answer;
    const char* told;
  };
  const Case cases[] = {
      {"yes", std::string(kYes), "open"},
      {"HTTP/1.0", "HTTP/1.0 200 Connection established\r\nProxy-Agent: x\r\n\r\n", "open"},
      {"another 2xx", "HTTP/1.1 299 Odd\r\n\r\n", "open"},
      {"a length means nothing", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "open"},
      {"nor do chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "open"},
      {"nor do both, or lengths that are none",
       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: x\r\n\r\n", "open"},
      {"white space before a colon", "HTTP/1.1 200 OK\r\nProxy-Agent : x\r\nContent-Length : 5\r\n\r\n", "open"},
      {"odd framing of a refusal", "HTTP/1.1 403 No\r\nContent-Length: x\r\n\r\n", "refused 0"},
      {"interim responses first",
       "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" + std::string(kYes), "open"},
      {"another protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "refused 101"},
      {"a redirect", "HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", "refused 302"},
      {"credentials are asked for",
       "HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n",
       "refused 407 Negotiate, Basic"},
      {"forbidden", "HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\n", "refused 403"},
      {"credentials wanted", "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\n\r\n", "refused 407 Basic"},
      {"busy", "HTTP/1.1 503 Busy\r\n\r\n", "refused 503"},
      {"forbidden behind an interim response", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n\r\n", "refused 403"},
      {"no HTTP", "220 smtp.example.test\r\n", "refused 0"},
      {"a TLS server", "\x16\x03\x01", "refused 0"},
      {"a bare LF", "HTTP/1.1 200 OK\nX: y\n\n", "refused 0"},
      {"no field", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "refused 0"},
      {"too long", "HTTP/1.1 200 OK\r\nX: " + long_value, "refused 0"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.name);
    for (const std::size_t size : {std::string_view::npos, std::size_t{1}}) {
      if (size == 1 && each.answer.size() > 1000) continue;
      CAPTURE(size);
      TunnelFixture fixture;
      fixture.start();
      CHECK(fixture.answer(each.answer, size) == Told{each.told});
      CHECK((fixture.events.stream != nullptr) == (each.told == std::string("open")));
      CHECK(fixture.events.early.empty());
    }
  }
}

TEST_CASE("a head limit of the configuration holds") {
  TunnelFixture fixture({.max_size = 100, .max_fields = 10});
  fixture.start();
  CHECK(fixture.answer("HTTP/1.1 200 OK\r\nX: " + std::string(100, 'x') + "\r\n\r\n") == Told{"refused 0"});
}

TEST_CASE("hundreds of interim responses are borne, and a flood of them is not") {
  const auto interims = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "HTTP/1.1 103 Hints\r\n\r\n";
    return text;
  };
  TunnelFixture fixture;
  fixture.start();
  SUBCASE("hundreds") {
    CHECK(fixture.answer(interims(500) + std::string(kYes) + "early") == Told{"open"});
    CHECK(fixture.events.early == "early");
  }
  SUBCASE("a flood") {
    CHECK(fixture.answer(interims(5000) + std::string(kYes), 8192) == Told{"refused 0"});
  }
}

TEST_CASE("what comes behind the answer is the tunnel's, and what comes later goes to the next user") {
  TunnelFixture fixture;
  fixture.start();
  fixture.events.then = [&] { fixture.events.stream->set_events(fixture.user); };
  CHECK(fixture.answer(std::string(kYes) + "hello") == Told{"open"});
  CHECK(fixture.events.early == "hello");
  fixture.say(", world");
  fixture.run_until([&] { return fixture.user.got == ", world"; });
  fixture.parent = Fd();
  fixture.run_until([&] { return fixture.user.ended; });
  CHECK(fixture.events.told.size() == 1);
}

TEST_CASE("an end or a reset before the answer is a refusal without a status") {
  TunnelFixture fixture;
  fixture.start();
  SUBCASE("at once") {}
  SUBCASE("within the head") {
    fixture.say("HTTP/1.1 200 Conn");
    fixture.turn();
  }
  SUBCASE("behind an interim response") {
    fixture.say("HTTP/1.1 100 Continue\r\n\r\n");
    fixture.turn();
  }
  SUBCASE("reset") {
    const linger now{1, 0};
    ::setsockopt(fixture.parent.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  CHECK(fixture.events.told.empty());
  fixture.parent = Fd();
  fixture.run_until([&] { return !fixture.events.told.empty(); });
  CHECK(fixture.events.told == Told{"refused 0"});
}

TEST_CASE("a parent that is gone before it is asked is a refusal, and not inside start()") {
  TunnelFixture fixture;
  const linger now{1, 0};
  ::setsockopt(fixture.parent.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  fixture.parent = Fd();
  fixture.start();
  CHECK(fixture.events.told.empty());
  fixture.run_until([&] { return !fixture.events.told.empty(); });
  CHECK(fixture.events.told == Told{"refused 0"});
}

TEST_CASE("after a refusal nothing more is told, whatever comes") {
  TunnelFixture fixture;
  fixture.start();
  fixture.say("HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\n");
  fixture.run_until([&] { return !fixture.events.told.empty(); });
  SUBCASE("its body") {
    ::send(fixture.parent.get(), "sorry", 5, MSG_NOSIGNAL);
  }
  SUBCASE("its end") {
    fixture.parent = Fd();
  }
  SUBCASE("second thoughts") {
    ::send(fixture.parent.get(), kYes.data(), kYes.size(), MSG_NOSIGNAL);
  }
  fixture.turn();
  CHECK(fixture.events.told == Told{"refused 403"});
}

TEST_CASE("after a refusal its connection is closed") {
  TunnelFixture fixture;
  fixture.start();
  CHECK(fixture.answer("HTTP/1.1 403 Forbidden\r\n\r\n") == Told{"refused 403"});
  fixture.turn();
  CHECK(fixture.heard().ends_with("<end>"));
}

TEST_CASE("it may be destroyed inside either event, and before any") {
  TunnelFixture fixture;
  fixture.start();
  fixture.events.then = [&] { fixture.tunnel.reset(); };
  SUBCASE("open") {
    CHECK(fixture.answer(std::string(kYes) + "early") == Told{"open"});
    CHECK(fixture.events.early == "early");
    CHECK(net::write_all(*fixture.events.stream, "x") == net::WriteResult::Done);
  }
  SUBCASE("refused") {
    CHECK(fixture.answer("HTTP/1.1 403 Forbidden\r\n\r\n") == Told{"refused 403"});
  }
  SUBCASE("no HTTP") {
    CHECK(fixture.answer("garbage\r\n\r\n") == Told{"refused 0"});
  }
  SUBCASE("ended") {
    fixture.parent = Fd();
    fixture.run_until([&] { return !fixture.events.told.empty(); });
  }
  SUBCASE("before any, with half an answer read") {
    CHECK(fixture.answer("HTTP/1.1 200 Conn").empty());
    fixture.tunnel.reset();
    fixture.turn();
    CHECK(fixture.heard().ends_with("<end>"));
  }
  CHECK_FALSE(fixture.tunnel);
}

}  // namespace
}  // namespace keepwarm::pool::test
