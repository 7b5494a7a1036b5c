#include "core/policy/next_hop.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/policy/tunnel_limits.h"

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;

HostSettings with_upgrade() {
  HostSettings settings;
  settings.upgrade = true;
  return settings;
}
HostSettings with_connect_to(std::string_view address) {
  HostSettings settings;
  settings.connect_to = parse_connect_to(address).value();
  return settings;
}
HostSettings with_parent(std::string_view url) {
  HostSettings settings;
  settings.parent = parse_parent(url).value();
  return settings;
}

const OriginView kPlain{Scheme::Http, "www.example.com", 80};
const OriginView kSecure{Scheme::Https, "www.example.com", 443};

TEST_CASE("without settings the next hop is the origin") {
  const NextHop plain = next_hop(kPlain, {});
  CHECK(plain.via == NextHop::Via::Client);
  CHECK(plain.origin == Origin{Scheme::Http, "www.example.com", 80});
  CHECK(plain.host == "www.example.com");
  CHECK(plain.port == 80);
  CHECK_FALSE(plain.tls);
  CHECK_FALSE(plain.absolute_form());
  CHECK_FALSE(plain.parent_tunnel);

  const NextHop secure = next_hop(kSecure, {});
  CHECK(secure.port == 443);
  REQUIRE(secure.tls);
  CHECK(secure.tls->server_name == "www.example.com");
  CHECK(secure.tls->verify);
}

TEST_CASE("upgrade makes http https, and port 80 port 443") {
  const NextHop standard = next_hop(kPlain, with_upgrade());
  CHECK(standard.origin == Origin{Scheme::Https, "www.example.com", 443});
  CHECK(standard.port == 443);
  CHECK(standard.tls);
  const NextHop other = next_hop({Scheme::Http, "www.example.com", 8080}, with_upgrade());
  CHECK(other.origin == Origin{Scheme::Https, "www.example.com", 8080});
  CHECK(next_hop({Scheme::Https, "www.example.com", 80}, with_upgrade()).port == 80);
  CHECK_FALSE(tunnel_hop(kSecure, with_upgrade()).tls);
}

TEST_CASE("the settings of TLS go along, and server_name replaces the host") {
  HostSettings settings;
  settings.tls_verify = false;
  settings.tls_ca_file = "/ca.pem";
  settings.tls_client_certificate = "/c.pem";
  settings.tls_client_key = "/k.pem";
  CHECK(next_hop(kSecure, settings).tls == TlsTerms{false, "/ca.pem", "/c.pem", "/k.pem", "www.example.com"});
  settings.tls_server_name = "other.example";
  CHECK(next_hop(kSecure, settings).tls->server_name == "other.example");
  CHECK_FALSE(next_hop(kPlain, settings).tls);
}

TEST_CASE("connect_to changes the address and nothing else") {
  const NextHop secure = next_hop(kSecure, with_connect_to("10.0.0.5:8443"));
  CHECK(secure.via == NextHop::Via::ConnectTo);
  CHECK(secure.host == "10.0.0.5");
  CHECK(secure.port == 8443);
  CHECK(secure.origin == Origin{Scheme::Https, "www.example.com", 443});
  REQUIRE(secure.tls);
  CHECK(secure.tls->server_name == "www.example.com");
  const NextHop unix_hop = next_hop(kPlain, with_connect_to("unix:/run/app.sock"));
  CHECK(unix_hop.unix_path == "/run/app.sock");
  CHECK(unix_hop.host.empty());
  const NextHop tunnel = tunnel_hop(kSecure, with_connect_to("10.0.0.5:8443"));
  CHECK(tunnel.host == "10.0.0.5");
  CHECK_FALSE(tunnel.tls);
}

TEST_CASE("a parent gets whole URLs for http, and tunnels for https and CONNECT") {
  const HostSettings settings = with_parent("http://user:secret@proxy.corp:3128");
  const NextHop plain = next_hop(kPlain, settings);
  CHECK(plain.absolute_form());
  CHECK(plain.host == "proxy.corp");
  CHECK(plain.port == 3128);
  CHECK(plain.credentials == "user:secret");
  CHECK(plain.origin == Origin{Scheme::Http, "proxy.corp", 3128});
  CHECK(plain == next_hop({Scheme::Http, "other.example", 8080}, settings));

  const NextHop secure = next_hop(kSecure, settings);
  CHECK_FALSE(secure.absolute_form());
  CHECK(secure.parent_tunnel);
  CHECK(secure.tls);
  CHECK(secure.host == "proxy.corp");
  CHECK(secure.origin == Origin{Scheme::Https, "www.example.com", 443});

  const NextHop tunnel = tunnel_hop(kSecure, settings);
  CHECK(tunnel.parent_tunnel);
  CHECK_FALSE(tunnel.tls);
  CHECK(tunnel.origin.host == "www.example.com");
}

TEST_CASE("a half-closed tunnel may be silent for a minute at most") {
  CHECK(tunnel_limits(1h).open == 1h);
  CHECK(tunnel_limits(1h).half_closed == 60s);
  CHECK(tunnel_limits(5s).half_closed == 5s);
  CHECK(tunnel_limits(0s).open == 0s);
  CHECK(tunnel_limits(0s).half_closed == 60s);
}

}  // namespace
}  // namespace keepwarm::policy
