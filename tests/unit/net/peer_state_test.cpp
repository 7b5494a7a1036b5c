#include <array>
#include <string_view>
#include <sys/socket.h>

#include <doctest/doctest.h>

#include "core/net/tcp_stream.h"
#include "tests/unit/net/net_fixture.h"

// What a stream knows of whoever is at its other end, from real sockets.

namespace keepwarm::net::test {
namespace {

struct Unheard final : StreamEvents {
  void on_bytes(std::string_view) override {}
  void on_end() override {}
  void on_broken(int) override {}
  void on_drained() override {}
};

/// A stream that was accepted, and the socket of its client.
struct AcceptedFixture : LoopFixture {
  void connect(const SocketAddress& at) {
    Listening listening(at);
    client = connect_to(listening.address());
    adopt(listening.accept());
  }
  void connect_unix() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client = Fd(ends[0]);
    adopt(Fd(ends[1]));
  }
  void adopt(Fd accepted) {
    stream = TcpStream::adopt(loop, accepted.release(), events);
    REQUIRE(stream);
  }
  PeerState state() { return stream->path().peer_state(); }

  Fd client;
  Unheard events;
  std::unique_ptr<TcpStream> stream;
};

struct PeerKind {
  const char* name;
  void (*connect)(AcceptedFixture&);
};
const PeerKind kPeerKinds[] = {
    {"IPv4", [](AcceptedFixture& fixture) { fixture.connect(literal("127.0.0.1")); }},
    {"IPv6", [](AcceptedFixture& fixture) { fixture.connect(literal("::1")); }},
    {"unix", [](AcceptedFixture& fixture) { fixture.connect_unix(); }},
};

}  // namespace

TEST_CASE("a peer is present while a process has its socket, half-closed or not") {
  for (const PeerKind& kind : kPeerKinds) {
    CAPTURE(kind.name);
    AcceptedFixture fixture;
    kind.connect(fixture);
    CHECK_FALSE(fixture.state().ended);
    CHECK(fixture.state().presence == PeerPresence::Present);
    REQUIRE(::shutdown(fixture.client.get(), SHUT_WR) == 0);
    CHECK(fixture.state().ended);
    CHECK(fixture.state().presence == PeerPresence::Present);
  }
}

TEST_CASE("a peer is gone once its socket is closed, or closed to reading") {
  for (const PeerKind& kind : kPeerKinds) {
    for (const int how : {0, 1, 2, 3}) {
      CAPTURE(kind.name);
      CAPTURE(how);
      AcceptedFixture fixture;
      kind.connect(fixture);
      if (how == 1) ::shutdown(fixture.client.get(), SHUT_WR);
      if (how == 2) {
        ::shutdown(fixture.client.get(), SHUT_RDWR);
      } else {
        fixture.client = Fd();
      }
      CHECK(fixture.state().ended);
      CHECK(fixture.state().presence == PeerPresence::Gone);
    }
  }
}

TEST_CASE("a peer that has sent more than is read is gone when it is closed, though its FIN cannot come") {
  AcceptedFixture fixture;
  fixture.connect(literal("127.0.0.1"));
  const std::string bytes(1 << 20, 'x');
  while (::send(fixture.client.get(), bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) continue;
  CHECK(fixture.state().presence == PeerPresence::Present);
  fixture.client = Fd();
  CHECK_FALSE(fixture.state().ended);
  CHECK(fixture.state().presence == PeerPresence::Gone);
}

TEST_CASE("a peer that has reset the connection is gone, even after its end was read") {
  for (const bool half_closed : {false, true}) {
    AcceptedFixture fixture;
    fixture.connect(literal("127.0.0.1"));
    if (half_closed) {
      ::shutdown(fixture.client.get(), SHUT_WR);
      fixture.stream->resume_reading();
      fixture.turn();
    }
    const linger reset{1, 0};
    ::setsockopt(fixture.client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    fixture.client = Fd();
    CHECK(fixture.state().ended);
    CHECK(fixture.state().presence == PeerPresence::Gone);
  }
}

TEST_CASE("a socket that two processes have is present until both have closed it") {
  AcceptedFixture fixture;
  fixture.connect(literal("127.0.0.1"));
  Fd other(::dup(fixture.client.get()));
  ::shutdown(fixture.client.get(), SHUT_WR);
  fixture.client = Fd();
  CHECK(fixture.state().presence == PeerPresence::Present);
  other = Fd();
  CHECK(fixture.state().presence == PeerPresence::Gone);
}

TEST_CASE("a peer whose socket is bound to the loopback interface is found") {
  AcceptedFixture fixture;
  Listening listening(literal("127.0.0.1"));
  fixture.client = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  constexpr std::string_view kInterface = "lo";
  if (::setsockopt(fixture.client.get(), SOL_SOCKET, SO_BINDTODEVICE, kInterface.data(), kInterface.size()) != 0)
    return;
  REQUIRE(::connect(fixture.client.get(), listening.address().get(), listening.address().size()) == 0);
  fixture.adopt(listening.accept());
  CHECK(fixture.state().presence == PeerPresence::Present);
}

}  // namespace keepwarm::net::test
