#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "core/net/dns/address_order.h"
#include "core/net/dns/hosts_file.h"
#include "core/net/dns/name_case.h"
#include "core/net/dns/resolv_conf.h"
#include "core/net/dns/resolver_choice.h"
#include "core/net/dns/server_order.h"
#include "core/net/dns/system_names.h"
#include "tests/unit/net/net_fixture.h"
#include "tests/unit/net/unix_fixture.h"

namespace keepwarm::net::test {
namespace {

using Names = std::vector<std::string>;

Names servers_of(const ResolvConf& conf) {
  Names all;
  for (const SocketAddress& server : conf.servers) all.push_back(server.text());
  return all;
}

TEST_CASE("resolv.conf is read as glibc reads it") {
  const ResolvConf conf = parse_resolv_conf(
      "# a comment\n; another\nnameserver 192.0.2.53\nnameserver 2001:db8::53  # the rest does not count\n"
      "domain first.example\nsearch Corp.Example. example\noptions ndots:5 timeout:3 attempts:4 rotate edns0 trust-ad\n"
      "nameserver bad\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n");
  CHECK(servers_of(conf) == Names{"192.0.2.53:53", "[2001:db8::53]:53", "192.0.2.54:53"});
  CHECK(conf.search == Names{"corp.example", "example"});
  CHECK(conf.ndots == 5);
  CHECK(conf.attempts == 4);
  CHECK(conf.rotate);
  CHECK(conf.others.empty());
}

TEST_CASE("without a name server in resolv.conf this machine is asked") {
  for (const char* text : {"", "\n", "search example\n", "nameserver\n", "nameserver x\n"}) {
    CAPTURE(text);
    CHECK(servers_of(parse_resolv_conf(text)) == Names{"127.0.0.1:53"});
  }
}

TEST_CASE("name servers may have a scope, and old notations, and 0.0.0.0 is this machine") {
  CHECK(servers_of(parse_resolv_conf("nameserver fe80::1%lo\nnameserver 127.2\nnameserver 0.0.0.0\n")) ==
        Names{"[fe80::1%lo]:53", "127.0.0.2:53", "127.0.0.1:53"});
}

TEST_CASE("without a search list in resolv.conf it is the domain of this machine's name") {
  CHECK(parse_resolv_conf("", "box.Corp.example.").search == Names{"corp.example"});
  CHECK(parse_resolv_conf("", "box").search.empty());
  CHECK(parse_resolv_conf("search .", "box.corp.example").search.empty());
  CHECK(parse_resolv_conf("domain other.example", "box.corp.example").search == Names{"other.example"});
}

TEST_CASE("numbers in resolv.conf have bounds, and at least one round is made") {
  CHECK(parse_resolv_conf("options ndots:99 attempts:99\n").ndots == 15);
  CHECK(parse_resolv_conf("options attempts:99\n").attempts == 5);
  CHECK(parse_resolv_conf("options attempts:0\n").attempts == 1);
  CHECK(parse_resolv_conf("options ndots:0\n").ndots == 0);
}

TEST_CASE("what c-ares on our loop cannot do is named") {
  struct Case {
    const char* line;
    const char* other;
  };
  const Case cases[] = {{"options use-vc", "use-vc"},
                        {"options single-request", "single-request"},
                        {"options ndots:x", "ndots:x"},
                        {"sortlist 192.0.2.0/24", "sortlist"},
                        {"nameserver fe80::1%nosuch0", "nameserver fe80::1%nosuch0"}};
  for (const Case& c : cases) {
    CAPTURE(c.line);
    CHECK(parse_resolv_conf(c.line).others == Names{c.other});
  }
}

TEST_CASE("the search list comes first for names with few dots") {
  ResolvConf conf;
  conf.search = {"corp.example", "example"};
  CHECK(names_to_ask("db", conf) == Names{"db.corp.example", "db.example", "db"});
  CHECK(names_to_ask("a.b", conf) == Names{"a.b", "a.b.corp.example", "a.b.example"});
  conf.ndots = 5;
  CHECK(names_to_ask("a.b", conf) == Names{"a.b.corp.example", "a.b.example", "a.b"});
  CHECK(names_to_ask(std::string(250, 'a'), conf) == Names{std::string(250, 'a')});
  conf.search.clear();
  CHECK(names_to_ask("db", conf) == Names{"db"});
}

TEST_CASE("/etc/hosts gives each of a line's names its address") {
  const HostsFile hosts(
      "127.0.0.1 localhost\n192.0.2.1\tA.example alias a.example. # other\n# 192.0.2.9 no.example\n"
      "192.0.2.2 a.example\n2001:db8::1 a.example\n192.0.2.1 a.example\nbad b.example\n192.0.2.3\n");
  const auto texts = [&](const char* name) {
    Names all;
    for (const SocketAddress& address : hosts.find(name)) all.push_back(address.host_text());
    return all;
  };
  CHECK(texts("a.example") == Names{"192.0.2.1", "192.0.2.2", "2001:db8::1"});
  CHECK(texts("alias") == Names{"192.0.2.1"});
  for (const char* name : {"b.example", "no.example", "other", "#"}) CHECK(texts(name).empty());
}

TEST_CASE("a dot alone is no name in /etc/hosts") {
  const HostsFile hosts("10.0.0.1 a . b.\n");
  CHECK_FALSE(hosts.has(""));
  CHECK(hosts.has("a"));
  CHECK(hosts.has("b"));
}

TEST_CASE("c-ares serves where nsswitch.conf asks for nothing that it cannot do") {
  struct Case {
    const char* line;
    const char* server;
    const char* why;  // what nsswitch.conf asks for; "": it serves
  };
  const Case cases[] = {
      {"hosts: files dns", "192.0.2.53", ""},
      {"passwd: x\n  hosts:\tfiles   dns # dns files", "192.0.2.53", ""},
      {"passwd: files", "192.0.2.53", ""},
      {"", "192.0.2.53", ""},
      {"hosts: files mdns4_minimal [NOTFOUND=return] dns", "192.0.2.53", ""},
      {"hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname", "192.0.2.53", ""},
      {"hosts: files myhostname resolve [!UNAVAIL=return] dns", "127.0.0.53", ""},
      {"hosts: resolve [!UNAVAIL=return] files myhostname dns", "127.0.0.53", ""},
      {"hosts: resolve [!UNAVAIL=return] dns", "192.0.2.53", "\"resolve\", whose stub is not in /etc/resolv.conf"},
      {"hosts: mymachines resolve [!UNAVAIL=return] files dns", "127.0.0.53", "\"mymachines\""},
      {"hosts: files ldap dns", "192.0.2.53", "\"ldap\""},
      {"hosts: files wins dns", "192.0.2.53", "\"wins\""},
      {"hosts: files mdns4 dns", "192.0.2.53", "\"mdns4\""},
      {"hosts: dns files", "192.0.2.53", "\"files\" behind \"dns\""},
      {"hosts: files", "192.0.2.53", "no DNS"},
      {"hosts: dns", "192.0.2.53", "no \"files\""},
      {"hosts: files [NOTFOUND=return] dns", "192.0.2.53", "\"files [notfound=return]\""},
      {"hosts: files mdns4_minimal [NOTFOUND=continue] dns", "192.0.2.53", "\"mdns4_minimal [notfound=continue]\""},
      {"hosts: files dns [!UNAVAIL=return]", "192.0.2.53", ""},
  };
  for (const Case& c : cases) {
    CAPTURE(c.line);
    const ResolvConf conf = parse_resolv_conf(std::string("nameserver ") + c.server);
    const ResolverChoice choice = choose_resolver(ResolverMode::Auto, c.line, conf, "");
    CHECK(choice.cares == std::string_view(c.why).empty());
    if (!choice.cares) CHECK(choice.why == "/etc/nsswitch.conf asks for " + std::string(c.why));
    CHECK_FALSE(choose_resolver(ResolverMode::System, c.line, conf, "").cares);
    CHECK(choose_resolver(ResolverMode::Cares, c.line, conf, "").cares);
  }
  const ResolvConf plain = parse_resolv_conf("nameserver 192.0.2.53");
  CHECK(choose_resolver(ResolverMode::Auto, "", plain, "LOCALDOMAIN").why == "the environment has LOCALDOMAIN");
  CHECK(choose_resolver(ResolverMode::Auto, "", parse_resolv_conf("options use-vc"), "").why ==
        "/etc/resolv.conf asks for \"use-vc\"");
}

TEST_CASE("some names are the system's though c-ares serves") {
  const ResolvConf conf = parse_resolv_conf("nameserver 192.0.2.53");
  const auto with = [&](const char* line) { return choose_resolver(ResolverMode::Auto, line, conf, ""); };
  const ResolverChoice plain = with("hosts: files dns");
  const ResolverChoice full = with("hosts: files mdns4_minimal [NOTFOUND=return] dns myhostname");
  for (const char* name : {"www.example.com", "printer.local", "box", "_gateway", "a_b.example", "1.example"}) {
    CAPTURE(name);
    CHECK_FALSE(asks_system(name, plain, "Box"));
  }
  for (const char* name : {"printer.local", "local", "box", "_gateway", "_outbound"}) {
    CAPTURE(name);
    CHECK(asks_system(name, full, "Box"));
  }
  CHECK_FALSE(asks_system("www.example.com", full, "Box"));
  for (const char* name : {"127.1", "2130706433", "0x7f.1", "a..b", ".a",
                           "b\xC3\xBC"
                           "cher.example",
                           "a b", "a*"}) {
    CAPTURE(name);
    CHECK(asks_system(name, plain, "Box"));
  }
}

TEST_CASE("the preferred family is that of RFC 6724") {
  struct Case {
    const char* name;
    const char* v6;
    const char* v6_source;
    const char* v4;
    const char* v4_source;
    bool v6_first;
  };
  const Case cases[] = {
      {"both are reachable", "2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2", true},
      {"no route for IPv6", "2001:db8::1", "", "192.0.2.1", "192.0.2.2", false},
      {"no route for IPv4", "2001:db8::1", "2001:db8::2", "192.0.2.1", "", true},
      {"IPv6 would come from a link-local address", "2001:db8::1", "fe80::1", "192.0.2.1", "192.0.2.2", false},
      {"IPv6 would come from a unique local address", "2001:db8::1", "fd00::1", "192.0.2.1", "192.0.2.2", false},
      {"6to4", "2001:db8::1", "2002:c000:202::1", "192.0.2.1", "192.0.2.2", false},
      {"a unique local destination", "fd00::1", "fd00::2", "192.0.2.1", "192.0.2.2", false},
      {"loopback", "::1", "::1", "127.0.0.1", "127.0.0.1", true}};
  const auto source = [](const char* text) { return *text == '\0' ? std::nullopt : IpAddress::parse(text); };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    CHECK(prefers_v6({*IpAddress::parse(c.v6), source(c.v6_source)}, {*IpAddress::parse(c.v4), source(c.v4_source)}) ==
          c.v6_first);
  }
}

TEST_CASE("a dead server comes last until it answers, and is tried once a minute") {
  using Order = std::vector<std::uint8_t>;
  const TimePoint start{1000h};
  ServerOrder servers(3, false);
  CHECK(servers.order() == Order{0, 1, 2});
  CHECK_FALSE(servers.trial(start));
  servers.died(0, start);
  servers.answered(0, start - 1s);
  CHECK(servers.order() == Order{1, 2, 0});
  CHECK_FALSE(servers.trial(start + 59s));
  CHECK(servers.trial(start + 60s) == 0);
  CHECK_FALSE(servers.trial(start + 119s));
  CHECK(servers.trial(start + 120s) == 0);
  CHECK(servers.order() == Order{1, 2, 0});
  servers.died(1, start + 120s);
  CHECK(servers.order() == Order{2, 0, 1});
  servers.answered(0, start + 121s);
  CHECK(servers.order() == Order{0, 2, 1});
  CHECK(servers.trial(start + 180s) == 1);
  servers.died(0, start + 180s);
  servers.died(2, start + 180s);
  CHECK(servers.order() == Order{0, 1, 2});  // all are dead: as they stand in the file
  CHECK_FALSE(servers.trial(start + 300s));
  ServerOrder rotating(2, true);
  CHECK(rotating.order() == Order{0, 1});
  CHECK(rotating.order() == Order{1, 0});
  CHECK(rotating.order() == Order{0, 1});
}

TEST_CASE("a server is asked in random case until it shows that it does not cope") {
  NameCase letters;
  CHECK(letters.random(RecordType::A));
  CHECK_FALSE(letters.random(RecordType::Aaaa));
  for (std::uint32_t i = 0; i < NameCase::kTrial; ++i) {
    letters.altered();  // forged, perhaps
    letters.found();
  }
  CHECK(letters.random(RecordType::A));
  CHECK(letters.random(RecordType::Aaaa));
  letters.altered();
  letters.altered();
  CHECK_FALSE(letters.random(RecordType::A));
  NameCase strict;
  strict.not_found();
  CHECK_FALSE(strict.random(RecordType::A));
}

TEST_CASE("the system's files are read again when they have changed, and not before") {
  const TempFolder folder;
  const auto write = [&](const char* name, std::string_view text) { std::ofstream(folder / name) << text; };
  SystemNames names(ResolverMode::Auto, {folder / "hosts", folder / "resolv.conf", folder / "nsswitch.conf"});
  CHECK(names.choice().cares);
  CHECK_FALSE(names.hosts().has("a.example"));
  CHECK_FALSE(names.refresh());
  write("hosts", "192.0.2.1 a.example\n");
  CHECK(names.refresh());
  CHECK(names.hosts().has("a.example"));
  CHECK_FALSE(names.refresh());
  write("resolv.conf", "nameserver 192.0.2.53\n");
  CHECK(names.refresh());
  CHECK(servers_of(names.conf()) == Names{"192.0.2.53:53"});
  write("nsswitch.conf", "hosts: ldap\n");
  CHECK(names.refresh());
  CHECK_FALSE(names.choice().cares);
  CHECK(names.asks_system("www.example.com"));
  names.set_mode(ResolverMode::Cares);
  CHECK_FALSE(names.asks_system("www.example.com"));
  REQUIRE(::unlink((folder / "hosts").c_str()) == 0);
  CHECK(names.refresh());
  CHECK_FALSE(names.hosts().has("a.example"));
}

}  // namespace
}  // namespace keepwarm::net::test
