#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/connector.h"
#include "core/net/stream.h"
#include "tests/unit/net/unix_fixture.h"

namespace keepwarm::net::test {
namespace {

struct Filter final : AddressFilter {
  Verdict verdict(const SocketAddress&) const override {
    FAIL("only an address is asked for a verdict");
    return Verdict::Denied;
  }
  bool is_own_unix_path(std::string_view path) const override { return path == own; }
  std::string own;
};

struct UnixConnectRecorder final : ConnectEvents {
  void on_connected(Connected c) override {
    connected = std::move(c);
    final_event();
  }
  void on_connect_failed(const ConnectFailure& f) override {
    failure = f;
    final_event();
  }
  void on_addresses(std::span<const SocketAddress>) override { FAIL("a path has no addresses"); }
  void final_event() {
    ++final_events;
    CHECK_FALSE(inside_start);
    if (then) then();
  }

  std::function<void()> then;
  std::optional<Connected> connected;
  std::optional<ConnectFailure> failure;
  int final_events = 0;
  bool inside_start = false;
};

struct UnixConnectorFixture : LoopFixture {
  void start(Duration timeout = 10s) {
    events.inside_start = true;
    connector.start_unix(path, timeout);
    events.inside_start = false;
  }
  void run(Duration timeout = 10s) {
    start(timeout);
    wait();
  }
  void wait() {
    run_until([&] { return events.final_events > 0; });
    turn();  // nothing may follow
    CHECK(events.final_events == 1);
  }
  void check_failed(ConnectFailure::Kind kind, int error) {
    REQUIRE(events.failure);
    CHECK(events.failure->kind == kind);
    CHECK(events.failure->error == error);
    CHECK(events.failure->address == SocketAddress::unix_socket());
  }

  TempFolder folder;
  std::string path = folder / "app.sock";
  Filter filter;
  UnixConnectRecorder events;
  Resolver resolver{loop, {.ttl = 1h, .negative_ttl = 1h}, [](const std::string&) { return LookupAnswer{}; }};
  std::optional<Connector> holder{std::in_place, loop, resolver, filter, events};
  Connector& connector = *holder;
};

struct StreamRecorder final : StreamEvents {
  void on_bytes(std::string_view bytes) override { received += bytes; }
  void on_end() override { ended = true; }
  void on_broken(int error) override { broken = error; }
  void on_drained() override { drained = true; }

  std::string received;
  bool ended = false;
  bool drained = false;
  int broken = 0;
};

/// Both ends of a connection over a path: `ours` is the connector's, `theirs` a plain socket.
struct Connection : UnixConnectorFixture {
  explicit Connection(int flags = 0) : listening(listen_on_path(path)) {
    run();
    REQUIRE(events.connected);
    ours = std::move(events.connected->stream);
    ours->set_events(stream_events);
    ours->resume_reading();
    theirs = Fd(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC | flags));
    REQUIRE(theirs.valid());
  }
  Fd listening;
  StreamRecorder stream_events;
  std::unique_ptr<TcpStream> ours;
  Fd theirs;
};

TEST_CASE("a path is connected to, and its address is called unix") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path);
  fixture.run();
  REQUIRE(fixture.events.connected);
  CHECK(fixture.events.connected->address == SocketAddress::unix_socket());
  CHECK(fixture.events.connected->dns == Duration::zero());
  const int fd = fixture.events.connected->stream->fd();
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("a time limit of nothing still allows one try") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path);
  fixture.run(0s);
  CHECK(fixture.events.connected);
}

TEST_CASE("a path where nobody listens is refused with the reason") {
  UnixConnectorFixture fixture;
  int error = 0;
  SUBCASE("nothing is there") {
    error = UV_ENOENT;
  }
  SUBCASE("what is left of one who listened") {
    listen_on_path(fixture.path);
    error = UV_ECONNREFUSED;
  }
  SUBCASE("a file") {
    std::ofstream(fixture.path) << "x";
    error = UV_ECONNREFUSED;
  }
  SUBCASE("a file in place of its folder") {
    std::ofstream(fixture.path) << "x";
    fixture.path += "/app.sock";
    error = UV_ENOTDIR;
  }
  fixture.run();
  fixture.check_failed(ConnectFailure::Kind::Refused, error);
}

TEST_CASE("a socket that we may not write to is refused with the reason") {
  if (::geteuid() == 0) return;  // root may always
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path);
  std::filesystem::permissions(fixture.path, std::filesystem::perms::none);
  fixture.run();
  fixture.check_failed(ConnectFailure::Kind::Refused, UV_EACCES);
}

TEST_CASE("a socket of another kind is no upstream") {
  UnixConnectorFixture fixture;
  const Fd datagrams(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = unix_address(fixture.path);
  REQUIRE(::bind(datagrams.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  fixture.run();
  fixture.check_failed(ConnectFailure::Kind::Other, UV_EPROTOTYPE);
}

TEST_CASE("a path that is too long for a socket is told, not cut") {
  UnixConnectorFixture fixture;
  const Fd listening =
      listen_on_path(fixture.path = fixture.folder / std::string(107 - (fixture.folder / "").size(), 'x'));
  fixture.path += 'x';
  fixture.run();
  fixture.check_failed(ConnectFailure::Kind::Other, UV_ENAMETOOLONG);
}

TEST_CASE("one of our own listeners is not connected to") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path);
  fixture.filter.own = fixture.path;
  fixture.run();
  fixture.check_failed(ConnectFailure::Kind::Ourselves, 0);
  CHECK(::accept(listening.get(), nullptr, nullptr) == -1);
}

TEST_CASE("while the backlog is full it tries again") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path, 0);
  const Fd first = connect_to_path(fixture.path);
  fixture.start();
  for (int i = 0; i < 3; ++i) uv_run(&fixture.loop.uv(), UV_RUN_ONCE);
  CHECK(fixture.events.final_events == 0);
  const Fd made_room(::accept(listening.get(), nullptr, nullptr));
  fixture.wait();
  REQUIRE(fixture.events.connected);
  CHECK(fixture.events.connected->connect >= Connector::kUnixRetryAfter);
}

