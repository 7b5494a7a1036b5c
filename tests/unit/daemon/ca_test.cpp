#include <ostream>
#include <string>

#include <doctest/doctest.h>

#include "config/load.h"
#include "daemon/ca/drop_in.h"
#include "daemon/ca/permitted.h"

namespace keepwarm::daemon {
namespace {

std::string permitted(std::vector<std::string> names) {
  const Result<CertificateScope, std::string> scope = permitted_by(names);
  return scope ? to_text(*scope) : scope.failure();
}

}  // namespace

TEST_CASE("a permitted host is a name or an address, once, however it is written") {
  CHECK(permitted({"Example.COM.", "example.com", "*.example.com"}) == "example.com");
  CHECK(permitted({"192.0.2.7", "[2001:db8::0:7]", "2001:DB8::7"}) == "192.0.2.7, 2001:db8::7");
  CHECK(permitted({"a_b.test", "xn--bcher-kva.test"}) == "a_b.test, xn--bcher-kva.test");
  CHECK(permitted(std::vector<std::string>(200, "example.com")) == "example.com");
}

TEST_CASE("a CA for the hosts that say so has no others") {
  const auto hosts_of = [](std::string_view text) {
    const Result<config::Config, config::ConfigErrors> config = config::parse_config(text, "k.toml");
    REQUIRE(config.ok());
    const Result<CertificateScope, std::string> scope = permitted_by(*config);
    return scope ? to_text(*scope) : scope.failure();
  };
  CHECK(hosts_of("[host.\"a\"]\nintercept = true\n[host.\"b\"]\nreuse = true\n[host.\"*.c\"]\nintercept = true") ==
        "a, c");
  CHECK(hosts_of("[host.\"a\"]\nintercept = false").starts_with("no host says intercept = true"));
}

TEST_CASE("the service is handed the key of each generation, and starts without them") {
  const std::string text = drop_in_text("/etc/keepwarm/ca", {1, 3});
  CHECK(text.find("\n[Service]\n"
                  "LoadCredential=ca.key:/etc/keepwarm/ca/issuer.key\nSetCredential=ca.key:none\n"
                  "LoadCredential=ca.3.key:/etc/keepwarm/ca/3/issuer.key\nSetCredential=ca.3.key:none\n") !=
        std::string::npos);
}

}  // namespace keepwarm::daemon
