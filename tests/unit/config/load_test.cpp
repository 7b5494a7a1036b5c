#include "config/load.h"

#include <cstdio>
#include <fstream>
#include <initializer_list>
#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "config/keys.h"
#include "config/value.h"

namespace keepwarm::config {
namespace {

using namespace std::chrono_literals;

Config good(std::string_view text) {
  Result<Config, ConfigErrors> result = parse_config(text, "k.toml");
  if (!result) {
    for (const ConfigError& error : result.failure()) MESSAGE(to_text(error));
  }
  REQUIRE(result.ok());
  return std::move(result).value();
}

/// All errors, one a line.
std::string errors_of(std::string_view text) {
  const Result<Config, ConfigErrors> result = parse_config(text, "k.toml");
  if (result) return "";
  std::string all;
  for (const ConfigError& error : result.failure()) all += to_text(error) + '\n';
  return all;
}

std::vector<ListenAddress> listening_at(std::initializer_list<const char*> texts) {
  std::vector<ListenAddress> addresses;
  for (const char* text : texts) addresses.push_back(ListenAddress::parse(text).value());
  return addresses;
}

std::vector<Cidr> ranges(std::initializer_list<const char*> texts) {
  std::vector<Cidr> parsed;
  for (const char* text : texts) parsed.push_back(Cidr::parse(text).value());
  return parsed;
}

struct Case {
  std::string text;
  std::string errors;
};

template <std::size_t N>
void check_errors(const Case (&cases)[N]) {
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(errors_of(c.text) == c.errors);
  }
}

}  // namespace

TEST_CASE("an empty file is the built-in defaults") {
  const Config config = good("");
  CHECK(config.proxy == policy::ProxySettings{});
  CHECK(config.admin == AdminConfig{});
  CHECK(config.log == LogConfig{});
  CHECK(config.dns == policy::DnsSettings{});
  CHECK(config.intercept == policy::InterceptSettings{});
  CHECK(config.hosts.entries().empty());
}

TEST_CASE("each key outside the host tables arrives in its place") {
  const Config config = good(R"(
[proxy]
listen = ["127.0.0.1:0", "[::1]:8080", "192.0.2.1:3128"]
allow_clients = ["10.0.0.0/8", "fd00::/8", "192.0.2.7"]
connect_ports = [443, "1024-65535", "8443"]
max_clients = 7
deny_destinations = ["169.254.0.0/16"]
bad_ports = "allow"
proxy_status = "always"
via = false
client_idle_timeout = "1ms"
client_header_timeout = "2s"
max_header_size = "1KiB"
client_half_close = "honour"
shutdown_grace = "0s"
[admin]
listen = ""
[log]
level = "trace"
access = "json"
file = "/var/log/keepwarm.log"
[dns]
ttl = "0s"
negative_ttl = "5s"
[intercept]
ca = "/x/ca"
key = "/x/issuer.key"
listen = ["[::1]:8080"]
refused = "tunnel"
log_paths = true
)");
  policy::ProxySettings proxy;
  proxy.listen = listening_at({"127.0.0.1:0", "[::1]:8080", "192.0.2.1:3128"});
  proxy.listen_is_default = false;
  proxy.allow_clients = ranges({"10.0.0.0/8", "fd00::/8", "192.0.2.7"});
  proxy.connect_ports = {{443, 443}, {1024, 65535}, {8443, 8443}};
  proxy.max_clients = 7;
  proxy.deny_destinations = ranges({"169.254.0.0/16"});
  proxy.deny_destinations_set = true;
  proxy.bad_ports = policy::BadPorts::Allow;
  proxy.proxy_status = policy::ProxyStatusMode::Always;
  proxy.via = policy::Via::Omit;
  proxy.client_idle_timeout = 1ms;
  proxy.client_header_timeout = 2s;
  proxy.max_header_size = 1024;
  proxy.client_half_close = policy::ClientHalfClose::Honour;
  proxy.shutdown_grace = 0s;
  CHECK(config.proxy == proxy);
  CHECK(config.admin == AdminConfig{.listen = ""});
  CHECK(config.log == LogConfig{LogLevel::Trace, AccessLog::Json, "/var/log/keepwarm.log"});
  CHECK(config.dns == policy::DnsSettings{.ttl = 0s, .negative_ttl = 5s});
  CHECK(config.intercept == policy::InterceptSettings{.ca = "/x/ca",
                                                      .key = "/x/issuer.key",
                                                      .listen = listening_at({"[::1]:8080"}),
                                                      .refused = policy::InterceptSettings::Refused::Tunnel,
                                                      .log_paths = true});
}

