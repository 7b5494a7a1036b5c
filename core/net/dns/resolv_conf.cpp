#include "core/net/dns/resolv_conf.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

#include "core/net/dns/words.h"

namespace keepwarm::net {
namespace {

constexpr std::uint16_t kDnsPort = 53;
constexpr unsigned kMaxNdots = 15;      // what glibc takes
constexpr unsigned kMaxAttempts = 5;    // what glibc takes
constexpr std::size_t kMaxSearch = 64;  // each costs two questions for a name that is not there
constexpr std::size_t kMaxName = 253;

/// Options that change nothing for who asks for addresses alone, and reads the file again by himself.
constexpr std::array<std::string_view, 5> kNothingToDo = {"edns0", "trust-ad", "no-reload", "debug", "ip6-dotint"};

/// "ndots:5" with the key "ndots": 5 or the maximum; false: another option, or no number.
bool number_of(std::string_view option, std::string_view key, unsigned max, unsigned& number) {
  if (!option.starts_with(key) || option.size() <= key.size() || option[key.size()] != ':') return false;
  const std::string_view digits = option.substr(key.size() + 1);
  unsigned parsed = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed);
  if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  number = std::min(parsed, max);
  return true;
}

void take_option(std::string_view option, ResolvConf& conf) {
  unsigned ignored = 0;
  if (number_of(option, "ndots", kMaxNdots, conf.ndots)) return;
  if (number_of(option, "attempts", kMaxAttempts, conf.attempts)) return;
  if (number_of(option, "timeout", kMaxAttempts, ignored)) return;
  if (option == "rotate") {
    conf.rotate = true;
  } else if (std::find(kNothingToDo.begin(), kNothingToDo.end(), option) == kNothingToDo.end()) {
    conf.others.emplace_back(option);
  }
}

void take_server(std::string_view text, ResolvConf& conf) {
  if (conf.servers.size() == ResolvConf::kMaxServers) return;
  auto address = SocketAddress::parse_any_notation(text, kDnsPort);
  if (!address) {
    // The interface of its scope may come later.
    if (text.find('%') != std::string_view::npos) conf.others.push_back("nameserver " + std::string(text));
    return;
  }
  // 0.0.0.0 means this machine, which answers as 127.0.0.1.
  if (address->is_unspecified()) {
    address = SocketAddress::parse(address->family() == AF_INET ? "127.0.0.1" : "::1", kDnsPort);
  }
  conf.servers.push_back(*address);
}

void take_line(std::string_view line, ResolvConf& conf, bool& has_search) {
  if (line.starts_with('#') || line.starts_with(';')) return;
  const std::vector<std::string_view> words = words_of(line);
  if (words.size() < 2) return;
  const std::string_view key = words.front();
  if (key == "nameserver") {
    take_server(words[1], conf);
  } else if (key == "search" || key == "domain") {  // the last of them holds
    has_search = true;
    conf.search.clear();
    const std::size_t end = key == "domain" ? 2 : std::min(words.size(), kMaxSearch + 1);
    for (std::size_t i = 1; i < end; ++i) {
      if (std::string domain = normal_name(words[i]); !domain.empty()) conf.search.push_back(std::move(domain));
    }
  } else if (key == "options") {
    for (std::size_t i = 1; i < words.size(); ++i) take_option(words[i], conf);
  } else {
    conf.others.emplace_back(key);
  }
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text, std::string_view own_name) {
  ResolvConf conf;
  bool has_search = false;
  each_line(text, [&](std::string_view line) { take_line(line, conf, has_search); });
  if (const std::size_t dot = own_name.find('.'); !has_search && dot != std::string_view::npos) {
    if (std::string domain = normal_name(own_name.substr(dot + 1)); !domain.empty()) conf.search = {std::move(domain)};
  }
  conf.attempts = std::max(conf.attempts, 1U);
  if (conf.servers.empty()) conf.servers.push_back(*SocketAddress::parse("127.0.0.1", kDnsPort));
  return conf;
}

std::vector<std::string> names_to_ask(std::string_view name, const ResolvConf& conf) {
  std::vector<std::string> names;
  for (const std::string& domain : conf.search) {
    if (name.size() + 1 + domain.size() > kMaxName) continue;
    names.push_back(std::string(name).append(".").append(domain));
  }
  const auto dots = static_cast<unsigned>(std::count(name.begin(), name.end(), '.'));
  names.emplace(dots >= conf.ndots ? names.begin() : names.end(), name);
  return names;
}

}  // namespace keepwarm::net
