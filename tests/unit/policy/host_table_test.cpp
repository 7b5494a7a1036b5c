#include "core/policy/host_table.h"

#include <algorithm>
#include <ostream>

#include <doctest/doctest.h>

#include "core/policy/next_hop.h"

namespace keepwarm::policy {
namespace {

using namespace std::chrono_literals;
using Kind = HostPattern::Kind;

std::size_t index_of(std::string_view name) {
  const auto keys = host_keys();
  const auto found = std::find_if(keys.begin(), keys.end(), [&](const HostKey& key) { return key.name == name; });
  REQUIRE(found != keys.end());
  return static_cast<std::size_t>(found - keys.begin());
}

HostPattern pattern(std::string_view text) {
  Result<HostPattern, PatternError> parsed = parse_host_pattern(text);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

/// A table that sets idle_timeout only, so that the winner shows in the value.
HostTableEntry table(std::string_view text, Duration idle_timeout) {
  HostTableEntry entry{.pattern = pattern(text), .values = {}, .keys = {index_of("idle_timeout")}};
  entry.values.idle_timeout = idle_timeout;
  return entry;
}

}  // namespace

TEST_CASE("a host pattern is a name, a suffix or every host, with an optional port") {
  struct Case {
    std::string text;
    std::string_view name;
    Kind kind;
    std::optional<std::uint16_t> port;
  };
  const Case cases[] = {
      {"*", "", Kind::Any, {}},
      {"example.com", "example.com", Kind::Name, {}},
      {"WWW.Example.COM", "www.example.com", Kind::Name, {}},
      {"example.com.", "example.com", Kind::Name, {}},
      {"example.com.:8080", "example.com", Kind::Name, 8080},
      {"*.Example.com", "example.com", Kind::Suffix, {}},
      {"*.internal.example:65535", "internal.example", Kind::Suffix, 65535},
      {"localhost:1", "localhost", Kind::Name, 1},
      {"my_host-1", "my_host-1", Kind::Name, {}},
      {"10.0.0.1:80", "10.0.0.1", Kind::Name, 80},
      {"::1", "::1", Kind::Name, {}},
      {"[::1]", "::1", Kind::Name, {}},
      {"[::1]:8080", "::1", Kind::Name, 8080},
      {"[2001:DB8:0:0::1]", "2001:db8::1", Kind::Name, {}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto parsed = parse_host_pattern(c.text);
    REQUIRE(parsed.ok());
    CHECK(parsed->kind == c.kind);
    CHECK(parsed->name == c.name);
    CHECK(parsed->port == c.port);
    CHECK(parsed->text == c.text);
  }
}

TEST_CASE("a wrong host pattern is refused with what is wrong and what is allowed") {
  struct Case {
    std::string text;
    std::string what;
  };
  const Case cases[] = {
      {"", "it names no host; "},
      {".", "it names no host; "},
      {":80", "it names no host; "},
      {"*.", "it names no host; "},
      {"http://example.com", "it is a host, not a URL; "},
      {"example.com/path", "it is a host, not a URL; "},
      {"10.0.0.0/8", R"(a range of addresses has no table: write one for each address, or for all hosts [host."*"]; )"},
      {"fd00::/8", R"(a range of addresses has no table: write one for each address, or for all hosts [host."*"]; )"},
      {"fe80::1%eth0",
       "a zone is not part of a host's name: give the address a name in /etc/hosts, and that name a table; "},
      {"[fe80::1%25eth0]:80",
       "a zone is not part of a host's name: give the address a name in /etc/hosts, and that name a table; "},
      {"a..b", "it has an empty label; "},
      {"*..b", "it has an empty label; "},
      {"example.com..", "it has an empty label; "},
      {"a.*.b", R"("*" stands alone or as the whole first label; )"},
      {"*a.b", R"("*" stands alone or as the whole first label; )"},
      {"*:80", R"("*" takes no port; )"},
      {"*.2.3.4", R"("*." stands before a domain, not before part of an IP address; )"},
      {"example.com:0", R"(what follows the ":" is not a port from 1 to 65535; )"},
      {"example.com:65536", R"(what follows the ":" is not a port from 1 to 65535; )"},
      {"example.com:", R"(what follows the ":" is not a port from 1 to 65535; )"},
      {"example.com:+8", R"(what follows the ":" is not a port from 1 to 65535; )"},
      {"[::1", R"(the "[" has no "]"; )"},
      {"[::1]8080", R"(what follows the "]" is not a port from 1 to 65535; )"},
      {"[::1]:0", R"(what follows the "]" is not a port from 1 to 65535; )"},
      {"[::g]", "it is not an IPv6 address; "},
      {"1:2:3", "it is not an IPv6 address; "},
      {std::string("[::1\0x]", 7), "it is not an IPv6 address; "},
      {"user@example.com", "a character in it cannot be part of a host name; "},
      {"exa mple.com", "a character in it cannot be part of a host name; "},
      {"b\xc3\xbc"
       "cher.example",
       R"(a host name is written in its ASCII form ("xn--…", see idn2(1)); )"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    const auto parsed = parse_host_pattern(c.text);
    REQUIRE_FALSE(parsed.ok());
    CHECK(parsed.failure().message == c.what + R"(allowed: "*", "*.example.com", "example.com", an IP address, )"
                                               R"(each but "*" also with ":PORT")");
  }
  CHECK_FALSE(parse_host_pattern(std::string(254, 'a')).ok());
  CHECK(parse_host_pattern(std::string(253, 'a')).ok());
}

TEST_CASE("a suffix matches any depth of subdomain but not itself") {
  const HostPattern suffix = pattern("*.internal.example");
  CHECK(suffix.matches("a.internal.example", 80));
  CHECK(suffix.matches("b.a.internal.example", 443));
  CHECK_FALSE(suffix.matches("internal.example", 80));
  CHECK_FALSE(suffix.matches(".internal.example", 80));
  CHECK_FALSE(suffix.matches("notinternal.example", 80));
  CHECK_FALSE(suffix.matches("a.internal.example.org", 80));
}

TEST_CASE("a port in a pattern must be the port of the request") {
  CHECK(pattern("example.com:8443").matches("example.com", 8443));
  CHECK_FALSE(pattern("example.com:8443").matches("example.com", 443));
  CHECK(pattern("example.com").matches("example.com", 8443));
  CHECK_FALSE(pattern("*.example.com:8443").matches("a.example.com", 80));
  CHECK(pattern("[::1]:8080").matches("::1", 8080));
  CHECK(pattern("*").matches("anything", 1));
}

TEST_CASE("the most specific table wins, in whatever order the tables stand") {
  const std::vector<HostTableEntry> tables = {
      table("*", 1s),
      table("*.example", 2s),
      table("*.b.example", 3s),
      table("*.example:8080", 4s),
      table("*.b.example:8080", 5s),
      table("a.b.example", 6s),
      table("a.b.example:8080", 7s),
  };
  struct Case {
    std::string host;
    std::uint16_t port;
    Duration idle_timeout;
    std::string_view source;
  };
  const Case cases[] = {
      {"other.org", 80, 1s, "*"},
      {"example", 80, 1s, "*"},
      {"x.example", 80, 2s, "*.example"},
      {"b.example", 80, 2s, "*.example"},
      {"x.b.example", 80, 3s, "*.b.example"},
      {"x.example", 8080, 4s, "*.example:8080"},
      {"x.b.example", 8080, 5s, "*.b.example:8080"},
      {"a.b.example", 80, 6s, "a.b.example"},
      {"a.b.example", 8080, 7s, "a.b.example:8080"},
  };
  for (const bool reversed : {false, true}) {
    CAPTURE(reversed);
    HostTable hosts;
    for (std::size_t i = 0; i < tables.size(); ++i) hosts.add(tables[reversed ? tables.size() - 1 - i : i]);
    for (const Case& c : cases) {
      CAPTURE(c.host);
      CAPTURE(c.port);
      CHECK(hosts.resolve(c.host, c.port).idle_timeout == c.idle_timeout);
      CHECK(hosts.sources(c.host, c.port)[index_of("idle_timeout")] == c.source);
    }
  }
}

TEST_CASE("a suffix with a port wins over a longer suffix without one") {
  HostTable hosts;
  hosts.add(table("*.example:8080", 1s));
  hosts.add(table("*.b.example", 2s));
  CHECK(hosts.resolve("a.b.example", 8080).idle_timeout == 1s);
  CHECK(hosts.resolve("a.b.example", 80).idle_timeout == 2s);
}

TEST_CASE("tables are laid over each other key by key, and each key knows its table") {
  HostTable hosts;
  HostTableEntry any = table("*", 20s);
  any.keys.push_back(index_of("reuse"));
  any.values.reuse = false;
  any.values.max_idle = 7;  // not among its keys, so not in force
  HostTableEntry name = table("www.example.com", 10s);
  name.keys.push_back(index_of("retry_methods"));
  name.values.retry_methods = {"GET"};
  hosts.add(name);
  hosts.add(any);

  HostSettings expected;
  expected.idle_timeout = 10s;
  expected.reuse = false;
  expected.retry_methods = {"GET"};
  CHECK(hosts.resolve("www.example.com", 80) == expected);

  const std::vector<std::string_view> sources = hosts.sources("www.example.com", 80);
  REQUIRE(sources.size() == host_keys().size());
  for (std::size_t i = 0; i < sources.size(); ++i) {
    const std::string_view key = host_keys()[i].name;
    CAPTURE(key);
    const bool by_name = key == "idle_timeout" || key == "retry_methods";
    CHECK(sources[i] == (by_name ? "www.example.com" : key == "reuse" ? "*" : ""));
  }
}

TEST_CASE("without tables the built-in defaults are in force") {
  const HostTable hosts;
  CHECK(hosts.resolve("example.com", 80) == HostSettings{});
  for (const std::string_view source : hosts.sources("example.com", 80)) CHECK(source.empty());
}

TEST_CASE("what is in the files of a host distinguishes its settings and its connections") {
  HostTable hosts;
  HostTableEntry entry{.pattern = parse_host_pattern("a").value(), .values = {}, .keys = {}};
  entry.values.tls_ca_file = "/ca";
  entry.values.tls_client_certificate = "/cert";
  entry.values.tls_client_key = "/key";
  for (std::size_t key = 0; key < host_keys().size(); ++key) {
    if (host_keys()[key].name.starts_with("tls.c")) entry.keys.push_back(key);
  }
  hosts.add(std::move(entry));
  const FileMarks before = {{"", 1}, {"/ca", 2}, {"/cert", 3}, {"/key", 4}};
  const auto with = [&hosts](FileMarks marks, std::string_view host) {
    hosts.set_file_marks(std::move(marks));
    return next_hop({Scheme::Https, host, 443}, hosts.resolve(host, 443));
  };
  const NextHop a = with(before, "a");
  const NextHop other = with(before, "other");
  CHECK(with(before, "a") == a);
  for (const char* path : {"/ca", "/cert", "/key"}) {
    CAPTURE(path);
    FileMarks changed = before;
    changed[path] += 10;
    CHECK_FALSE(with(changed, "a") == a);
    CHECK(with(changed, "other") == other);
  }
  const FileMarks system_changed = {{"", 10}, {"/ca", 2}, {"/cert", 3}, {"/key", 4}};
  CHECK(with(system_changed, "a") == a);
  CHECK_FALSE(with(system_changed, "other") == other);
  const FileMarks swapped = {{"", 1}, {"/ca", 2}, {"/cert", 4}, {"/key", 3}};
  CHECK_FALSE(with(swapped, "a") == a);
  hosts.set_file_marks(system_changed);
  CHECK(next_hop({Scheme::Http, "other", 80}, hosts.resolve("other", 80)) ==
        next_hop({Scheme::Http, "other", 80}, HostSettings{}));
}

TEST_CASE("every member of the host settings has its key, once") {
  const auto keys = host_keys();
  CHECK(keys.size() == 33);  // as many as [host."*"] and [host."*".tls] have
  for (std::size_t i = 0; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(keys[i].name != keys[j].name);
      CHECK(keys[i].member != keys[j].member);
    }
  }
}

}  // namespace keepwarm::policy
