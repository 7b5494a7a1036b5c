#include <array>
#include <chrono>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include <doctest/doctest.h>

#include "core/net/tcp_stream.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

// What TCP tells of the bytes that were written, and what it is told to do about a peer that is gone.

namespace keepwarm::net::test {
namespace {

using namespace std::chrono_literals;

struct Nobody final : StreamEvents {
  void on_bytes(std::string_view) override {}
  void on_end() override { ended = true; }
  void on_broken(int error) override { broken = error; }
  void on_drained() override {}

  bool ended = false;
  int broken = 0;
};

/// A stream that has been connected, and the plain socket at its other end.
struct TcpPathFixture : LoopFixture {
  TcpPathFixture() {
    Listening listening(literal("127.0.0.1"));
    Fd near = connect_to(listening.address());
    peer = listening.accept();
    REQUIRE(peer.valid());
    stream = TcpStream::adopt(loop, near.release());
    REQUIRE(stream);
    stream->set_events(events);
    stream->resume_reading();
  }

  SendState state() {
    const auto state = stream->path().send_state();
    REQUIRE(state);
    return *state;
  }
  /// From here on its kernel drops all that comes.
  void deafen_peer() {
    sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &drop};
    REQUIRE(::setsockopt(peer.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
  }
  void run_until_acknowledged(std::uint64_t size) {
    std::array<char, 65536> buffer{};
    const TimePoint give_up = Loop::now() + kPatience;
    do {
      REQUIRE(Loop::now() < give_up);
      turn();
      while (::recv(peer.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) continue;
    } while (state().acknowledged < size);
  }

  Fd peer;
  Nobody events;
  std::unique_ptr<TcpStream> stream;
};

int option(const TcpStream& stream, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  REQUIRE(::getsockopt(stream.fd(), level, name, &value, &size) == 0);
  return value;
}

}  // namespace

TEST_CASE("what the peer's kernel took is acknowledged, to the byte") {
  TcpPathFixture fixture;
  CHECK(fixture.stream->path().written_bytes() == 0);
  CHECK(fixture.state().acknowledged == 0);
  std::uint64_t written = 0;
  for (const std::size_t size : {1U, 5000U, 70000U}) {
    REQUIRE(write_all(*fixture.stream, std::string(size, 'x')) == WriteResult::Done);
    written += size;
    CHECK(fixture.stream->path().written_bytes() == written);
    fixture.run_until_acknowledged(written);
    CHECK(fixture.state().acknowledged == written);
  }
}

TEST_CASE("several pieces count as what they are in all") {
  TcpPathFixture fixture;
  const std::array<std::string_view, 3> pieces = {"one", "", "three"};
  REQUIRE(fixture.stream->write(pieces) == WriteResult::Done);
  CHECK(fixture.stream->path().written_bytes() == 8);
}

TEST_CASE("what is queued counts as written, and is acknowledged once the peer reads") {
  TcpPathFixture fixture;
  const std::string chunk(1000000, 'x');
  std::uint64_t written = 0;
  WriteResult result = WriteResult::Done;
  while (result == WriteResult::Done) {
    result = write_all(*fixture.stream, chunk);
    written += chunk.size();
    CHECK(fixture.stream->path().written_bytes() == written);
  }
  REQUIRE(result == WriteResult::Queued);
  REQUIRE(write_all(*fixture.stream, "behind it") == WriteResult::Queued);
  CHECK(fixture.stream->path().written_bytes() == written + 9);
  CHECK(fixture.state().acknowledged < written);
  fixture.run_until_acknowledged(written + 9);
  CHECK(fixture.state().acknowledged == written + 9);
}

TEST_CASE("what the peer's kernel never saw is not acknowledged, though the peer has ended") {
  TcpPathFixture fixture;
  REQUIRE(write_all(*fixture.stream, "heard") == WriteResult::Done);
  fixture.run_until_acknowledged(5);
  fixture.deafen_peer();
  REQUIRE(write_all(*fixture.stream, "unheard") == WriteResult::Done);
  CHECK_FALSE(fixture.state().peer_ended);
  fixture.peer = Fd();
  fixture.run_until([&] { return fixture.events.ended; });
  CHECK(fixture.state().acknowledged == 5);
  CHECK(fixture.state().peer_ended);
  CHECK(fixture.stream->path().written_bytes() == 12);
}

TEST_CASE("the least round trip is known, and no longer than what is usual") {
  TcpPathFixture fixture;
  REQUIRE(write_all(*fixture.stream, "x") == WriteResult::Done);
  fixture.run_until_acknowledged(1);
  const SendState state = fixture.state();
  CHECK(state.min_round_trip > 0us);
  CHECK(state.min_round_trip <= state.round_trip.bound());
}

TEST_CASE("the send state is of the time at which it is asked for, and not of the event that it is asked in") {
  TcpPathFixture fixture;
  const TimePoint began = Loop::event_time();
  while (Loop::now() == began) {
  }
  const TimePoint before = Loop::now();
  const TimePoint taken_at = fixture.state().taken_at;
  CHECK(taken_at >= before);
  CHECK(taken_at <= Loop::now());
}

TEST_CASE("TLS counts what TCP carries") {
  TlsStreamFixture fixture;
  fixture.start_secured();
  const std::uint64_t handshake = fixture.stream->path().written_bytes();
  CHECK(handshake == fixture.peer->received);
  REQUIRE(write_all(*fixture.stream, "ping") == WriteResult::Done);
  fixture.pump_until([&] { return fixture.peer->tls.got == "ping"; });
  CHECK(fixture.stream->path().written_bytes() > handshake + 4);
  CHECK(fixture.stream->path().written_bytes() == fixture.peer->received);
  REQUIRE(fixture.stream->path().send_state());
  fixture.pump_until([&] { return fixture.stream->path().send_state()->acknowledged >= fixture.peer->received; });
  CHECK(fixture.stream->path().send_state()->acknowledged == fixture.peer->received);
}

TEST_CASE("of a unix socket nothing is known") {
  LoopFixture fixture;
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const Fd far(ends[1]);
  const auto stream = TcpStream::adopt(fixture.loop, ends[0]);
  REQUIRE(stream);
  REQUIRE(write_all(*stream, "x") == WriteResult::Done);
  CHECK_FALSE(stream->path().send_state());
}

TEST_CASE("an idle connection is probed, so that a peer that died is noticed within 30 s") {
  TcpPathFixture fixture;
  fixture.stream->path().enable_keepalive();
  const TcpStream& stream = *fixture.stream;
  CHECK(option(stream, SOL_SOCKET, SO_KEEPALIVE) == 1);
  const int first = option(stream, IPPROTO_TCP, TCP_KEEPIDLE);
  const int interval = option(stream, IPPROTO_TCP, TCP_KEEPINTVL);
  const int count = option(stream, IPPROTO_TCP, TCP_KEEPCNT);
  CHECK(first >= 10);  // a probe is a packet: not for those that lapse soon anyway
  CHECK(count >= 2);   // one may be lost
  CHECK(first + interval * count <= 30);
  CHECK(option(stream, IPPROTO_TCP, TCP_USER_TIMEOUT) == 0);  // would take the place of the count
}

TEST_CASE("a limit for what is not acknowledged breaks the connection") {
  TcpPathFixture fixture;
  fixture.deafen_peer();
  REQUIRE(write_all(*fixture.stream, "unheard") == WriteResult::Done);
  fixture.stream->path().limit_unacknowledged(1ms);
  fixture.run_until([&] { return fixture.events.broken != 0; });
  CHECK(fixture.events.broken == -ETIMEDOUT);
}

TEST_CASE("a limit that the kernel cannot hold is the longest that it can") {
  TcpPathFixture fixture;
  fixture.stream->path().limit_unacknowledged(5min);
  CHECK(option(*fixture.stream, IPPROTO_TCP, TCP_USER_TIMEOUT) == 300000);
  fixture.stream->path().limit_unacknowledged(std::chrono::hours(8760));
  CHECK(option(*fixture.stream, IPPROTO_TCP, TCP_USER_TIMEOUT) == 2147483647);
  fixture.stream->path().limit_unacknowledged(1us);
  CHECK(option(*fixture.stream, IPPROTO_TCP, TCP_USER_TIMEOUT) == 1);  // 0 would be none
}

}  // namespace keepwarm::net::test
