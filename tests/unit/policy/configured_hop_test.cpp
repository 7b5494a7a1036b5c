#include "core/policy/configured_hop.h"

#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "core/policy/settings.h"

namespace keepwarm::policy {
namespace {

TEST_CASE("connect_to is an address with a port, or the path of a unix socket") {
  struct Case {
    std::string_view text, host;
    std::uint16_t port;
    std::string_view unix_path;
  };
  const Case cases[] = {{"10.0.0.5:8443", "10.0.0.5", 8443, ""},
                        {"[::1]:80", "::1", 80, ""},
                        {"[0:0:0:0:0:0:0:1]:80", "::1", 80, ""},
                        {"Backend.Internal.:8080", "backend.internal", 8080, ""},
                        {"unix:/run/app.sock", "", 0, "/run/app.sock"}};
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto to = parse_connect_to(c.text);
    REQUIRE(to);
    CHECK(to->host == c.host);
    CHECK(to->port == c.port);
    CHECK(to->unix_path == c.unix_path);
  }
}

TEST_CASE("what connect_to cannot be") {
  const std::string long_path = "unix:/" + std::string(107, 'x');
  const std::string_view texts[] = {"",       "10.0.0.5",     "10.0.0.5:",     ":80",     "h:0",    "h:65536",
                                    "::1:80", "http://h:80",  "u@h:80",        "h:80/x",  "unix:",  "unix:app.sock",
                                    "h h:80", "unix:run/app", "h:80,other:80", long_path, "unix//x"};
  for (const std::string_view text : texts) {
    CAPTURE(text);
    CHECK_FALSE(parse_connect_to(text));
  }
  CHECK(parse_connect_to(std::string_view(long_path).substr(0, long_path.size() - 1)));
}

TEST_CASE("a parent is a URL, perhaps with a user name and a password") {
  struct Case {
    std::string_view url, host;
    std::uint16_t port;
    std::string_view credentials;
  };
  const Case cases[] = {{"http://proxy.corp:3128", "proxy.corp", 3128, ""},
                        {"HTTP://Proxy.Corp:3128/", "proxy.corp", 3128, ""},
                        {"http://proxy.corp", "proxy.corp", 80, ""},
                        {"http://[::1]:3128", "::1", 3128, ""},
                        {"http://user:secret@proxy.corp:3128", "proxy.corp", 3128, "user:secret"},
                        {"http://user@proxy.corp:3128", "proxy.corp", 3128, "user:"},
                        {"http://u%40corp:p%3A%2f%25@proxy.corp:3128", "proxy.corp", 3128, "u@corp:p:/%"},
                        {"http://user:p@ss@proxy.corp:3128", "proxy.corp", 3128, "user:p@ss"}};
  for (const Case& c : cases) {
    CAPTURE(c.url);
    const auto parent = parse_parent(c.url);
    REQUIRE(parent);
    CHECK(parent->host == c.host);
    CHECK(parent->port == c.port);
    CHECK(parent->credentials == c.credentials);
  }
}

TEST_CASE("what a parent cannot be") {
  const std::string_view urls[] = {"",
                                   "proxy.corp:3128",
                                   "https://proxy.corp:3128",
                                   "socks5://proxy.corp",
                                   "http://",
                                   "http://:3128",
                                   "http://proxy.corp:0",
                                   "http://proxy.corp/path",
                                   "http://proxy.corp/?q",
                                   "http://proxy.corp#f",
                                   "http://u:%zz@proxy.corp",
                                   "http://u:%0d%0ax@proxy.corp",
                                   "http://u:%4@proxy.corp",
                                   "http://pro xy.corp"};
  for (const std::string_view url : urls) {
    CAPTURE(url);
    CHECK_FALSE(parse_parent(url));
  }
}

TEST_CASE("a URL is shown without its credentials") {
  CHECK(without_credentials("http://user:p@ss@proxy.corp:3128/") == "http://***@proxy.corp:3128/");
  CHECK(without_credentials("http://proxy.corp:3128") == "http://proxy.corp:3128");
  CHECK(without_credentials("user:secret@proxy.corp") == "***@proxy.corp");
  CHECK(without_credentials("http://user:se/cr?e#t@proxy.corp:3128") == "http://***@proxy.corp:3128");
  CHECK(without_credentials("//user:secret@proxy.corp") == "//***@proxy.corp");
  CHECK(without_credentials("user:se//cret@proxy.corp") == "***@proxy.corp");
  CHECK(without_credentials("") == "");
}

TEST_CASE("two places are equal if they are one, however they are written") {
  CHECK(parse_connect_to("[0:0:0:0:0:0:0:1]:80") == parse_connect_to("[::1]:80"));
  CHECK(parse_connect_to("Name:80") == parse_connect_to("name.:80"));
  CHECK(parse_connect_to("name:80") != parse_connect_to("name:81"));
  CHECK(parse_connect_to("name:80") != parse_connect_to("eman:80"));
  CHECK(parse_connect_to("unix:/a") != parse_connect_to("unix:/b"));
  CHECK(parse_parent("HTTP://u:%70@Proxy/") == parse_parent("http://u:p@proxy:80"));
  CHECK(parse_parent("http://proxy") != parse_parent("http://proxy:81"));
  CHECK(parse_parent("http://proxy") != parse_parent("http://yxorp"));
  CHECK(parse_parent("http://u:p@proxy") != parse_parent("http://u:q@proxy"));
}

TEST_CASE("settings that lead to one place are equal") {
  HostSettings one, same, other;
  one.connect_to = parse_connect_to("Name:80");
  same.connect_to = parse_connect_to("name:80");
  other.parent = parse_parent("http://name:80");
  CHECK(one == same);
  CHECK(one != HostSettings{});
  CHECK(one != other);
}

TEST_CASE("a place is shown as it was written, and a parent without its password") {
  CHECK(parse_connect_to("Backend.Internal.:8080")->shown == "Backend.Internal.:8080");
  CHECK(parse_connect_to("unix:/run/app.sock")->shown == "unix:/run/app.sock");
  CHECK(parse_parent("http://user:s%33cret@Proxy.Corp:3128/")->shown == "http://***@Proxy.Corp:3128/");
  CHECK(parse_parent("http://proxy.corp")->shown == "http://proxy.corp");
}

}  // namespace
}  // namespace keepwarm::policy
