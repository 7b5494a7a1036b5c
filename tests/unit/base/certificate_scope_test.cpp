#include "core/base/certificate_scope.h"

#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

namespace keepwarm {
namespace {

std::vector<Cidr> in_ranges(const std::vector<std::string>& texts) {
  std::vector<Cidr> all;
  for (const std::string& text : texts) all.push_back(Cidr::parse(text).value());
  return all;
}

CertificateScope names_only(std::vector<std::string> names) {
  CertificateScope scope;
  scope.names = std::move(names);
  return scope;
}

}  // namespace

TEST_CASE("a permitted name covers its subdomains, and nothing that only ends like it") {
  const CertificateScope scope = names_only({"example.com", "api.test", ".only-below.test"});
  struct Case {
    const char* host;
    bool permitted;
  };
  const Case cases[] = {{"example.com", true},
                        {"www.example.com", true},
                        {"a.b.example.com", true},
                        {"a_b.example.com", true},
                        {"badexample.com", false},
                        {"example.com.evil", false},
                        {"com", false},
                        {"", false},
                        {"api.test", true},
                        {"test", false},
                        {"127.0.0.1", false},
                        {"::1", false},
                        {"x.only-below.test", true},
                        {"only-below.test", false},
                        {"xonly-below.test", false}};
  for (const Case& c : cases) {
    CAPTURE(c.host);
    CHECK(scope.permits(c.host) == c.permitted);
  }
  CHECK_FALSE(CertificateScope{}.permits("example.com"));
}

TEST_CASE("a permitted address is that one only, and never one in another form") {
  CertificateScope scope;
  scope.addresses = in_ranges({"192.0.2.7", "2001:db8::7", "10.0.0.0/8"});
  CHECK(scope.permits("192.0.2.7"));
  CHECK_FALSE(scope.permits("192.0.2.8"));
  CHECK(scope.permits("2001:db8::7"));
  CHECK_FALSE(scope.permits("2001:db8::8"));
  CHECK(scope.permits("10.1.2.3"));
  CHECK_FALSE(scope.permits("::ffff:192.0.2.7"));
  CHECK_FALSE(scope.permits("example.com"));
}

TEST_CASE("who may name any host may not name what is excluded") {
  CertificateScope scope;
  scope.any_host = true;
  CHECK(scope.permits("example.com"));
  CHECK(scope.permits("127.0.0.1"));
  CHECK(scope.permits("::ffff:192.0.2.7"));
  scope.excluded_names = {"bank.test"};
  scope.excluded_addresses = in_ranges({"127.0.0.0/8"});
  CHECK_FALSE(scope.permits("www.bank.test"));
  CHECK_FALSE(scope.permits("127.0.0.1"));
  CHECK(scope.permits("192.0.2.1"));
}

TEST_CASE("an exclusion is stronger than a permission") {
  CertificateScope scope = names_only({"example.com"});
  scope.excluded_names = {"secret.example.com"};
  CHECK(scope.permits("example.com"));
  CHECK_FALSE(scope.permits("a.secret.example.com"));
}

TEST_CASE("an authority below another one may name what both permit") {
  CertificateScope any;
  any.any_host = true;
  const CertificateScope wide = names_only({"example.com", "b.test"});
  const CertificateScope narrow = names_only({"api.example.com", "test", "c.other"});
  CHECK(both(any, any) == any);
  CHECK(both(any, wide) == wide);
  CHECK(both(wide, any) == wide);
  CHECK(both(wide, wide) == wide);
  CHECK(both(wide, narrow) == names_only({"api.example.com", "b.test"}));
  CHECK(both(narrow, wide) == names_only({"api.example.com", "b.test"}));
  CertificateScope excluding = any;
  excluding.excluded_names = {"x.example.com"};
  CHECK_FALSE(both(wide, excluding).permits("x.example.com"));
  CHECK(both(wide, excluding).permits("y.example.com"));
  CertificateScope ranges;
  ranges.addresses = in_ranges({"10.0.0.0/8", "192.0.2.0/24"});
  CertificateScope others;
  others.addresses = in_ranges({"10.1.0.0/16", "192.0.0.0/16", "fd00::/8"});
  CHECK(both(ranges, others).addresses == in_ranges({"10.1.0.0/16", "192.0.2.0/24"}));
}

TEST_CASE("what permissions and exclusions make void together is left out") {
  CertificateScope scope = names_only({"example.com", "gone.test"});
  scope.addresses = in_ranges({"0.0.0.0/0", "::/0"});
  scope.excluded_names = {"test", "a.example.com", "nobody.asks"};
  scope.excluded_addresses = in_ranges({"0.0.0.0/0", "::/0"});
  const CertificateScope simple = simplified(scope);
  CHECK(simple.names == std::vector<std::string>{"example.com"});
  CHECK(simple.addresses.empty());
  CHECK(simple.excluded_names == std::vector<std::string>{"a.example.com"});
  CHECK(simple.excluded_addresses.empty());
  for (const char* host : {"example.com", "a.example.com", "gone.test", "127.0.0.1", "::1"}) {
    CAPTURE(host);
    CHECK(simple.permits(host) == scope.permits(host));
  }
}

TEST_CASE("a scope is one line for a reader") {
  CertificateScope scope = names_only({"example.com", "b.test"});
  scope.addresses = in_ranges({"192.0.2.7"});
  CHECK(to_text(scope) == "example.com, b.test, 192.0.2.7");
  scope.excluded_names = {"x.b.test"};
  CHECK(to_text(scope) == "example.com, b.test, 192.0.2.7 but not x.b.test");
  CHECK(to_text(CertificateScope{}) == "no host");
  scope = {};
  scope.any_host = true;
  CHECK(to_text(scope) == "any host");
  CHECK(to_text(names_only({""})) == "any name");
}

}  // namespace keepwarm
