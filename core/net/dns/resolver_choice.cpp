#include "core/net/dns/resolver_choice.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/net/dns/words.h"

namespace keepwarm::net {
namespace {

/// An entry of the line `hosts:` with the actions behind it, without their brackets.
struct Source {
  std::string name;
  std::string actions;
};

/// nullopt: there is no such line.
std::optional<std::vector<Source>> hosts_sources(std::string_view nsswitch) {
  std::optional<std::vector<Source>> sources;
  each_line(nsswitch, [&sources](std::string_view line) {
    line = line.substr(0, line.find('#'));
    const std::size_t begin = line.find_first_not_of(" \t");
    if (sources || begin == std::string_view::npos) return;
    line.remove_prefix(begin);
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || words_of(line.substr(0, colon)) != std::vector<std::string_view>{"hosts"}) {
      return;
    }
    std::string rest(line.substr(colon + 1));
    sources.emplace();
    while (!rest.empty()) {
      const std::size_t open = rest.find('[');
      for (const std::string_view word : words_of(std::string_view(rest).substr(0, open))) {
        sources->push_back({normal_name(word), {}});
      }
      if (open == std::string::npos) break;
      const std::size_t close = std::min(rest.find(']', open), rest.size());
      const std::string action = normal_name(std::string_view(rest).substr(open + 1, close - open - 1));
      if (!sources->empty()) sources->back().actions += "[" + action + "]";
      rest.erase(0, std::min(close + 1, rest.size()));
    }
  });
  return sources;
}

bool has_stub(const ResolvConf& conf) {
  // systemd-resolved's: of 127.0.0.53 and .54.
  return std::all_of(conf.servers.begin(), conf.servers.end(), [](const SocketAddress& server) {
    const std::string host = server.host_text();
    return host == "127.0.0.53" || host == "127.0.0.54";
  });
}

/// What of the files c-ares cannot do; "": nothing. Sets the names that are the system's in `choice`.
std::string obstacle(const std::vector<Source>& sources, const ResolvConf& conf, ResolverChoice& choice) {
  bool dns = false;
  bool files = false;
  for (const Source& source : sources) {
    const bool last = &source == &sources.back();
    const auto allows = [&source](std::string_view actions) {
      return source.actions.empty() || source.actions == actions;
    };
    if (source.name == "files") {
      if (dns) return "\"files\" behind \"dns\"";
      if (!allows("[success=return]") && !last) return "\"files " + source.actions + "\"";
      files = true;
    } else if (source.name == "dns") {
      if (!allows("[!unavail=return]") && !last) return "\"dns " + source.actions + "\"";
      dns = true;
    } else if (source.name == "resolve") {
      if (!has_stub(conf)) return "\"resolve\", whose stub is not in /etc/resolv.conf";
      if (!allows("[!unavail=return]") && !last) return "\"resolve " + source.actions + "\"";
      dns = files = true;  // it reads /etc/hosts itself, and what follows it serves only when it does not run
      choice.own_names = true;
      if (!source.actions.empty()) break;
    } else if (source.name == "myhostname") {
      choice.own_names = true;
    } else if (source.name == "mdns4_minimal") {
      if (!allows("[notfound=return]")) return "\"mdns4_minimal " + source.actions + "\"";
      choice.mdns = true;
    } else {
      return "\"" + source.name + "\"";
    }
  }
  if (!dns) return "no DNS";
  return files ? "" : "no \"files\"";
}

}  // namespace

ResolverChoice choose_resolver(ResolverMode mode, std::string_view nsswitch, const ResolvConf& conf,
                               std::string_view environment) {
  if (mode == ResolverMode::System) return {.cares = false, .why = "dns.resolver = \"system\" says so"};
  if (mode == ResolverMode::Cares) return {.cares = true, .why = "dns.resolver = \"c-ares\" says so"};
  if (!environment.empty()) {
    return {.cares = false, .why = "the environment has " + std::string(environment)};
  }
  if (!conf.others.empty()) {
    return {.cares = false, .why = "/etc/resolv.conf asks for \"" + conf.others.front() + "\""};
  }
  ResolverChoice choice{.cares = true, .why = "/etc/nsswitch.conf and /etc/resolv.conf ask for nothing else"};
  if (const auto sources = hosts_sources(nsswitch)) {
    const std::string what = obstacle(*sources, conf, choice);
    if (!what.empty()) return {.cares = false, .why = "/etc/nsswitch.conf asks for " + what};
  }
  return choice;
}

bool asks_system(std::string_view name, const ResolverChoice& choice, std::string_view own_name) {
  // What is no host's name, and what inet_aton() takes for an address ("127.1"), are getaddrinfo's to judge.
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  if (!std::all_of(name.begin(), name.end(), is_plain) || name.find("..") != std::string_view::npos) return true;
  const std::string_view last = name.substr(name.rfind('.') + 1);
  if (last.empty() || name.front() == '.' || (last.front() >= '0' && last.front() <= '9')) return true;
  if (choice.mdns && (last == "local")) return true;
  return choice.own_names && (name == normal_name(own_name) || name == "_gateway" || name == "_outbound");
}

}  // namespace keepwarm::net