TEST_CASE("each key of a host table arrives in its place") {
  const Config config = good(R"(
[host."*"]
reuse = false
idle_timeout = "1s"
idle_margin = "0s"
server_hint = false
assumed_idle_timeout = "2s"
unsafe_reuse = "never"
max_connections = 1
max_idle = 0
max_requests = 4294967295
max_lifetime = "0s"
queue_timeout = "3s"
connect_timeout = "4s"
response_timeout = "5s"
stall_timeout = "6s"
tunnel_timeout = "0s"
retry = false
retry_body_size = "0B"
retry_methods = ["GET", "X-ODD"]
retry_idempotency_key = true
[host."*".tls]
verify = false
ca_file = "ca.pem"
client_certificate = "c.pem"
client_key = "k.pem"
server_name = "name.example"
)");
  policy::HostSettings expected;
  expected.reuse = false;
  expected.idle_timeout = 1s;
  expected.idle_margin = 0s;
  expected.server_hint = false;
  expected.assumed_idle_timeout = 2s;
  expected.unsafe_reuse = policy::UnsafeReuse::Never;
  expected.max_connections = 1;
  expected.max_idle = 0;
  expected.max_requests = 4294967295;
  expected.max_lifetime = 0s;
  expected.queue_timeout = 3s;
  expected.connect_timeout = 4s;
  expected.response_timeout = 5s;
  expected.stall_timeout = 6s;
  expected.tunnel_timeout = 0s;
  expected.retry = false;
  expected.retry_body_size = 0;
  expected.retry_methods = {"GET", "X-ODD"};
  expected.retry_idempotency_key = true;
  expected.tls_verify = false;
  expected.tls_ca_file = "ca.pem";
  expected.tls_client_certificate = "c.pem";
  expected.tls_client_key = "k.pem";
  expected.tls_server_name = "name.example";
  CHECK(config.hosts.resolve("any.example", 80) == expected);
}

TEST_CASE("interception is a key of a host, and off for others") {
  const Config config = good("[host.\"a\"]\nintercept = true");
  CHECK(config.hosts.resolve("a", 443).intercept);
  CHECK_FALSE(config.hosts.resolve("b", 443).intercept);
}

TEST_CASE("via is a boolean of TOML or a word") {
  const auto via_of = [](std::string_view value) { return good("[proxy]\nvia = " + std::string(value)).proxy.via; };
  CHECK(via_of("true") == policy::Via::Add);
  CHECK(via_of("false") == policy::Via::Omit);
  CHECK(via_of("\"always\"") == policy::Via::Always);
  const std::string allowed = " is none of its values; allowed: true, false or \"always\"\n";
  check_errors({{"[proxy]\nvia = \"true\"", "k.toml:2:7: proxy.via: \"true\"" + allowed},
                {"[proxy]\nvia = \"yes\"", "k.toml:2:7: proxy.via: \"yes\"" + allowed},
                {"[log]\naccess = true",
                 "k.toml:2:10: log.access: expected a string, got the boolean true; allowed: \"off\", \"text\" or "
                 "\"json\"\n"}});
}

TEST_CASE("the CA's folder and key are absolute paths") {
  const std::string allowed = R"( is no absolute path; allowed: "/…", or "" for the default)"
                              "\n";
  check_errors({{"[intercept]\nca = \"ca\"", "k.toml:2:6: intercept.ca: \"ca\"" + allowed},
                {"[intercept]\nkey = \"~/x\"", "k.toml:2:7: intercept.key: \"~/x\"" + allowed},
                {"[intercept]\nca = \"//\"",
                 "k.toml:2:6: intercept.ca: \"//\" has no name of its own; allowed: an absolute path like "
                 "\"/etc/keepwarm/ca\", or \"\"\n"}});
}

TEST_CASE("only a server that is verified by its own name is shown to clients by a certificate of ours") {
  const std::string unverified =
      ": would show an unverified server as a verified one; allowed: intercept with tls.verify = true\n";
  const std::string renamed =
      ": would show a server as one of another name; allowed: intercept with tls.server_name = \"\", or the host's "
      "own\n";
  check_errors({
      {"[host.\"a\"]\nintercept = true\ntls.verify = false", "k.toml:2:13: host.\"a\".intercept" + unverified},
      {"[host.\"*\"]\nintercept = true\n[host.\"a\".tls]\nverify = false",
       "k.toml:4:10: host.\"a\".tls.verify" + unverified},
      {"[host.\"*\".tls]\nverify = false\n[host.\"*.a\"]\nintercept = true",
       "k.toml:4:13: host.\"*.a\".intercept" + unverified},
      {"[host.\"a:443\"]\nintercept = true\n[host.\"a\".tls]\nverify = false",
       "k.toml:2:13: host.\"a:443\".intercept" + unverified + "k.toml:4:10: host.\"a\".tls.verify" + unverified},
      {"[host.\"*\".tls]\nverify = false\n[host.\"a\"]\nintercept = true\ntls.verify = true", ""},
      {"[host.\"a\"]\nintercept = true\ntls.server_name = \"b\"", "k.toml:2:13: host.\"a\".intercept" + renamed},
      {"[host.\"*.a\"]\nintercept = true\ntls.server_name = \"x.a\"", "k.toml:2:13: host.\"*.a\".intercept" + renamed},
      {"[host.\"a.b\"]\nintercept = true\ntls.server_name = \"A.b.\"", ""},
      {"[host.\"a\"]\nintercept = true\ntls.server_name = \"\"", ""},
  });
}

