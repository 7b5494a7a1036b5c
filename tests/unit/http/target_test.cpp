#include "core/http/target.h"

#include <optional>

#include <doctest/doctest.h>

namespace keepwarm::http::test {
namespace {

struct Split {
  Scheme scheme;
  std::string_view authority, host;
  std::uint16_t port;
  std::string_view path;
};

std::optional<TargetFault> fault_of(std::string_view target, bool is_connect = false) {
  const auto parsed = parse_target(target, is_connect, false);
  return parsed ? std::nullopt : std::optional(parsed.failure());
}

std::string normalized(std::string_view host) {
  std::string out = "left over";
  normalize_host(host, out);
  return out;
}

}  // namespace

TEST_CASE("an absolute target is split into its parts, path and query byte for byte") {
  struct Case {
    std::string_view target;
    Split parts;
  };
  constexpr auto http = Scheme::Http;
  const Case cases[] = {
      {"http://h/", {http, "h", "h", 80, "/"}},
      {"http://h", {http, "h", "h", 80, ""}},
      {"http://h?q", {http, "h", "h", 80, "?q"}},
      {"http://h:8080/a/../b?c=d", {http, "h:8080", "h", 8080, "/a/../b?c=d"}},
      {"http://h:/", {http, "h:", "h", 80, "/"}},
      {"https://h/", {Scheme::Https, "h", "h", 443, "/"}},
      {"HTTP://Example.COM./X", {http, "Example.COM.", "Example.COM.", 80, "/X"}},
      {"http://h:1/", {http, "h:1", "h", 1, "/"}},
      {"http://h:65535/", {http, "h:65535", "h", 65535, "/"}},
      {"http://h:00080/", {http, "h:00080", "h", 80, "/"}},
      {"http://[::1]/", {http, "[::1]", "::1", 80, "/"}},
      {"http://[2001:DB8::1]:81?q", {http, "[2001:DB8::1]:81", "2001:DB8::1", 81, "?q"}},
      {"http://127.0.0.1:3/", {http, "127.0.0.1:3", "127.0.0.1", 3, "/"}},
      {"http://a_b-c.d~e!$&'()*+,;=/", {http, "a_b-c.d~e!$&'()*+,;=", "a_b-c.d~e!$&'()*+,;=", 80, "/"}},
      {"http://h/%zz%00\"<>\\^`{|}\xFF@:[]?\xC3\xA9?", {http, "h", "h", 80, "/%zz%00\"<>\\^`{|}\xFF@:[]?\xC3\xA9?"}},
      {"http://h//x//http://y", {http, "h", "h", 80, "//x//http://y"}},
  };
  for (const Case& c : cases) {
    CAPTURE(c.target);
    const auto parsed = parse_target(c.target, false, false);
    REQUIRE(parsed.ok());
    CHECK(parsed->form == TargetForm::Absolute);
    CHECK(parsed->scheme == c.parts.scheme);
    CHECK(parsed->authority == c.parts.authority);
    CHECK(parsed->host == c.parts.host);
    CHECK(parsed->port == c.parts.port);
    CHECK(parsed->path_and_query == c.parts.path);
  }
}

TEST_CASE("the other forms of a target are told apart") {
  const auto origin = parse_target("/a?b", false, false);
  REQUIRE(origin.ok());
  CHECK(origin->form == TargetForm::Origin);
  CHECK(origin->path_and_query == "/a?b");
  CHECK(parse_target("//h/a", false, false)->form == TargetForm::Origin);
  CHECK(parse_target("*", false, false)->form == TargetForm::Asterisk);
  const auto authority = parse_target("Example.com:443", true, false);
  REQUIRE(authority.ok());
  CHECK(authority->form == TargetForm::Authority);
  CHECK(authority->authority == "Example.com:443");
  CHECK(authority->host == "Example.com");
  CHECK(authority->port == 443);
  CHECK(parse_target("[::1]:8443", true, false)->host == "::1");
}

TEST_CASE("targets that are refused") {
  struct Case {
    std::string_view name;
    std::string_view target;
    TargetFault fault;
  };
  const Case cases[] = {
      {"nothing", "", TargetFault::Malformed},
      {"a user name", "http://user@h/", TargetFault::HasUserinfo},
      {"a user name and a password", "http://user:secret@h/", TargetFault::HasUserinfo},
      {"an empty user name", "http://@h/", TargetFault::HasUserinfo},
      {"a fragment", "http://h/a#b", TargetFault::HasFragment},
      {"a fragment without path", "http://h#b", TargetFault::HasFragment},
      {"an empty fragment", "http://h/?q#", TargetFault::HasFragment},
      {"a fragment in origin-form", "/a#b", TargetFault::HasFragment},
      {"no host", "http:///a", TargetFault::EmptyHost},
      {"no host but a port", "http://:80/", TargetFault::EmptyHost},
      {"a host that is one dot", "http://./", TargetFault::EmptyHost},
      {"nothing behind the scheme", "http://", TargetFault::EmptyHost},
      {"port 0", "http://h:0/", TargetFault::BadPort},
      {"port 65536", "http://h:65536/", TargetFault::BadPort},
      {"a port beyond 64 bits", "http://h:18446744073709551696/", TargetFault::BadPort},
      {"a port in letters", "http://h:http/", TargetFault::BadPort},
      {"a signed port", "http://h:+80/", TargetFault::BadPort},
      {"two ports", "http://h:80:80/", TargetFault::BadPort},
      {"another scheme", "ftp://h/", TargetFault::UnsupportedScheme},
      {"a scheme without authority", "urn:isbn:1", TargetFault::UnsupportedScheme},
      {"ws where it is not allowed", "ws://h/", TargetFault::UnsupportedScheme},
      {"http without slashes", "http:h/", TargetFault::Malformed},
      {"http with one slash", "http:/h/", TargetFault::Malformed},
      {"a host and a port", "example.com:443", TargetFault::Malformed},
      {"a name alone", "example.com", TargetFault::Malformed},
      {"a scheme that begins with a digit", "1http://h/", TargetFault::Malformed},
      {"no scheme", "://h/", TargetFault::Malformed},
      {"an asterisk and more", "*x", TargetFault::Malformed},
      {"a backslash in the host", "http://h\\@evil/", TargetFault::HasUserinfo},
      {"a backslash as a slash", "http://h\\a", TargetFault::Malformed},
      {"percent-encoding in the host", "http://h%2Eexample/", TargetFault::NotAscii},
      {"an 8-bit byte in the host", "http://h\xC3\xA9/", TargetFault::NotAscii},
      {"an 8-bit byte and a quote in the host", "http://\xC3\xA9\"/", TargetFault::Malformed},
      {"a quote in the host", "http://h\"/", TargetFault::Malformed},
      {"a bracket left open", "http://[::1/", TargetFault::Malformed},
      {"a bracket too many", "http://[::1]]/", TargetFault::Malformed},
      {"junk behind the bracket", "http://[::1]x/", TargetFault::Malformed},
      {"empty brackets", "http://[]/", TargetFault::Malformed},
      {"a name in brackets", "http://[h]/", TargetFault::Malformed},
      {"IPv4 in brackets", "http://[127.0.0.1]/", TargetFault::Malformed},
      {"a zone", "http://[fe80::1%25eth0]/", TargetFault::HasZone},
      {"a zone behind a bare percent sign", "http://[fe80::1%eth0]:80/", TargetFault::HasZone},
      {"a zone of what is no address", "http://[fe80::g%25eth0]/", TargetFault::Malformed},
      {"a future address", "http://[v1.x]/", TargetFault::Malformed},
      {"IPv6 without brackets", "http://::1/", TargetFault::EmptyHost},
      {"a space", "http://h/a b", TargetFault::Malformed},
      {"a tab", "http://h/\t", TargetFault::Malformed},
      {"NUL", {"http://h/\0", 10}, TargetFault::Malformed},
      {"DEL", "http://h/\x7F", TargetFault::Malformed},
      {"a literal of a hundred digits", "http://[0000000000000000000000000000000000000000000000000000::1]/",
       TargetFault::Malformed},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(fault_of(c.target) == c.fault);
  }
}

TEST_CASE("CONNECT takes a host and a port and nothing else") {
  struct Case {
    std::string_view target;
    TargetFault fault;
  };
  const Case cases[] = {
      {"h", TargetFault::BadPort},           {"h:", TargetFault::BadPort},           {"h:0", TargetFault::BadPort},
      {"h:443/", TargetFault::BadPort},      {"h/:443", TargetFault::Malformed},     {":443", TargetFault::EmptyHost},
      {"u@h:443", TargetFault::HasUserinfo}, {"http://h:443", TargetFault::BadPort}, {"/", TargetFault::Malformed},
      {"*", TargetFault::BadPort},           {"h:443#f", TargetFault::BadPort},      {"[::1]", TargetFault::BadPort}};
  for (const Case& c : cases) {
    CAPTURE(c.target);
    CHECK(fault_of(c.target, true) == c.fault);
  }
}

TEST_CASE("ws and wss are http and https where they are allowed") {
  const auto ws = parse_target("ws://h/chat", false, true);
  REQUIRE(ws.ok());
  CHECK(ws->scheme == Scheme::Http);
  CHECK(ws->port == 80);
  const auto wss = parse_target("WSS://h/chat", false, true);
  REQUIRE(wss.ok());
  CHECK(wss->scheme == Scheme::Https);
  CHECK(wss->port == 443);
}

TEST_CASE("a host is put into the form that origins are compared by") {
  CHECK(normalized("Example.COM") == "example.com");
  CHECK(normalized("example.com.") == "example.com");
  CHECK(normalized("127.0.0.1") == "127.0.0.1");
  CHECK(normalized("2001:DB8:0:0:0:0:0:1") == "2001:db8::1");
  CHECK(normalized("::FFFF:127.0.0.1") == "::ffff:127.0.0.1");
  CHECK(normalized("0:0:0:0:0:0:0:1") == "::1");
}

TEST_CASE("the value of Host is a host, with a port if need be") {
  for (const std::string_view value : {"", "h", "h:80", "h:", "example.com.", "[::1]", "[::1]:80", "127.0.0.1:3"}) {
    CAPTURE(value);
    CHECK(valid_host_field(value));
  }
  for (const std::string_view value : {"u@h", "http://h", "h/", "h:x", "h:0", "h:65536", "h h", "h, h", "[::1", "::1",
                                       ":80", "h\x7F", "h#", "h?", "h\\", "h%41"}) {
    CAPTURE(value);
    CHECK_FALSE(valid_host_field(value));
  }
  CHECK_FALSE(valid_host_field({"[::\0@h]", 7}));  // NUL must not hide what follows it
}

}  // namespace keepwarm::http::test
