#include "core/policy/host_table.h"

#include <algorithm>
#include <array>

#include "core/base/ip.h"

namespace keepwarm::policy {
namespace {

constexpr std::string_view kAllowed =
    R"(allowed: "*", "*.example.com", "example.com", an IP address, each but "*" also with ":PORT")";
constexpr std::size_t kLongestName = 253;  // RFC 1035 §2.3.4, in text

PatternError wrong(std::string what) {
  return {std::move(what) + "; " + std::string(kAllowed)};
}

constexpr bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

/// What is wrong with a host name in lower case, without its trailing dot; empty: nothing.
std::string name_problem(std::string_view name) {
  if (name.empty()) return "it names no host";
  if (name.size() > kLongestName) return "a host name has at most 253 characters";
  if (name.front() == '.' || name.back() == '.' || name.find("..") != std::string_view::npos)
    return "it has an empty label";
  if (name.find('*') != std::string_view::npos) return R"("*" stands alone or as the whole first label)";
  for (const char c : name) {
    if (static_cast<unsigned char>(c) >= 0x80)
      return R"(a host name is written in its ASCII form ("xn--…", see idn2(1)))";
    if (!is_digit(c) && !(c >= 'a' && c <= 'z') && c != '-' && c != '_' && c != '.') {
      return "a character in it cannot be part of a host name";
    }
  }
  return {};
}

bool ends_in_number(std::string_view name) noexcept {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 is 0: the whole name
  return std::all_of(last.begin(), last.end(), is_digit);
}

/// "[::1]", "[::1]:8080", "::1"
Result<HostPattern, PatternError> parse_ipv6(std::string_view text) {
  HostPattern pattern{.kind = HostPattern::Kind::Name, .name = {}, .port = {}, .text = std::string(text)};
  std::string_view address = text;
  if (text.front() == '[') {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return wrong(R"(the "[" has no "]")");
    address = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty()) {
      pattern.port = rest.front() == ':' ? parse_port(rest.substr(1)) : std::nullopt;
      if (!pattern.port) return wrong("what follows the \"]\" is not a port from 1 to 65535");
    }
  }
  if (address.find('%') != std::string_view::npos) {
    return wrong("a zone is not part of a host's name: give the address a name in /etc/hosts, and that name a table");
  }
  std::optional<std::string> canonical = canonical_ipv6(address);
  if (!canonical) return wrong("it is not an IPv6 address");
  pattern.name = *std::move(canonical);
  return pattern;
}

/// Bigger wins: name+port, name, suffix+port (longest first), suffix (longest first), any.
std::array<std::size_t, 3> specificity(const HostPattern& pattern) noexcept {
  return {static_cast<std::size_t>(pattern.kind), pattern.port ? 1U : 0U, pattern.name.size()};
}

}  // namespace

std::string typical_host(const HostPattern& pattern) {
  using Kind = HostPattern::Kind;
  if (pattern.kind == Kind::Name) return pattern.name;
  return pattern.kind == Kind::Suffix ? "*." + pattern.name : "*";
}

bool HostPattern::matches(std::string_view host, std::uint16_t to_port) const noexcept {
  if (port && *port != to_port) return false;
  switch (kind) {
    case Kind::Any: return true;
    case Kind::Name: return host == name;
    case Kind::Suffix:
      // At least one character and the dot stand before the suffix.
      return host.size() > name.size() + 1 && host.ends_with(name) && host[host.size() - name.size() - 1] == '.';
  }
  return false;
}

Result<HostPattern, PatternError> parse_host_pattern(std::string_view text) {
  if (text.empty()) return wrong("it names no host");
  if (Cidr::parse(text) && text.find('/') != std::string_view::npos) {
    return wrong(R"(a range of addresses has no table: write one for each address, or for all hosts [host."*"])");
  }
  if (text.find("://") != std::string_view::npos || text.find('/') != std::string_view::npos) {
    return wrong("it is a host, not a URL");
  }
  if (text.front() == '[' || std::count(text.begin(), text.end(), ':') > 1) return parse_ipv6(text);

  HostPattern pattern{.kind = HostPattern::Kind::Name, .name = {}, .port = {}, .text = std::string(text)};
  std::string_view name = text;
  if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
    pattern.port = parse_port(text.substr(colon + 1));
    if (!pattern.port) return wrong(R"(what follows the ":" is not a port from 1 to 65535)");
    name = text.substr(0, colon);
  }
  if (name == "*") {
    if (pattern.port) return wrong(R"("*" takes no port)");
    pattern.kind = HostPattern::Kind::Any;
    return pattern;
  }
  if (name.starts_with("*.")) {
    pattern.kind = HostPattern::Kind::Suffix;
    name.remove_prefix(2);
  }
  if (name.ends_with('.')) name.remove_suffix(1);
  pattern.name = lower(name);
  if (std::string problem = name_problem(pattern.name); !problem.empty()) return wrong(std::move(problem));
  if (pattern.kind == HostPattern::Kind::Suffix && ends_in_number(pattern.name)) {
    return wrong(R"("*." stands before a domain, not before part of an IP address)");
  }
  return pattern;
}

