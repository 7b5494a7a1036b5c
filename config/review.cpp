#include "config/review.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "config/credentials.h"
#include "config/keys.h"
#include "config/value.h"

namespace keepwarm::config {
namespace {

using namespace std::chrono_literals;
using policy::HostSettings;
using policy::HostTableEntry;
using Findings = std::vector<Finding>;

bool sets(const HostTableEntry& entry, std::string_view name) {
  const auto is_it = [&](std::size_t key) { return policy::host_keys()[key].name == name; };
  return std::any_of(entry.keys.begin(), entry.keys.end(), is_it);
}

void review_listeners(const policy::ProxySettings& proxy, Findings& found) {
  const auto complain = [&](const ListenAddress& listener, const std::string& message) {
    found.push_back({"proxy.listen", "proxy.allow_clients", quote(listener.text()) + message});
  };
  if (proxy.listen.empty()) {
    found.push_back(
        {"proxy.listen", {}, R"([] leaves nothing to listen on; allowed: one "ADDR:PORT" or "unix:/PATH", or more)"});
  }
  for (auto listener = proxy.listen.begin(); listener != proxy.listen.end(); ++listener) {
    const bool asks_for_any_port = !listener->is_unix() && listener->port() == 0;
    const bool is_repeated = std::find(proxy.listen.begin(), listener, *listener) != listener;
    if (is_repeated && !asks_for_any_port) complain(*listener, " stands there twice");
    if (proxy.allow_clients.empty() && !listener->is_local()) {
      complain(*listener,
               " is not a loopback address; allowed: those, unix sockets, or any once proxy.allow_clients says who "
               "may connect");
    }
  }
}

void review_interception(const Config& config, Findings& found) {
  const std::vector<ListenAddress>& listen = config.proxy.listen;
  for (const ListenAddress& address : config.intercept.listen) {
    if (std::find(listen.begin(), listen.end(), address) != listen.end()) continue;
    found.push_back({"intercept.listen", "proxy.listen",
                     quote(address.text()) + " is none of proxy.listen; allowed: its addresses, or [] for all"});
  }
}

/// The ports that tables name, and one that none names: between them every way in which tables overlap shows.
std::set<std::uint16_t> distinguishing_ports(const policy::HostTable& hosts) {
  std::set<std::uint16_t> ports = {0};
  for (const HostTableEntry& entry : hosts.entries()) {
    if (entry.pattern.port) ports.insert(*entry.pattern.port);
  }
  return ports;
}

/// Two keys of which some hosts have a combination that cannot be: which values a host has is known only after its
/// tables are laid over each other. Found at the tables that set one of the two.
struct Clash {
  std::string_view key;
  std::string_view with;
  bool (*clashes)(const HostSettings& settings, std::string_view host);
  const char* message;
};

/// Whether a name means the host, however it is written.
bool is_host(std::string_view name, std::string_view host) {
  if (name.ends_with('.')) name.remove_suffix(1);
  const auto equal = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b; };
  return std::equal(name.begin(), name.end(), host.begin(), host.end(), equal);
}

constexpr Clash kClashes[] = {
    {"tls.client_certificate", "tls.client_key",
     [](const HostSettings& each, std::string_view) {
       return each.tls_client_certificate.empty() != each.tls_client_key.empty();
     },
     "client_certificate and client_key go together; allowed: both, or neither"},
    {"connect_to", "parent", [](const HostSettings& each, std::string_view) { return each.connect_to && each.parent; },
     "a parent does the connecting; allowed: connect_to or parent, the other one \"\""},
    {"intercept", "tls.verify",
     [](const HostSettings& each, std::string_view) { return each.intercept && !each.tls_verify; },
     "would show an unverified server as a verified one; allowed: intercept with tls.verify = true"},
    {"intercept", "tls.server_name",
     [](const HostSettings& each, std::string_view host) {
       return each.intercept && !each.tls_server_name.empty() && !is_host(each.tls_server_name, host);
     },
     "would show a server as one of another name; allowed: intercept with tls.server_name = \"\", or the host's own"},
};

void review_clashes(const Clash& clash, const policy::HostTable& hosts, Findings& found) {
  const std::set<std::uint16_t> ports = distinguishing_ports(hosts);
  for (const HostTableEntry& entry : hosts.entries()) {
    if (!sets(entry, clash.key) && !sets(entry, clash.with)) continue;
    const std::string host = policy::typical_host(entry.pattern);
    const auto clashes = [&](std::uint16_t port) {
      return clash.clashes(hosts.resolve(host, entry.pattern.port.value_or(port)), host);
    };
    if (!std::any_of(ports.begin(), ports.end(), clashes)) continue;
    const bool at_key = sets(entry, clash.key);
    found.push_back({host_key_path(entry.pattern.text, at_key ? clash.key : clash.with),
                     host_key_path(entry.pattern.text, at_key ? clash.with : clash.key), clash.message});
  }
}

constexpr const char* kUnread =
    "names a credential of the service, which can be read by nobody else ($CREDENTIALS_DIRECTORY is not set): it was "
    "not looked at";
constexpr const char* kStrayBits = ": the bits behind the prefix mean nothing";

void advise_proxy(const policy::ProxySettings& proxy, Findings& found) {
  const auto advise = [&](const char* key, const Cidr& range, const char* message) {
    found.push_back({key, {}, quote(range.text()) + message});
  };
  for (const Cidr& clients : proxy.allow_clients) {
    if (clients.prefix == 0) advise("proxy.allow_clients", clients, " lets everybody in");
    if (clients.has_stray_bits()) advise("proxy.allow_clients", clients, kStrayBits);
  }
  for (const Cidr& range : proxy.deny_destinations) {
    if (range.has_stray_bits()) advise("proxy.deny_destinations", range, kStrayBits);
  }
  if (proxy.deny_destinations_set && proxy.deny_destinations.empty() && !proxy.allow_clients.empty()) {
    found.push_back({"proxy.deny_destinations",
                     {},
                     "[] lets clients from elsewhere reach this machine's own services; without the key they cannot"});
  }
}

/// `settings`: those in force for the hosts of the table; advice is given where the table itself sets the key.
void advise_host(const HostTableEntry& entry, const HostSettings& settings, Findings& found) {
  const auto advise = [&](std::string_view key, std::string message) {
    if (sets(entry, key)) found.push_back({host_key_path(entry.pattern.text, key), {}, std::move(message)});
  };
  if (settings.idle_timeout > 5min) {
    advise("idle_timeout", "NATs and firewalls drop idle connections silently from about 5 minutes on");
  }
  if (settings.idle_margin * 2 > settings.assumed_idle_timeout) {
    advise("idle_margin", "more than half of assumed_idle_timeout (" + format_duration(settings.assumed_idle_timeout) +
                              "): it counts as that half for servers without a hint");
  }
  if (settings.unsafe_reuse == policy::UnsafeReuse::Always) {
    advise("unsafe_reuse", "requests that are not replayable will now and then fail with 502 on a stale connection");
  }
  if (settings.max_idle > settings.max_connections) {
    advise("max_idle",
           "more than max_connections (" + std::to_string(settings.max_connections) + ") can never be idle");
  }
  for (const std::string& method : settings.retry_methods) {
    if (method == "POST" || method == "PATCH") {
      advise("retry_methods", method + " is not idempotent (RFC 9110 §9.2.2): the server may act twice");
    } else if (std::any_of(method.begin(), method.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
      advise("retry_methods", quote(method) + ": methods are case-sensitive");
    }
  }
  for (const std::string_view key : unread_credentials(settings)) advise(key, kUnread);
  if (settings.intercept && !settings.reuse) {
    advise(sets(entry, "intercept") ? "intercept" : "reuse",
           "with reuse = false interception makes nothing warm, and costs handshakes");
  }
  if (settings.intercept && !settings.tls_client_certificate.empty()) {
    advise(sets(entry, "intercept") ? "intercept" : "tls.client_certificate",
           "with tls.client_certificate interception lends this machine's identity to every client of the listener");
  }
  if (!settings.tls_verify) advise("tls.verify", "anybody on the way can pose as this server");
}

}  // namespace

std::vector<Finding> contradictions(const Config& config) {
  Findings found;
  review_listeners(config.proxy, found);
  review_interception(config, found);
  for (const Clash& clash : kClashes) review_clashes(clash, config.hosts, found);
  return found;
}

std::vector<Finding> advice(const Config& config) {
  Findings found;
  advise_proxy(config.proxy, found);
  for (std::string& path : unread_credentials(config)) found.push_back({std::move(path), {}, kUnread});
  for (const HostTableEntry& entry : config.hosts.entries()) {
    const std::string host = policy::typical_host(entry.pattern);
    advise_host(entry, config.hosts.resolve(host, entry.pattern.port.value_or(0)), found);
  }
  return found;
}

std::string host_key_path(std::string_view pattern, std::string_view key) {
  return "host." + quote(pattern) + '.' + std::string(key);
}

}  // namespace keepwarm::config
