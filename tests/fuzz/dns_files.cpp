#include <string>

#include "core/net/dns/hosts_file.h"
#include "core/net/dns/resolv_conf.h"
#include "core/net/dns/resolver_choice.h"
#include "tests/fuzz/fuzz.h"

// /etc/hosts, /etc/resolv.conf and the line `hosts:` of /etc/nsswitch.conf: whatever stands in them, there is an
// answer.
namespace {

using namespace keepwarm;
using namespace keepwarm::net;
using fuzz::expect;

/// Calls `visit` with each word of the text.
template <typename Visit>
void each_word(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    text.remove_prefix(begin);
    const std::string_view word = text.substr(0, text.find_first_of(" \t\r\n"));
    if (!word.empty()) visit(word);
    text.remove_prefix(word.size());
  }
}

void check_hosts(std::string_view text) {
  const HostsFile hosts{std::string(text)};
  each_word(text, [&hosts](std::string_view word) { expect(hosts.has(word) == !hosts.find(word).empty()); });
  expect(!hosts.has("") && hosts.find("").empty());
}

void check_resolv_conf(std::string_view text) {
  const ResolvConf conf = parse_resolv_conf(text, "machine.example.test");
  expect(!conf.servers.empty() && conf.servers.size() <= ResolvConf::kMaxServers);
  for (const std::string_view name : {"a", "a.b", "a.b.c.d"}) expect(!names_to_ask(name, conf).empty());
  expect(parse_resolv_conf(text, "machine.example.test") == conf);
}

void check_nsswitch(std::string_view text) {
  const ResolverChoice choice = choose_resolver(ResolverMode::Auto, text, parse_resolv_conf({}), {});
  expect(!choice.why.empty());
  static_cast<void>(asks_system("printer.local", choice, "machine"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  switch (data[0] % 3U) {
    case 0: check_hosts(text); break;
    case 1: check_resolv_conf(text); break;
    default: check_nsswitch(text); break;
  }
  return 0;
}