TEST_CASE("clients can be intercepted only where they can come from") {
  const std::string message = " is none of proxy.listen; allowed: its addresses, or [] for all\n";
  check_errors({
      {"[intercept]\nlisten = [\"127.0.0.1:3128\"]", ""},
      {"[intercept]\nlisten = [\"127.0.0.1:3128\", \"127.0.0.1:3129\"]",
       "k.toml:2:10: intercept.listen: \"127.0.0.1:3129\"" + message},
      {"[proxy]\nlisten = [\"unix:/run/a/b.sock\"]\n[intercept]\nlisten = [\"unix:/run//a/b.sock\"]", ""},
      {"[proxy]\nlisten = [\"unix:/run/b.sock\"]\n[intercept]\nlisten = [\"127.0.0.1:3128\"]",
       "k.toml:4:10: intercept.listen: \"127.0.0.1:3128\"" + message},
  });
}

TEST_CASE("host tables override each other key by key, also by dotted keys and inline tables") {
  const Config config = good(R"(
[host]
"www.example.com" = { idle_timeout = "10s", tls = { verify = false } }
"api.example.com:8443".reuse = false
[host."*.example.com"]
connect_timeout = "500ms"
tls.server_name = "x"
)");
  policy::HostSettings www;
  www.idle_timeout = 10s;
  www.connect_timeout = 500ms;
  www.tls_verify = false;
  www.tls_server_name = "x";
  CHECK(config.hosts.resolve("www.example.com", 80) == www);
  CHECK_FALSE(config.hosts.resolve("api.example.com", 8443).reuse);
  CHECK(config.hosts.resolve("api.example.com", 443).reuse);
  CHECK(config.hosts.resolve("example.com", 80) == policy::HostSettings{});
}

TEST_CASE("listen counts as the default while it has the default's value") {
  CHECK(good("[proxy]\nlisten = [\"127.0.0.1:3128\", \"[::1]:3128\"]").proxy.listen_is_default);
  CHECK_FALSE(good("[proxy]\nlisten = [\"127.0.0.1:3128\"]").proxy.listen_is_default);
}

TEST_CASE("deny_destinations counts as set even when it is set to nothing") {
  CHECK(good("[proxy]\ndeny_destinations = []").proxy.deny_destinations_set);
  CHECK_FALSE(good("[proxy]\nvia = true").proxy.deny_destinations_set);
}

TEST_CASE("text that is not TOML is an error with its place") {
  check_errors({
      {"[proxy]\nvia = ", "k.toml:2:7: not valid TOML: Error while parsing key-value pair: encountered end-of-file\n"},
      {"[proxy]\nvia = true\nvia = false",
       "k.toml:3:7: not valid TOML: Error while parsing key-value pair: cannot redefine existing boolean 'via'\n"},
      {"[dns]\nttl = 10s",
       "k.toml:2:9: not valid TOML: \"10s\" without quotes is no value; allowed: true, false, numbers, and all else in "
       "quotes\n"},
  });
}

TEST_CASE("an unknown key is an error that names the nearest one") {
  check_errors({
      {"[proxy]\nlisten = [\"127.0.0.1:1\"]\nmax_client = 3",
       "k.toml:3:1: proxy.max_client: unknown key; did you mean \"max_clients\"?\n"},
      {"[host.\"*\"]\nidle_timout = \"1s\"",
       "k.toml:2:1: host.\"*\".idle_timout: unknown key; did you mean \"idle_timeout\"?\n"},
      {"[host.\"*\".tls]\nverfiy = true", "k.toml:2:1: host.\"*\".tls.verfiy: unknown key; did you mean \"verify\"?\n"},
      {"[host.\"a\"]\ntsl = 1", "k.toml:2:1: host.\"a\".tsl: unknown key; did you mean \"tls\"?\n"},
      {"[dns]\nservers = []",
       "k.toml:2:1: dns.servers: unknown key; allowed: resolver, ttl, min_ttl, negative_ttl, dns_timeout\n"},
      {"[proxy]\nidle_timeout = \"1s\"",
       "k.toml:2:1: proxy.idle_timeout: unknown key here; it belongs in [host.\"*\"]\n"},
      {"[host.\"a\"]\nvia = true", "k.toml:2:1: host.\"a\".via: unknown key here; it belongs in [proxy]\n"},
      {"[host.\"a\"]\nverify = true",
       "k.toml:2:1: host.\"a\".verify: unknown key here; it belongs in [host.\"*\".tls]\n"},
      {"[host.\"a\"]\n\"tls.verify\" = true",
       "k.toml:2:1: host.\"a\".\"tls.verify\": unknown key here; it belongs in [host.\"*\".tls]\n"},
      {"[log]\n\"odd\\u0007 key\" = 1",
       "k.toml:2:1: log.\"odd\\u0007 key\": unknown key; allowed: level, access, file\n"},
  });
}

