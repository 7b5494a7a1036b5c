#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <new>
#include <poll.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>

#include <doctest/doctest.h>

#include "core/base/slab.h"
#include "core/net/mailbox.h"
#include "core/net/tcp_node.h"
#include "tests/unit/proxy/engine_fixture.h"

// Counts what the thread of an engine allocates: by operator new, and what libuv does. The sanitizers have an operator
// new of their own, and there are no slabs under them: nothing is counted then.

namespace keepwarm::proxy::test {
namespace {

std::atomic<bool> counting{false};
std::atomic<std::uint64_t> allocations{0};
thread_local bool is_counted = false;

void* counted(void* memory) noexcept {
  if (is_counted && counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  return memory;
}

/// libuv wants to know before its first use.
[[maybe_unused]] const int uv_allocator_replaced = uv_replace_allocator(
    [](std::size_t size) { return counted(std::malloc(size)); },
    [](void* old, std::size_t size) { return counted(std::realloc(old, size)); },
    [](std::size_t count, std::size_t size) { return counted(std::calloc(count, size)); }, std::free);

}  // namespace
}  // namespace keepwarm::proxy::test

#ifndef KEEPWARM_NO_SLABS
void* operator new(std::size_t size) {
  void* const memory = keepwarm::proxy::test::counted(std::malloc(size));
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
#endif

namespace keepwarm::proxy::test {
namespace {

using net::test::Fd;
using net::test::LoopFixture;

/// Waits for the peer, which is another thread.
void await(int fd) {
  pollfd ready{fd, POLLIN, 0};
  REQUIRE(::poll(&ready, 1, static_cast<int>(LoopFixture::kPatience.count())) == 1);
}

void send(const Fd& to, std::string_view bytes) {
  REQUIRE(::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
}

/// Reads until what was read ends so.
void receive_until(const Fd& from, std::string_view end) {
  std::array<char, 4096> buffer{};
  std::size_t got = 0;
  while (!std::string_view(buffer.data(), got).ends_with(end)) {
    await(from.get());
    const ssize_t count = ::recv(from.get(), buffer.data() + got, buffer.size() - got, 0);
    REQUIRE(count > 0);
    got += static_cast<std::size_t>(count);
  }
}

/// A message of each direction, and how one sees that it is whole.
struct Exchanged {
  const char* name;
  std::string_view method;
  std::string_view request_tail;  ///< behind the request line
  std::string_view request_end;
  std::string_view response;
  std::string_view response_end;
};

constexpr std::string_view kPlainResponse =
    "HTTP/1.1 200 OK\r\nServer: origin\r\nContent-Type: text/plain\r\nDate: Sat, 01 Jan 2000 00:00:00 GMT\r\n"
    "ETag: \"0123456789abcdef0123456789abcdef\"\r\nContent-Length: 26\r\n\r\nabcdefghijklmnopqrstuvwxyz";

const Exchanged kExchanges[] = {
    {"GET", "GET", "Host: h\r\nUser-Agent: a client of some name/1.0\r\nAccept: */*\r\n\r\n", "\r\n\r\n",
     kPlainResponse, "wxyz"},
    {"POST with a small body", "POST", "Host: h\r\nContent-Length: 30\r\n\r\n0123456789abcdefghij0123456789", "6789",
     kPlainResponse, "wxyz"},
    {"a chunked answer", "GET", "Host: h\r\n\r\n", "\r\n\r\n",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nabcdefghijklmnopqrst\r\n5\r\nuvwxy\r\n0\r\n\r\n",
     "0\r\n\r\n"},
    {"no content", "DELETE", "Host: h\r\n\r\n", "\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n", "\r\n\r\n"},
};

/// An engine on this thread; client and origin on another, which do everything one after the other.
class Bench {
 public:
  /// Runs `script` on the other thread and the engine on this one; what the engine's thread allocated while
  /// `counting`.
  std::uint64_t run(const std::function<void()>& script) {
    allocations = 0;
    std::atomic<bool> over{false};
    std::thread other([&] {
      script();
      counting = false;
      mailbox_.post([&over] { over = true; });
    });
    is_counted = true;
    proxy_.fixture.run_until([&over] { return over.load(); });
    is_counted = false;
    other.join();
    return allocations;
  }

  void connect() { client_ = net::test::connect_to(proxy_.address); }
  /// Returns when the client's session has ended, too: two of them at once need more than one.
  void leave() {
    ::shutdown(client_.get(), SHUT_WR);
    char byte = 0;
    await(client_.get());
    REQUIRE(::recv(client_.get(), &byte, 1, 0) == 0);
    client_ = Fd();
  }

  void exchange(const Exchanged& what) {
    std::array<char, 512> request{};
    const int size =
        std::snprintf(request.data(), request.size(), "%.*s http://127.0.0.1:%u/some/path?q=1 HTTP/1.1\r\n%.*s",
                      static_cast<int>(what.method.size()), what.method.data(), proxy_.origin.port(),
                      static_cast<int>(what.request_tail.size()), what.request_tail.data());
    send(client_, {request.data(), static_cast<std::size_t>(size)});
    if (!upstream_.valid()) {
      await(proxy_.origin.fd());
      upstream_ = proxy_.origin.accept();
    }
    receive_until(upstream_, what.request_end);
    send(upstream_, what.response);
    receive_until(client_, what.response_end);
  }

 private:
  EngineFixture proxy_;
  net::Mailbox mailbox_{proxy_.fixture.loop};
  Fd client_;
  Fd upstream_;
};

constexpr int kWarmUp = 20;
constexpr int kCounted = 500;

TEST_CASE("an exchange on kept-alive connections allocates nothing" * doctest::skip(!kSlabs)) {
  for (const Exchanged& what : kExchanges) {
    CAPTURE(what.name);
    Bench bench;
    CHECK(bench.run([&] {
      bench.connect();
      for (int i = 0; i < kWarmUp; ++i) bench.exchange(what);
      counting = true;
      for (int i = 0; i < kCounted; ++i) bench.exchange(what);
    }) == 0);
  }
}

TEST_CASE("a client that connects anew for each exchange costs no allocation either" * doctest::skip(!kSlabs)) {
  Bench bench;
  CHECK(bench.run([&] {
    for (int i = 0; i < kWarmUp + kCounted; ++i) {
      if (i == kWarmUp) counting = true;
      bench.connect();
      bench.exchange(kExchanges[0]);
      bench.leave();
    }
  }) == 0);
}

TEST_CASE("what lives by the thousand stays small") {
  CHECK(sizeof(ClientSession) <= 240);
  CHECK(sizeof(pool::Connection) <= 216);
  CHECK(sizeof(net::TcpStream) <= 16);
  CHECK(sizeof(net::TcpNode) <= sizeof(uv_tcp_t) + 40);
  CHECK(sizeof(Exchange) <= 832);
}

}  // namespace
}  // namespace keepwarm::proxy::test
