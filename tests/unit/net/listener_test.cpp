#include "core/net/listener.h"

#include <functional>
#include <memory>
#include <netinet/tcp.h>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

namespace keepwarm::net::test {
namespace {

struct AcceptRecorder final : AcceptEvents {
  void on_accepted(int fd, const SocketAddress& peer) override {
    accepted.emplace_back(fd);
    peers.push_back(peer);
    if (then) then();
  }
  std::function<void()> then;
  std::vector<Fd> accepted;
  std::vector<SocketAddress> peers;
};

struct ListenerFixture : LoopFixture {
  explicit ListenerFixture(const char* host = "127.0.0.1") {
    auto opened = Listener::open(loop, literal(host), events, [this] { return has_capacity; });
    REQUIRE(opened);
    listener = std::move(*opened);
  }
  AcceptRecorder events;
  bool has_capacity = true;
  std::unique_ptr<Listener> listener;
};

TEST_CASE("a listener tells each connection with its peer, non-blocking and without Nagle's delay") {
  for (const char* host : {"127.0.0.1", "::1"}) {
    CAPTURE(host);
    ListenerFixture fixture(host);
    CHECK(fixture.listener->endpoint().address().port() != 0);
    const std::vector<Fd> clients = connect_to(fixture.listener->endpoint().address(), 5);
    fixture.run_until([&] { return fixture.events.accepted.size() == 5; });
    for (std::size_t i = 0; i < 5; ++i) {
      const int fd = fixture.events.accepted[i].get();
      CHECK(fixture.events.peers[i] == local_address_of(clients[i].get()));
      CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
      CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
      int nodelay = 0;
      socklen_t size = sizeof nodelay;
      REQUIRE(::getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &nodelay, &size) == 0);
      CHECK(nodelay != 0);
    }
  }
}

TEST_CASE("clients of an address that other machines can reach are asked for signs of life") {
  for (const bool reachable : {true, false}) {
    CAPTURE(reachable);
    ListenerFixture fixture(reachable ? "0.0.0.0" : "127.0.0.1");
    const Fd client = connect_to(literal("127.0.0.1", fixture.listener->endpoint().address().port()));
    fixture.run_until([&] { return !fixture.events.accepted.empty(); });
    int keepalive = 0;
    socklen_t size = sizeof keepalive;
    REQUIRE(::getsockopt(fixture.events.accepted[0].get(), SOL_SOCKET, SO_KEEPALIVE, &keepalive, &size) == 0);
    CHECK((keepalive != 0) == reachable);
  }
}

TEST_CASE("a port that is taken is told with its address") {
  ListenerFixture fixture;
  const auto second =
      Listener::open(fixture.loop, fixture.listener->endpoint().address(), fixture.events, [] { return true; });
  REQUIRE_FALSE(second);
  CHECK(second.failure().error == EADDRINUSE);
  CHECK(second.failure().message.find(fixture.listener->endpoint().address().text()) != std::string::npos);
}

TEST_CASE("the port is free as soon as the listener is destroyed") {
  ListenerFixture fixture;
  const SocketAddress address = fixture.listener->endpoint().address();
  fixture.listener.reset();
  const auto again = Listener::open(fixture.loop, address, fixture.events, [] { return true; });
  CHECK(again.ok());
}

TEST_CASE("only a listening socket is taken over") {
  LoopFixture fixture;
  AcceptRecorder events;
  Fd plain(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  CHECK_FALSE(Listener::adopt(fixture.loop, plain.get(), events, [] { return true; }).ok());

  Fd socket(::socket(AF_INET, SOCK_STREAM, 0));
  const SocketAddress any_port = literal("127.0.0.1");
  REQUIRE(::bind(socket.get(), any_port.get(), any_port.size()) == 0);
  REQUIRE(::listen(socket.get(), 16) == 0);
  const SocketAddress address = local_address_of(socket.get());
  const auto listener = Listener::adopt(fixture.loop, socket.release(), events, [] { return true; });
  REQUIRE(listener);
  CHECK(listener.value()->endpoint().address() == address);
  const Fd client = connect_to(address);
  fixture.run_until([&] { return events.accepted.size() == 1; });
}

TEST_CASE("without room connections wait in the kernel, and are accepted when there is room again") {
  ListenerFixture fixture;
  fixture.has_capacity = false;
  const Fd client = connect_to(fixture.listener->endpoint().address());
  fixture.turn();
  CHECK(fixture.events.accepted.empty());
  fixture.has_capacity = true;
  fixture.run_until([&] { return fixture.events.accepted.size() == 1; });
}

TEST_CASE("without descriptors the loop does not spin, and accepting goes on when they are back") {
  ListenerFixture fixture;
  const Fd client = connect_to(fixture.listener->endpoint().address());
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  // Only the retry's timer wakes the loop: each turn that waits takes as long.
  const TimePoint start = Loop::now();
  for (int i = 0; i < 3; ++i) uv_run(&fixture.loop.uv(), UV_RUN_ONCE);
  const Duration waited = Loop::now() - start;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(waited > Listener::kRetryAfter);
  CHECK(fixture.events.accepted.empty());
  fixture.run_until([&] { return fixture.events.accepted.size() == 1; });
}

TEST_CASE("a listener can be destroyed inside on_accepted") {
  ListenerFixture fixture;
  fixture.events.then = [&] { fixture.listener.reset(); };
  const std::vector<Fd> clients = connect_to(fixture.listener->endpoint().address(), 3);
  fixture.run_until([&] { return !fixture.listener; });
  fixture.turn();
  CHECK(fixture.events.accepted.size() == 1);
}

TEST_CASE("what the kernel has queued can be accepted before a listener closes") {
  ListenerFixture fixture;
  const std::vector<Fd> clients = connect_to(fixture.listener->endpoint().address(), 3);
  fixture.listener->accept_last();
  CHECK(fixture.events.accepted.size() == 3);
  fixture.listener.reset();
}

}  // namespace
}  // namespace keepwarm::net::test