TEST_CASE("an unknown section is an error that names the nearest one") {
  check_errors({
      {"[prox]\nvia = true", "k.toml:1:2: prox: unknown section; did you mean \"proxy\"?\n"},
      {"[hosts.\"*\"]\nreuse = true", "k.toml:1:2: hosts: unknown section; did you mean \"host\"?\n"},
      {"[upstream]", "k.toml:1:2: upstream: unknown section; allowed: proxy, admin, log, dns, intercept, host\n"},
      {"via = true", "k.toml:1:1: via: unknown key here; it belongs in [proxy]\n"},
      {"proxy = 1", "k.toml:1:9: proxy: expected a table, got the number 1; allowed: [proxy]\n"},
      {"[[dns]]", "k.toml:1:1: dns: expected a table, got an array; allowed: [dns]\n"},
      {"host.\"a\" = true", "k.toml:1:12: host.\"a\": expected a table, got the boolean true; allowed: [host.\"a\"]\n"},
      {"[host]\nidle_timeout = \"1s\"",
       "k.toml:2:1: host.idle_timeout: unknown key here; it belongs in [host.\"*\"]\n"},
      {"[host.\"a\"]\ntls = true",
       "k.toml:2:7: host.\"a\".tls: expected a table, got the boolean true; allowed: [host.\"a\".tls]\n"},
  });
}

TEST_CASE("a value of the wrong type is an error that says what was found and what is allowed") {
  const std::string duration = R"(; allowed: a number and a unit in quotes, like "250ms", "4s", "2m" or "1h")"
                               "\n";
  const std::string size = R"(; allowed: a number and a unit in quotes, like "512B", "64KiB" or "1MiB")"
                           "\n";
  const std::string list = R"(; allowed: strings in brackets, like ["a", "b"])"
                           "\n";
  check_errors({
      {"[host.\"*\"]\nreuse = \"yes\"",
       "k.toml:2:9: host.\"*\".reuse: expected a boolean, got the string \"yes\"; allowed: true or false\n"},
      {"[proxy]\nmax_clients = \"10\"",
       "k.toml:2:15: proxy.max_clients: expected a whole number, got the string \"10\"; allowed: 1 to 10000000\n"},
      {"[proxy]\nmax_clients = 1.5",
       "k.toml:2:15: proxy.max_clients: expected a whole number, got a number with a fraction; allowed: 1 to "
       "10000000\n"},
      {"[dns]\nttl = 30", "k.toml:2:7: dns.ttl: expected a duration, got the number 30" + duration},
      {"[dns]\nttl = \"1.5s\"", "k.toml:2:7: dns.ttl: \"1.5s\" is not a duration" + duration},
      {"[dns]\nttl = 2020-01-01", "k.toml:2:7: dns.ttl: expected a duration, got a date or time" + duration},
      {"[proxy]\nmax_header_size = 65536",
       "k.toml:2:19: proxy.max_header_size: expected a size, got the number 65536" + size},
      {"[proxy]\nmax_header_size = \"64KB\"", "k.toml:2:19: proxy.max_header_size: \"64KB\" is not a size" + size},
      {"[log]\nlevel = false",
       "k.toml:2:9: log.level: expected a string, got the boolean false; allowed: \"trace\", \"debug\", \"info\", "
       "\"warn\", \"error\" or \"off\"\n"},
      {"[log]\nlevel = \"verbose\"",
       "k.toml:2:9: log.level: \"verbose\" is none of its values; allowed: \"trace\", \"debug\", \"info\", \"warn\", "
       "\"error\" or \"off\"\n"},
      {"[log]\nfile = {}", "k.toml:2:8: log.file: expected a string, got a table; allowed: text in quotes\n"},
      {"[proxy]\nlisten = \"127.0.0.1:1\"",
       "k.toml:2:10: proxy.listen: expected an array of strings, got the string \"127.0.0.1:1\"" + list},
      {"[host.\"*\"]\nretry_methods = [\n  \"GET\",\n  5]",
       "k.toml:4:3: host.\"*\".retry_methods: expected a string, got the number 5" + list},
      {"[proxy]\nconnect_ports = 443",
       "k.toml:2:17: proxy.connect_ports: expected an array of ports, got the number 443; allowed: an array of ports "
       "from 1 to 65535 and ranges like \"1024-65535\"\n"},
  });
}

TEST_CASE("a value out of range is an error that names the range") {
  const std::string from_one_ms = " is out of range; allowed: \"1ms\" to \"8760h\"\n";
  check_errors({
      {"[proxy]\nmax_clients = 0", "k.toml:2:15: proxy.max_clients: 0 is out of range; allowed: 1 to 10000000\n"},
      {"[proxy]\nmax_clients = -1", "k.toml:2:15: proxy.max_clients: -1 is out of range; allowed: 1 to 10000000\n"},
      {"[proxy]\nmax_clients = 4294967297",
       "k.toml:2:15: proxy.max_clients: 4294967297 is out of range; allowed: 1 to 10000000\n"},
      {"[proxy]\nclient_header_timeout = \"0s\"", "k.toml:2:25: proxy.client_header_timeout: \"0s\"" + from_one_ms},
      {"[proxy]\nclient_header_timeout = \"8761h\"",
       "k.toml:2:25: proxy.client_header_timeout: \"8761h\"" + from_one_ms},
      {"[proxy]\nclient_header_timeout = \"99999999999999999999h\"",
       "k.toml:2:25: proxy.client_header_timeout: \"99999999999999999999h\"" + from_one_ms},
      {"[proxy]\nmax_header_size = \"1023B\"",
       "k.toml:2:19: proxy.max_header_size: \"1023B\" is out of range; allowed: \"1KiB\" to \"16MiB\"\n"},
      {"[proxy]\nmax_header_size = \"99999999999999999999GiB\"",
       "k.toml:2:19: proxy.max_header_size: \"99999999999999999999GiB\" is out of range; allowed: \"1KiB\" to "
       "\"16MiB\"\n"},
      {"[host.\"*\"]\nmax_connections = 0",
       "k.toml:2:19: host.\"*\".max_connections: 0 is out of range; allowed: 1 to 1000000\n"},
      {"[host.\"*\"]\nidle_timeout = \"0s\"", "k.toml:2:16: host.\"*\".idle_timeout: \"0s\"" + from_one_ms},
      {"[host.\"*\"]\nretry_body_size = \"1GiB\"",
       "k.toml:2:19: host.\"*\".retry_body_size: \"1GiB\" is out of range; allowed: \"0B\" to \"64MiB\"\n"},
  });
}