std::span<const HostKey> host_keys() noexcept {
  using S = HostSettings;
  static constexpr auto kKeys = std::to_array<HostKey>({
      {"reuse", &S::reuse},
      {"idle_timeout", &S::idle_timeout},
      {"idle_margin", &S::idle_margin},
      {"server_hint", &S::server_hint},
      {"learn", &S::learn},
      {"assumed_idle_timeout", &S::assumed_idle_timeout},
      {"unsafe_reuse", &S::unsafe_reuse},
      {"keep_warm", &S::keep_warm},
      {"keep_warm_for", &S::keep_warm_for},
      {"max_connections", &S::max_connections},
      {"max_idle", &S::max_idle},
      {"max_requests", &S::max_requests},
      {"max_lifetime", &S::max_lifetime},
      {"queue_timeout", &S::queue_timeout},
      {"connect_timeout", &S::connect_timeout},
      {"response_timeout", &S::response_timeout},
      {"stall_timeout", &S::stall_timeout},
      {"tunnel_timeout", &S::tunnel_timeout},
      {"retry", &S::retry},
      {"retry_body_size", &S::retry_body_size},
      {"retry_methods", &S::retry_methods},
      {"retry_undelivered", &S::retry_undelivered},
      {"retry_idempotency_key", &S::retry_idempotency_key},
      {"upgrade", &S::upgrade},
      {"upgrade_cookies", &S::upgrade_cookies},
      {"intercept", &S::intercept},
      {"connect_to", &S::connect_to},
      {"parent", &S::parent},
      {"tls.verify", &S::tls_verify},
      {"tls.ca_file", &S::tls_ca_file},
      {"tls.client_certificate", &S::tls_client_certificate},
      {"tls.client_key", &S::tls_client_key},
      {"tls.server_name", &S::tls_server_name},
  });
  return kKeys;
}

std::vector<const HostTableEntry*> HostTable::matching(std::string_view host, std::uint16_t port) const {
  std::vector<const HostTableEntry*> found;
  for (const HostTableEntry& entry : entries_) {
    if (entry.pattern.matches(host, port)) found.push_back(&entry);
  }
  std::sort(found.begin(), found.end(), [](const HostTableEntry* a, const HostTableEntry* b) {
    return specificity(a->pattern) < specificity(b->pattern);
  });
  return found;
}

HostSettings HostTable::resolve(std::string_view host, std::uint16_t port) const {
  HostSettings settings;
  for (const HostTableEntry* entry : matching(host, port)) {
    for (const std::size_t key : entry->keys) {
      std::visit([&](auto member) { settings.*member = entry->values.*member; }, host_keys()[key].member);
    }
  }
  settings.tls_file_mark = file_mark(settings);
  return settings;
}

std::uint64_t HostTable::file_mark(const HostSettings& settings) const {
  constexpr std::uint64_t kMix = 0x9E3779B97F4A7C15;  // odd, so that no mark is lost; the order counts
  std::uint64_t mark = 0;
  const auto add = [this, &mark](const std::string& path) {
    const auto known = file_marks_.find(path);
    mark = mark * kMix + (known == file_marks_.end() ? 0 : known->second);
  };
  add(settings.tls_ca_file);
  if (settings.tls_client_certificate.empty()) return mark;
  add(settings.tls_client_certificate);
  add(settings.tls_client_key);
  return mark;
}

std::vector<std::string_view> HostTable::sources(std::string_view host, std::uint16_t port) const {
  std::vector<std::string_view> tables(host_keys().size());
  for (const HostTableEntry* entry : matching(host, port)) {
    for (const std::size_t key : entry->keys) tables[key] = entry->pattern.text;
  }
  return tables;
}

}  // namespace keepwarm::policy
