#pragma once

#include <array>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/tls/tls_stream.h"
#include "tests/unit/net/tls/tls_fixture.h"

/// A TlsStream on a real loop, and a server on the other end of its socket.
namespace keepwarm::net::test {

struct TlsRecorder final : StreamEvents, TlsHandshakeEvents {
  void on_secured() override { report(then_on_secured, ++secured); }
  void on_handshake_failed(const TlsFailure& why) override {
    failed.push_back(why);
    report(then_on_failed, 0);
  }
  void on_bytes(std::string_view bytes) override {
    chunks.push_back(bytes.size());
    report(then_on_bytes, got.append(bytes));
  }
  void on_end() override { report(then_on_end, ++ended); }
  void on_broken(int error) override { report(then_on_broken, broken.emplace_back(error)); }
  void on_drained() override { report(then_on_drained, ++drained); }

  std::function<void()> then_on_secured, then_on_failed, then_on_bytes, then_on_end, then_on_broken, then_on_drained;
  int secured = 0;
  std::vector<TlsFailure> failed;
  std::string got;
  std::vector<std::size_t> chunks;
  int ended = 0;
  std::vector<int> broken;
  int drained = 0;

  /// Everything but bytes, handshakes and drains.
  [[nodiscard]] bool over() const { return ended > 0 || !broken.empty(); }

 private:
  template <typename T>
  static void report(const std::function<void()>& then, const T&) {
    if (then) then();
  }
};

/// A TLS server on a socket, which does something only when it is pumped.
class TlsPeer {
 public:
  explicit TlsPeer(const TlsServerContext& context) : tls(context) {}

  /// Sends and takes what can be sent and taken now.
  void pump() {
    std::array<char, 65536> buffer{};
    ssize_t count = 0;
    while ((count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      received += static_cast<std::size_t>(count);
      tls.receive({buffer.data(), static_cast<std::size_t>(count)});
    }
    if (count == 0) closed = true;
    if (count < 0 && errno == ECONNRESET) reset = true;
    unsent += tls.take_output();
    if (unsent.empty()) return;
    const ssize_t sent = ::send(fd.get(), unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) unsent.erase(0, static_cast<std::size_t>(sent));
  }
  /// Bytes that are no TLS, or not of this server.
  void send_raw(std::string_view bytes) {
    REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  /// Takes what has come without looking at it, so that a close is no reset.
  void drain() {
    std::array<char, 65536> buffer{};
    while (::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT) > 0) continue;
  }
  void close() { fd = Fd(); }
  void send_reset() {
    const linger now{1, 0};
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    close();
  }

  Fd fd;
  TlsServer tls;
  std::size_t received = 0;  ///< of ciphertext
  bool closed = false, reset = false;
  std::string unsent;  ///< what the kernel did not take yet
};

/// Runs the loop of a fixture, and its `peer`, until `done` holds.
template <typename Fixture>
void pump_with_peer(Fixture& fixture, const std::function<bool()>& done) {
  const TimePoint give_up = Loop::now() + Fixture::kPatience;
  while (!done()) {
    if (Loop::now() >= give_up) FAIL("the awaited event did not come");
    uv_run(&fixture.loop.uv(), UV_RUN_NOWAIT);
    if (fixture.peer->fd.valid()) fixture.peer->pump();
  }
}

/// Lets everything happen with both that can happen at once.
template <typename Fixture>
void settle_with_peer(Fixture& fixture) {
  for (int i = 0; i < 5; ++i) {
    fixture.turn();
    if (fixture.peer->fd.valid()) fixture.peer->pump();
  }
}

struct TlsStreamFixture : TlsFixture {
  explicit TlsStreamFixture(TlsServerOptions options = {}) : server_context(std::move(options)) {
    events.then_on_secured = [this] {
      stream->set_events(events);
      stream->resume_reading();
    };
  }

  /// Begins another connection.
  void start(std::string_view name = "server.example") {
    stream.reset();
    peer.emplace(server_context);
    Listening listening(literal("127.0.0.1"));
    Fd near = connect_to(listening.address());
    peer->fd = listening.accept();
    REQUIRE(peer->fd.valid());
    const int on = 1;  // what is sent is on its way before a reset
    ::setsockopt(peer->fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto transport = TcpStream::adopt(loop, near.release(), nobody);
    REQUIRE(transport);
    stream = TlsStream::start(client, context(), std::move(transport), name, tickets, events);
  }
  /// Runs the loop and the server until `done` holds.
  void pump_until(const std::function<bool()>& done) { pump_with_peer(*this, done); }
  /// Lets everything happen that can happen at once.
  void settle() { settle_with_peer(*this); }
  void start_secured() {
    const int before = events.secured;
    start();
    pump_until([&] { return events.secured > before && peer->tls.secured; });
    settle();
  }
  void write_from_server(std::string_view bytes) {
    peer->tls.write(bytes);
    peer->pump();
  }

  TlsServerContext server_context;
  std::optional<TlsPeer> peer;
  TlsRecorder events;
  TlsRecorder nobody;
  std::unique_ptr<TlsStream> stream;
};

}  // namespace keepwarm::net::test