TEST_CASE("addresses, ranges, ports and methods are checked one by one, at their place") {
  const std::string address =
      " is not an address and a port; allowed: \"ADDR:PORT\", \"[v6]:PORT\" with port 0 to 65535, \"unix:/PATH\"\n";
  const std::string cidr =
      " is not a range of addresses; allowed: CIDRs like \"10.0.0.0/8\", \"fd00::/8\", or an address\n";
  const std::string ports =
      " is not a port or a range of ports; allowed: ports from 1 to 65535 and ranges like \"1024-65535\"\n";
  check_errors({
      {"[proxy]\nlisten = [\"localhost:3128\"]", "k.toml:2:11: proxy.listen: \"localhost:3128\"" + address},
      {"[proxy]\nlisten = [\"127.0.0.1\"]", "k.toml:2:11: proxy.listen: \"127.0.0.1\"" + address},
      {"[proxy]\nlisten = [\"127.0.0.1:65536\"]", "k.toml:2:11: proxy.listen: \"127.0.0.1:65536\"" + address},
      {"[proxy]\nlisten = [\"127.0.0.1:\"]", "k.toml:2:11: proxy.listen: \"127.0.0.1:\"" + address},
      {"[proxy]\nlisten = [\"::1:3128\"]", "k.toml:2:11: proxy.listen: \"::1:3128\"" + address},
      {"[proxy]\nlisten = [\":3128\"]", "k.toml:2:11: proxy.listen: \":3128\"" + address},
      {"[proxy]\nlisten = [\"127.0.0.1\\u0000x:1\"]", "k.toml:2:11: proxy.listen: \"127.0.0.1\\u0000x:1\"" + address},
      {"[proxy]\nallow_clients = [\"10.0.0.0/8\", \"10.0.0.0/33\"]",
       "k.toml:2:32: proxy.allow_clients: \"10.0.0.0/33\"" + cidr},
      {"[proxy]\ndeny_destinations = [\"fd00::/129\"]", "k.toml:2:22: proxy.deny_destinations: \"fd00::/129\"" + cidr},
      {"[proxy]\ndeny_destinations = [\"::ffff:10.0.0.0/95\"]",
       "k.toml:2:22: proxy.deny_destinations: \"::ffff:10.0.0.0/95\"" + cidr},
      {"[proxy]\ndeny_destinations = [\"::ffff:10.0.0.0/96\"]", ""},
      {"[proxy]\nallow_clients = [\"example.com\"]", "k.toml:2:18: proxy.allow_clients: \"example.com\"" + cidr},
      {"[proxy]\nallow_clients = [\"10.0.0.0/\"]", "k.toml:2:18: proxy.allow_clients: \"10.0.0.0/\"" + cidr},
      {"[proxy]\nconnect_ports = [443, 0, \"2-1\", true]",
       "k.toml:2:23: proxy.connect_ports: the number 0" + ports +
           "k.toml:2:26: proxy.connect_ports: the string \"2-1\"" + ports +
           "k.toml:2:33: proxy.connect_ports: the boolean true" + ports},
      {"[host.\"*\"]\nretry_methods = [\"GET\", \"CONNECT\"]",
       "k.toml:2:25: host.\"*\".retry_methods: CONNECT cannot be sent twice; allowed: any other method\n"},
      {"[host.\"*\"]\nretry_methods = [\"A B\"]",
       "k.toml:2:18: host.\"*\".retry_methods: \"A B\" is not a method; allowed: tokens like \"GET\"\n"},
      {"[log]\nfile = \"\"",
       "k.toml:2:8: log.file: \"\" names no file; allowed: a path, or \"-\" for standard error\n"},
  });
}

