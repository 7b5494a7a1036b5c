#include "core/net/endpoint.h"

#include <cstddef>
#include <cstring>
#include <string>

#include <doctest/doctest.h>

#include "tests/unit/net/unix_fixture.h"

namespace keepwarm::net::test {
namespace {

TEST_CASE("a place of the configuration becomes an endpoint") {
  struct Case {
    const char* text;
    int family;
  };
  const Case cases[] = {{"127.0.0.1:3128", AF_INET},
                        {"[::1]:0", AF_INET6},
                        {"10.0.0.1:80", AF_INET},
                        {"unix:/run/x.sock", AF_UNIX},
                        {"unix:/run/x:80", AF_UNIX}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const Endpoint endpoint = ListenAddress::parse(c.text).value();
    CHECK(endpoint.text() == c.text);
    CHECK(endpoint.address().family() == c.family);
    CHECK(endpoint.is_unix() == (c.family == AF_UNIX));
    CHECK(endpoint.path().empty() == (c.family != AF_UNIX));
  }
  CHECK(Endpoint(ListenAddress::parse("[::1]:80").value()) == Endpoint(literal("::1", 80)));
  CHECK(Endpoint(ListenAddress::parse("unix:/a").value()) == Endpoint::unix_path("/a"));
}

TEST_CASE("two paths are two endpoints, and neither is an address") {
  CHECK_FALSE(Endpoint::unix_path("/a") == Endpoint::unix_path("/b"));
  CHECK_FALSE(Endpoint::unix_path("/a") == Endpoint(literal("127.0.0.1", 80)));
  CHECK_FALSE(Endpoint(literal("127.0.0.1", 80)) == Endpoint(literal("127.0.0.1", 81)));
}

TEST_CASE("an endpoint tells what a socket is bound to") {
  const TempFolder folder;
  const Fd path = bind_to_path(folder / "x.sock");
  CHECK(Endpoint::bound_to(path.get()) == Endpoint::unix_path(folder / "x.sock"));

  const std::string longest = folder / std::string(107 - (folder / "").size(), 'x');
  const Fd at_longest = bind_to_path(longest);
  CHECK(Endpoint::bound_to(at_longest.get()).path() == longest);

  Fd abstract = unix_socket();
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string text = "keepwarm-test-" + (folder / "");
  text.copy(name.sun_path + 1, text.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  REQUIRE(::bind(abstract.get(), reinterpret_cast<const sockaddr*>(&name), size) == 0);
  CHECK(Endpoint::bound_to(abstract.get()).text() == "unix:@" + text);

  const Fd unnamed = unix_socket();
  CHECK(Endpoint::bound_to(unnamed.get()).is_unix());
  const Listening tcp(literal("127.0.0.1"));
  const Fd client = connect_to(tcp.address());
  CHECK(Endpoint::bound_to(client.get()) == Endpoint(local_address_of(client.get())));
  CHECK(Endpoint::bound_to(-1) == Endpoint(SocketAddress()));
}

}  // namespace
}  // namespace keepwarm::net::test