TEST_CASE("a backlog that stays full is a timeout, at the time limit") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path, 0);
  const Fd first = connect_to_path(fixture.path);
  const TimePoint began = Loop::now();
  fixture.run(35ms);
  fixture.check_failed(ConnectFailure::Kind::Timeout, UV_ETIMEDOUT);
  CHECK(Loop::now() - began >= 35ms);
}

TEST_CASE("a lack of descriptors is our own shortage") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path);
  fixture.turn();
  fixture.start();
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  fixture.turn();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  fixture.wait();
  fixture.check_failed(ConnectFailure::Kind::OutOfDescriptors, UV_EMFILE);
}

TEST_CASE("a connector to a path may be destroyed at any moment") {
  UnixConnectorFixture fixture;
  const Fd listening = listen_on_path(fixture.path, 0);
  SUBCASE("before the first try") {
    fixture.start();
  }
  SUBCASE("between two tries") {
    const Fd first = connect_to_path(fixture.path);
    fixture.start();
    fixture.turn();
  }
  SUBCASE("inside the event of its success") {
    fixture.events.then = [&] { fixture.holder.reset(); };
    fixture.run();
    return;
  }
  SUBCASE("inside the event of its failure") {
    std::filesystem::remove(fixture.path);
    fixture.events.then = [&] { fixture.holder.reset(); };
    fixture.run();
    return;
  }
  fixture.holder.reset();
  fixture.turn();
  CHECK(fixture.events.final_events == 0);
}

TEST_CASE("a stream over a unix socket carries bytes both ways, and half-closes") {
  Connection connection;
  REQUIRE(write_all(*connection.ours, "hello") == WriteResult::Done);
  connection.ours->finish_writing();
  char buffer[16] = {};
  CHECK(::read(connection.theirs.get(), buffer, sizeof buffer) == 5);
  CHECK(::read(connection.theirs.get(), buffer, sizeof buffer) == 0);
  CHECK(connection.ours->check_idle_alive());
  REQUIRE(::write(connection.theirs.get(), "world", 5) == 5);
  connection.run_until([&] { return connection.stream_events.received == "world"; });
  connection.theirs = Fd();
  connection.run_until([&] { return connection.stream_events.ended; });
  CHECK(connection.stream_events.broken == 0);
}

TEST_CASE("a look at a unix socket sees bytes and the end") {
  Connection connection;
  CHECK(connection.ours->check_idle_alive());
  SUBCASE("bytes") {
    REQUIRE(::write(connection.theirs.get(), "x", 1) == 1);
  }
  SUBCASE("the end") {
    connection.theirs = Fd();
  }
  CHECK_FALSE(connection.ours->check_idle_alive());
}

TEST_CASE("what a unix peer does not take is queued, counted, and told when it has gone") {
  Connection connection(SOCK_NONBLOCK);
  const std::string much(4U << 20U, 'x');
  REQUIRE(write_all(*connection.ours, much) == WriteResult::Queued);
  CHECK(connection.ours->queued_bytes() > 0);
  const std::size_t before = connection.ours->unacknowledged_bytes();
  CHECK(before > connection.ours->queued_bytes());
  std::size_t got = 0;
  std::vector<char> buffer(1U << 16U);
  connection.run_until([&] {
    for (ssize_t n = 1; n > 0;) {
      n = ::read(connection.theirs.get(), buffer.data(), buffer.size());
      if (n > 0) got += static_cast<std::size_t>(n);
    }
    return got == much.size() && connection.stream_events.drained;
  });
  CHECK(connection.ours->queued_bytes() == 0);
  CHECK(connection.ours->unacknowledged_bytes() == 0);
}

TEST_CASE("what only TCP has is missing without harm on a unix socket") {
  Connection connection;
  CHECK(connection.ours->path().round_trip().bound() == Duration::zero());
  connection.ours->path().acknowledge_now();
  connection.ours->reset_on_close();
  connection.ours.reset();
  char byte = 0;
  CHECK(::read(connection.theirs.get(), &byte, 1) == 0);  // a clean end: there is no other
}

TEST_CASE("a unix peer that leaves bytes unread breaks the stream") {
  Connection connection;
  REQUIRE(write_all(*connection.ours, "unread") == WriteResult::Done);
  connection.theirs = Fd();
  connection.run_until([&] { return connection.stream_events.broken != 0; });
  CHECK(connection.stream_events.broken == UV_ECONNRESET);
  CHECK(write_all(*connection.ours, "more") == WriteResult::Failed);
}

TEST_CASE("an accepted unix socket is taken over like any other") {
  LoopFixture fixture;
  int ends[2] = {-1, -1};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  const Fd theirs(ends[1]);
  StreamRecorder events;
  const auto stream = TcpStream::adopt(fixture.loop, ends[0], events);
  REQUIRE(stream);
  stream->resume_reading();
  REQUIRE(::write(theirs.get(), "hi", 2) == 2);
  fixture.run_until([&] { return events.received == "hi"; });
}

}  // namespace
}  // namespace keepwarm::net::test