TEST_CASE("the status page is not built yet: where it listens is accepted at its default, or as off") {
  check_errors({
      {"[admin]\nlisten = \"127.0.0.1:9999\"",
       "k.toml:2:10: admin.listen: \"127.0.0.1:9999\": this key is not built yet in this release; allowed: its default "
       "\"127.0.0.1:3180\", or \"\"\n"},
      {"[admin]\nlisten = \"unix:/run/keepwarm/admin.sock\"",
       "k.toml:2:10: admin.listen: \"unix:/run/keepwarm/admin.sock\": this key is not built yet in this release; "
       "allowed: its default \"127.0.0.1:3180\", or \"\"\n"},
      {"[admin]\nlisten = \"here\"",
       "k.toml:2:10: admin.listen: \"here\" is not an address and a port; allowed: \"127.0.0.1:3180\", or \"\"\n"},
      {"[admin]\nlisten = \"127.0.0.1:3180\"", ""},
  });
}

TEST_CASE("connect_to and parent are checked, and a password is not repeated") {
  const std::string connect_to =
      " is no place to connect to; allowed: \"HOST:PORT\", \"[v6]:PORT\", \"unix:/PATH\", or \"\" for none\n";
  const std::string parent =
      " is no proxy's URL; allowed: \"http://HOST:PORT\", \"http://USER:PASSWORD@HOST:PORT\", or \"\" for none\n";
  check_errors({
      {"[host.\"*\"]\nupgrade = true\n", ""},
      {"[host.\"*\"]\nconnect_to = \"10.0.0.5:8443\"\n[host.\"a\"]\nconnect_to = \"unix:/run/app.sock\"", ""},
      {"[host.\"*\"]\nparent = \"http://user:secret@p:3128\"", ""},
      {"[host.\"*\"]\nconnect_to = \"10.0.0.5\"", "k.toml:2:14: host.\"*\".connect_to: \"10.0.0.5\"" + connect_to},
      {"[host.\"*\"]\nparent = \"https://user:secret@p:3128\"",
       "k.toml:2:10: host.\"*\".parent: \"https://***@p:3128\"" + parent},
  });
}

