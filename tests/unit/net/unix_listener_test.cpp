#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/listener.h"
#include "core/net/unix_socket.h"
#include "tests/unit/net/unix_fixture.h"

namespace keepwarm::net::test {
namespace {

struct UnixAcceptRecorder final : AcceptEvents {
  void on_accepted(int fd, const SocketAddress& peer) override {
    accepted.emplace_back(fd);
    peers.push_back(peer);
    if (then) then();
  }
  std::function<void()> then;
  std::vector<Fd> accepted;
  std::vector<SocketAddress> peers;
};

struct UnixListenerFixture : LoopFixture {
  Result<std::unique_ptr<Listener>, ListenFailure> try_open(const std::string& at) {
    return Listener::open(loop, Endpoint::unix_path(at), events, [] { return true; });
  }
  void open() {
    auto opened = try_open(path);
    REQUIRE_MESSAGE(opened.ok(), opened.failure().message);
    listener = std::move(*opened);
  }
  [[nodiscard]] bool exists() const { return std::filesystem::exists(std::filesystem::symlink_status(path)); }

  TempFolder folder;
  std::string path = folder / "x.sock";
  UnixAcceptRecorder events;
  std::unique_ptr<Listener> listener;
};

TEST_CASE("a listener on a path accepts, and tells its peers as unix") {
  UnixListenerFixture fixture;
  fixture.open();
  CHECK(fixture.listener->endpoint().text() == "unix:" + fixture.path);
  const Fd client = connect_to_path(fixture.path);
  fixture.run_until([&] { return fixture.events.accepted.size() == 1; });
  CHECK(fixture.events.peers[0] == SocketAddress::unix_socket());
  const int fd = fixture.events.accepted[0].get();
  CHECK((::fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
  CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("everybody may connect to its file, whatever the umask is") {
  UnixListenerFixture fixture;
  const mode_t before = ::umask(0777);
  fixture.open();
  ::umask(before);
  CHECK((stat_of(fixture.path).st_mode & 07777) == 0666);
}

TEST_CASE("its file goes with it") {
  UnixListenerFixture fixture;
  fixture.open();
  REQUIRE(fixture.exists());
  fixture.listener.reset();
  CHECK_FALSE(fixture.exists());
}

TEST_CASE("a file that somebody put in its place stays") {
  UnixListenerFixture fixture;
  fixture.open();
  std::filesystem::remove(fixture.path);
  const Fd other = listen_on_path(fixture.path);
  fixture.listener->accept_last();
  CHECK(fixture.exists());
  fixture.listener.reset();
  CHECK(fixture.exists());
  connect_to_path(fixture.path);
}

TEST_CASE("before it closes its path is gone, and who was connected is accepted") {
  UnixListenerFixture fixture;
  fixture.open();
  const Fd first = connect_to_path(fixture.path);
  const Fd second = connect_to_path(fixture.path);
  bool existed = true;
  fixture.events.then = [&] { existed = fixture.exists(); };
  fixture.listener->accept_last();
  CHECK(fixture.events.accepted.size() == 2);
  CHECK_FALSE(existed);
  // A new one in the same place is not taken for the old one's.
  const Fd next = listen_on_path(fixture.path);
  fixture.listener.reset();
  CHECK(fixture.exists());
}

TEST_CASE("a socket that nobody listens on any more is replaced") {
  UnixListenerFixture fixture;
  listen_on_path(fixture.path);  // and closed at once: its file stays
  REQUIRE(fixture.exists());
  fixture.open();
  const Fd client = connect_to_path(fixture.path);
  fixture.run_until([&] { return fixture.events.accepted.size() == 1; });
}

TEST_CASE("a socket on which somebody listens is left to him") {
  UnixListenerFixture fixture;
  std::optional<Fd> client;
  const auto check_in_use = [&] {
    const ino_t before = stat_of(fixture.path).st_ino;
    const auto opened = fixture.try_open(fixture.path);
    REQUIRE_FALSE(opened);
    CHECK(opened.failure().error == EADDRINUSE);
    CHECK(opened.failure().message == "unix:" + fixture.path + ": Address already in use");
    CHECK(opened.failure().endpoint == Endpoint::unix_path(fixture.path));
    CHECK(stat_of(fixture.path).st_ino == before);
  };
  SUBCASE("he has room") {
    const Fd other = listen_on_path(fixture.path);
    check_in_use();
  }
  SUBCASE("his backlog is full") {
    const Fd other = listen_on_path(fixture.path, 0);
    client = connect_to_path(fixture.path);
    check_in_use();
  }
  SUBCASE("it is ourselves") {
    fixture.open();
    check_in_use();
  }
  SUBCASE("it takes datagrams") {
    const Fd other(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = unix_address(fixture.path);
    REQUIRE(::bind(other.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    check_in_use();
  }
}

TEST_CASE("a socket that cannot be tried is left as it is") {
  UnixListenerFixture fixture;
  listen_on_path(fixture.path);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const int error = remove_stale_socket(fixture.path);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(error == EMFILE);
  CHECK(fixture.exists());
}

TEST_CASE("what is not a socket is left as it is") {
  UnixListenerFixture fixture;
  SUBCASE("a file") {
    std::ofstream(fixture.path) << "precious";
  }
  SUBCASE("a folder") {
    std::filesystem::create_directory(fixture.path);
  }
  SUBCASE("a link that leads nowhere") {
    std::filesystem::create_symlink("nowhere", fixture.path);
  }
  const ino_t before = stat_of(fixture.path).st_ino;
  const auto opened = fixture.try_open(fixture.path);
  REQUIRE_FALSE(opened);
  CHECK(opened.failure().message == "unix:" + fixture.path + ": a file is there that is not a socket");
  CHECK(stat_of(fixture.path).st_ino == before);
}

TEST_CASE("why a path cannot be had is told") {
  UnixListenerFixture fixture;
  struct Case {
    std::string path;
    int error;
  };
  std::ofstream(fixture.folder / "file") << "x";
  const Case cases[] = {{fixture.folder / "nothing/x.sock", ENOENT},
                        {fixture.folder / "file/x.sock", ENOTDIR},
                        {fixture.folder / std::string(108, 'x'), ENAMETOOLONG}};
  for (const Case& c : cases) {
    CAPTURE(c.path);
    const auto opened = fixture.try_open(c.path);
    REQUIRE_FALSE(opened);
    CHECK(opened.failure().error == c.error);
    CHECK(opened.failure().message.starts_with("unix:" + c.path + ": "));
  }
}

TEST_CASE("the file of a socket that was passed to us stays") {
  UnixListenerFixture fixture;
  auto adopted =
      Listener::adopt(fixture.loop, listen_on_path(fixture.path).release(), fixture.events, [] { return true; });
  REQUIRE(adopted);
  fixture.listener = std::move(*adopted);
  CHECK(fixture.listener->endpoint() == Endpoint::unix_path(fixture.path));
  const Fd client = connect_to_path(fixture.path);
  fixture.run_until([&] { return fixture.events.accepted.size() == 1; });
  CHECK(fixture.events.peers[0] == SocketAddress::unix_socket());
  fixture.listener->accept_last();
  fixture.listener.reset();
  CHECK(fixture.exists());
}

}  // namespace
}  // namespace keepwarm::net::test