TEST_CASE("connect_to and parent are read as places, and an empty text is none") {
  const Config config = good(
      "[host.\"*\"]\nparent = \"http://u:s%33cret@Proxy:3128/\"\n"
      "[host.\"a\"]\nparent = \"\"\nconnect_to = \"Name:80\"\n"
      "[host.\"b\"]\nparent = \"\"");
  const policy::HostSettings all = config.hosts.resolve("c", 80);
  CHECK(all.parent == policy::parse_parent("http://u:s3cret@proxy:3128"));
  CHECK_FALSE(all.connect_to);
  CHECK(to_toml(read(all, *find_key(Section::Host, "parent"))) == R"("http://***@Proxy:3128/")");
  const policy::HostSettings moved = config.hosts.resolve("a", 80);
  CHECK_FALSE(moved.parent);
  CHECK(moved.connect_to == policy::parse_connect_to("name:80"));
  CHECK(to_toml(read(moved, *find_key(Section::Host, "connect_to"))) == R"("Name:80")");
  CHECK(config.hosts.resolve("b", 80) == policy::HostSettings{});
}

TEST_CASE("zones and names that are not ASCII are refused with what to do") {
  const auto refused_for = [](std::string_view text, std::string_view hint) {
    return errors_of(text).find(std::string(" (").append(hint).append("); allowed: ")) != std::string::npos;
  };
  constexpr std::string_view kZone = "an address has no zone here";
  constexpr std::string_view kName = R"(a name is written in its ASCII form, "xn--…")";
  CHECK(refused_for("[proxy]\nlisten = [\"[fe80::1%eth0]:3128\"]", kZone));
  CHECK(refused_for("[proxy]\ndeny_destinations = [\"fe80::1%eth0\"]", kZone));
  CHECK(refused_for("[host.\"*\"]\nconnect_to = \"[fe80::1%eth0]:80\"", kZone));
  CHECK(refused_for("[host.\"*\"]\nparent = \"http://u:p@[fe80::1%25eth0]:80\"", kZone));
  CHECK(refused_for("[host.\"*\"]\nconnect_to = \"bücher.example:80\"", kName));
  CHECK(refused_for("[host.\"*\"]\nparent = \"http://bücher.example:80\"", kName));
  CHECK_FALSE(refused_for("[host.\"*\"]\nparent = \"http://u:%zz@p:80\"", kZone));
  CHECK_FALSE(refused_for("[host.\"*\"]\nparent = \"http://u:ü/@p:80\"", kName));
}

TEST_CASE("connect_to and a parent exclude each other for a host, wherever they come from") {
  const std::string message = ": a parent does the connecting; allowed: connect_to or parent, the other one \"\"\n";
  check_errors({
      {"[host.\"a\"]\nparent = \"http://p:1\"\nconnect_to = \"b:2\"", "k.toml:3:14: host.\"a\".connect_to" + message},
      {"[host.\"*\"]\nparent = \"http://p:1\"\n[host.\"a\"]\nconnect_to = \"b:2\"",
       "k.toml:4:14: host.\"a\".connect_to" + message},
      {"[host.\"*\"]\nconnect_to = \"b:2\"\n[host.\"a\"]\nparent = \"http://p:1\"",
       "k.toml:4:10: host.\"a\".parent" + message},
      {"[host.\"*\"]\nparent = \"http://p:1\"\n[host.\"a\"]\nparent = \"\"\nconnect_to = \"b:2\"", ""},
  });
}

TEST_CASE("what only another layer can tell is an error at its line, too") {
  const Review review = [](const Config&) {
    return std::vector<Finding>{{"host.\"a\".tls.ca_file", {}, "no such file"}};
  };
  const auto result = parse_config("[host.\"a\".tls]\nca_file = \"/x\"", "k.toml", review);
  REQUIRE_FALSE(result.ok());
  REQUIRE(result.failure().size() == 1);
  CHECK(to_text(result.failure()[0]) == "k.toml:2:11: host.\"a\".tls.ca_file: no such file");
}

TEST_CASE("two tables for the same hosts are an error at the second") {
  check_errors({
      {"[host.\"b.example:80\"]\n[host.\"B.example.:80\"]",
       "k.toml:2:7: host.\"B.example.:80\": names the same hosts as host.\"b.example:80\" in line 1; allowed: one "
       "table for each\n"},
      {"[host.\"[::1]\"]\n[host.\"0:0::1\"]",
       "k.toml:2:7: host.\"0:0::1\": names the same hosts as host.\"[::1]\" in line 1; allowed: one table for each\n"},
      {"[host.\"a\"]\n[host.\"a:80\"]\n[host.\"*.a\"]", ""},
  });
  // The same text twice is refused by TOML itself.
  CHECK(errors_of("[host.\"a\"]\n[host.\"a\"]").starts_with("k.toml:2:1: not valid TOML: "));
}

TEST_CASE("a wrong host pattern is an error at the name of the table") {
  check_errors({
      {"[host.\"http://a\"]",
       "k.toml:1:7: host.\"http://a\": it is a host, not a URL; allowed: \"*\", \"*.example.com\", \"example.com\", an "
       "IP address, each but \"*\" also with \":PORT\"\n"},
      {"[host.www.example.com]\nreuse = false",
       "k.toml:1:11: host.\"www\".example: unknown table; a host's name with its dots stands in quotes: "
       "[host.\"www.example.com\"]\n"},
      {"[host.a.b.tls]\nverify = false",
       "k.toml:1:9: host.\"a\".b: unknown table; a host's name with its dots stands in quotes: [host.\"a.b\"]\n"},
  });
}

TEST_CASE("a listener beyond this machine needs allow_clients") {
  const std::string rule =
      " is not a loopback address; allowed: those, unix sockets, or any once proxy.allow_clients says who may "
      "connect\n";
  check_errors({
      {"[proxy]\nlisten = [\"0.0.0.0:3128\"]", "k.toml:2:10: proxy.listen: \"0.0.0.0:3128\"" + rule},
      {"[proxy]\nlisten = [\"127.0.0.1:1\", \"[::]:3128\"]", "k.toml:2:10: proxy.listen: \"[::]:3128\"" + rule},
      {"[proxy]\nlisten = [\"192.0.2.1:1\"]\nallow_clients = []", "k.toml:2:10: proxy.listen: \"192.0.2.1:1\"" + rule},
      {"[proxy]\nlisten = [\"[::ffff:10.0.0.1]:1\"]", "k.toml:2:10: proxy.listen: \"10.0.0.1:1\"" + rule},
      {"[proxy]\nlisten = [\"0.0.0.0:3128\"]\nallow_clients = [\"10.0.0.0/8\"]", ""},
      {"[proxy]\nlisten = [\"127.9.9.9:1\", \"[::1]:1\", \"[::ffff:127.0.0.1]:2\"]", ""},
  });
}

TEST_CASE("a wrong allow_clients is not reported as a missing one too") {
  check_errors({
      {"[proxy]\nlisten = [\"0.0.0.0:1\"]\nallow_clients = [\"me\"]",
       "k.toml:3:18: proxy.allow_clients: \"me\" is not a range of addresses; allowed: CIDRs like \"10.0.0.0/8\", "
       "\"fd00::/8\", or an address\n"},
  });
}

TEST_CASE("listen needs an address, and each only once") {
  check_errors({
      {"[proxy]\nlisten = []",
       "k.toml:2:10: proxy.listen: [] leaves nothing to listen on; allowed: one \"ADDR:PORT\" or \"unix:/PATH\", or "
       "more\n"},
      {"[proxy]\nlisten = [\"127.0.0.1:1\", \"127.0.0.1:1\"]",
       "k.toml:2:10: proxy.listen: \"127.0.0.1:1\" stands there twice\n"},
      {"[proxy]\nlisten = [\"127.0.0.1:0\", \"127.0.0.1:0\"]", ""},
  });
}

TEST_CASE("a client certificate needs its key once the tables are laid over each other") {
  const std::string rule = ": client_certificate and client_key go together; allowed: both, or neither\n";
  check_errors({
      {"[host.\"a\".tls]\nclient_certificate = \"c\"", "k.toml:2:22: host.\"a\".tls.client_certificate" + rule},
      {"[host.\"a\".tls]\nclient_key = \"k\"", "k.toml:2:14: host.\"a\".tls.client_key" + rule},
      {"[host.\"*.a\".tls]\nclient_certificate = \"c\"\nclient_key = \"k\"\n[host.\"b.a\".tls]\nclient_key = \"\"",
       "k.toml:5:14: host.\"b.a\".tls.client_key" + rule},
      {"[host.\"*.a\".tls]\nclient_certificate = \"c\"\nclient_key = \"k\"\n[host.\"b.a\".tls]\nclient_key = \"k2\"",
       ""},
      {"[host.\"*\".tls]\nclient_key = \"k\"\nclient_certificate = \"c\"\n[host.\"*.a:1\".tls]\nclient_key = \"\"\n"
       "client_certificate = \"\"\n[host.\"b.a\".tls]\nclient_certificate = \"c2\"",
       "k.toml:8:22: host.\"b.a\".tls.client_certificate" + rule},
  });
}

TEST_CASE("all errors come together, in the order of the file") {
  CHECK(errors_of(
            "[proxy]\nvia = 1\nlisten = [\"0.0.0.0:1\", 7]\n[dns]\nttl = \"x\"\n[host.\"*\"]\nfoo = 1\nmax_idle = -1\n"
            "[admin]\nlisten = 5\n") ==
        "k.toml:2:7: proxy.via: expected a boolean or a string, got the number 1; allowed: true, false or \"always\"\n"
        "k.toml:3:24: proxy.listen: expected a string, got the number 7; allowed: strings in brackets, like "
        "[\"a\", \"b\"]\n"
        "k.toml:5:7: dns.ttl: \"x\" is not a duration; allowed: a number and a unit in quotes, like \"250ms\", \"4s\", "
        "\"2m\" or \"1h\"\n"
        "k.toml:7:1: host.\"*\".foo: unknown key; allowed: reuse, idle_timeout, idle_margin, server_hint, learn, "
        "assumed_idle_timeout, unsafe_reuse, keep_warm, keep_warm_for, max_connections, max_idle, max_requests, "
        "max_lifetime, queue_timeout, connect_timeout, response_timeout, stall_timeout, tunnel_timeout, retry, "
        "retry_body_size, retry_methods, retry_undelivered, retry_idempotency_key, upgrade, upgrade_cookies, "
        "intercept, connect_to, parent, tls\n"
        "k.toml:8:12: host.\"*\".max_idle: -1 is out of range; allowed: 0 to 1000000\n"
        "k.toml:10:10: admin.listen: expected a string, got the number 5; allowed: text in quotes\n");
}

TEST_CASE("a long text is shortened in a message, between two characters") {
  const std::string message = errors_of("[dns]\nttl = \"" + std::string(59, 'x') + "ü and more\"");
  CHECK(message.starts_with("k.toml:2:7: dns.ttl: \"" + std::string(59, 'x') + "\"… is not a duration; "));
}

TEST_CASE("a file that cannot be read is an error with the system's reason") {
  const Result<Config, ConfigErrors> missing = load_config("/nonexistent/keepwarm.toml");
  REQUIRE_FALSE(missing.ok());
  REQUIRE(missing.failure().size() == 1);
  CHECK(to_text(missing.failure()[0]) == "/nonexistent/keepwarm.toml: cannot be read: No such file or directory");

  const Result<Config, ConfigErrors> folder = load_config("/");
  REQUIRE_FALSE(folder.ok());
  CHECK(to_text(folder.failure().at(0)) == "/: cannot be read: Is a directory");

  CHECK(load_config("/dev/null").ok());
}

TEST_CASE("addresses of the command line take the place of proxy.listen under the same rules") {
  Config config;
  CHECK(override_listen(config, {}).empty());
  CHECK(config.proxy == policy::ProxySettings{});

  const std::vector<std::string> loopback = {"127.0.0.1:0"};
  CHECK(override_listen(config, loopback).empty());
  CHECK(config.proxy.listen == listening_at({"127.0.0.1:0"}));
  CHECK_FALSE(config.proxy.listen_is_default);

  const std::vector<std::string> everywhere = {"0.0.0.0:3128"};
  const ConfigErrors refused = override_listen(config, everywhere);
  REQUIRE(refused.size() == 1);
  CHECK(to_text(refused[0]) ==
        "command line: --listen: \"0.0.0.0:3128\" is not a loopback address; allowed: those, unix sockets, or any once "
        "proxy.allow_clients says who may connect");
  config.proxy.allow_clients = ranges({"10.0.0.0/8"});
  CHECK(override_listen(config, everywhere).empty());

  const std::vector<std::string> wrong = {"localhost:1", "unix:x"};
  const ConfigErrors both = override_listen(config, wrong);
  REQUIRE(both.size() == 2);
  CHECK(to_text(both[0]) ==
        "command line: --listen: \"localhost:1\" is not an address and a port; allowed: \"ADDR:PORT\", \"[v6]:PORT\" "
        "with port 0 to 65535, \"unix:/PATH\"");
  CHECK(to_text(both[1]) ==
        "command line: --listen: \"unix:x\": the path is not absolute; allowed: \"ADDR:PORT\", \"[v6]:PORT\" with port "
        "0 to 65535, \"unix:/PATH\"");
}

}  // namespace keepwarm::config
