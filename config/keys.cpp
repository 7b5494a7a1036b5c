#include "config/keys.h"

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>
#include <utility>

#include "config/checks.h"

namespace keepwarm::config {
namespace {

using namespace std::chrono_literals;
using policy::DnsSettings;
using policy::ProxySettings;

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;

constexpr Rule kAnyValue{};
constexpr Rule within(std::int64_t least, std::int64_t most) {
  return {.range = {least, most}, .problem = nullptr};
}
constexpr Rule at_least(Duration least) {
  constexpr Duration kYear = 8760h;  // far from overflow wherever it is added to a time
  return within(least.count(), kYear.count());
}
constexpr Rule kPositive = at_least(1ms);
constexpr Rule kZeroAllowed = at_least(0s);  // where 0 has a meaning: at once, or no limit
constexpr Rule unless(std::string (*problem)(std::string_view)) {
  return {.range = {}, .problem = problem};
}

/// `Part` is the section's struct in Config, `Member` the value in it.
template <auto Part, auto Member>
constexpr Place kAt = {.read = [](const Config& config) { return Value(config.*Part.*Member); },
                       .write =
                           [](Config& config, Value value) {
                             auto& member = config.*Part.*Member;
                             member = std::get<std::remove_reference_t<decltype(member)>>(std::move(value));
                           }};

constexpr Key host(std::string_view name, std::string_view sentence, Rule rule = kAnyValue) {
  return {Section::Host, name, sentence, rule, {nullptr, nullptr}};
}
template <auto Member>
constexpr Key proxy(std::string_view name, std::string_view sentence, Rule rule = kAnyValue) {
  return {Section::Proxy, name, sentence, rule, kAt<&Config::proxy, Member>};
}
template <auto Member>
constexpr Key admin(std::string_view name, std::string_view sentence, Rule rule) {
  return {Section::Admin, name, sentence, rule, kAt<&Config::admin, Member>};
}
template <auto Member>
constexpr Key logging(std::string_view name, std::string_view sentence, Rule rule = kAnyValue) {
  return {Section::Log, name, sentence, rule, kAt<&Config::log, Member>};
}
template <auto Member>
constexpr Key dns(std::string_view name, std::string_view sentence, Rule rule) {
  return {Section::Dns, name, sentence, rule, kAt<&Config::dns, Member>};
}

constexpr auto kKeys = std::to_array<Key>({
    proxy<&ProxySettings::listen>(
        "listen",
        "where clients connect: `\"ADDR:PORT\"`, `\"[v6]:PORT\"` or `\"unix:/PATH\"`; port 0 asks the kernel for one",
        unless(listen_problem)),
    proxy<&ProxySettings::workers>("workers", "event loops, each on its own thread", within(1, 64)),
    proxy<&ProxySettings::allow_clients>(
        "allow_clients", "who may connect, as CIDRs; needed for a listener that is neither loopback nor a unix socket",
        unless(cidr_problem)),
    proxy<&ProxySettings::connect_ports>("connect_ports", "what CONNECT may reach"),
    proxy<&ProxySettings::max_clients>("max_clients", "client connections at a time; above it: 503 and close",
                                       within(1, 10'000'000)),
    proxy<&ProxySettings::deny_destinations>(
        "deny_destinations", "CIDRs that no request may reach, checked on the resolved address", unless(cidr_problem)),
    proxy<&ProxySettings::bad_ports>("bad_ports", "ports on the Fetch Standard's \"bad port\" list (22, 25, …)"),
    proxy<&ProxySettings::proxy_status>("proxy_status", "on which answers `Proxy-Status` (RFC 9209) is sent"),
    proxy<&ProxySettings::via>("via", "send `Via` (RFC 9110 §7.6.3)"),
    proxy<&ProxySettings::client_idle_timeout>("client_idle_timeout",
                                               "close a client connection this long after its last answer", kPositive),
    proxy<&ProxySettings::client_header_timeout>("client_header_timeout",
                                                 "from the first byte of a request head to its last", kPositive),
    proxy<&ProxySettings::max_header_size>("max_header_size", "of a head or a trailer section",
                                           within(kKiB, 16 * kMiB)),
    proxy<&ProxySettings::shutdown_grace>("shutdown_grace", "how long exchanges may go on after SIGTERM", kZeroAllowed),

    admin<&AdminConfig::listen>(
        "listen", "the status page, `/status.json`, `/metrics` and `/healthz` (not built yet); `\"\"`: off",
        unless(admin_listen_problem)),

    logging<&LogConfig::level>("level", "how much is logged"),
    logging<&LogConfig::access>("access", "one line for each exchange"),
    logging<&LogConfig::file>("file", "where the log goes; `\"-\"`: standard error", unless(log_file_problem)),

    dns<&DnsSettings::ttl>("ttl", "how long an answer is used without asking again", kZeroAllowed),
    dns<&DnsSettings::negative_ttl>("negative_ttl", "the same for an answer that there is no such name", kZeroAllowed),

    host("reuse", "`false`: one request per upstream connection"),
    host("idle_timeout", "hold an idle connection this long at most", kPositive),
    host("idle_margin", "stop trusting a connection this long before the server is expected to close it", kZeroAllowed),
    host("server_hint", "honour the response's `Keep-Alive: timeout=, max=`"),
    host("learn", "learn the server's idle timeout from the closes that are seen"),
    host("assumed_idle_timeout", "expected of a server that gave no hint and has no history", kPositive),
    host("unsafe_reuse", "which reused connections may carry requests that are not replayable"),
    host("keep_warm", "connections kept open and trusted for a host in use", within(0, 1'000'000)),
    host("keep_warm_for", "a host counts as in use for this long after its last request", kPositive),
    host("max_connections", "simultaneous upstream connections; further exchanges wait in order", within(1, 1'000'000)),
    host("max_idle", "idle upstream connections that are held", within(0, 1'000'000)),
    host("max_requests", "on one upstream connection; 0: no limit",
         within(0, std::numeric_limits<std::uint32_t>::max())),
    host("max_lifetime", "of an upstream connection; `\"0s\"`: no limit", kZeroAllowed),
    host("queue_timeout", "wait at most this long for one of `max_connections`", kZeroAllowed),
    host("connect_timeout", "DNS, TCP and TLS together", kPositive),
    host("response_timeout", "from the last byte of a request to the first of its response", kPositive),
    host("stall_timeout", "no byte in either direction while a body is under way", kPositive),
    host("tunnel_timeout", "no byte in either direction in a tunnel; `\"0s\"`: no limit", kZeroAllowed),
    host("retry", "replay replayable requests after a stale failure or a 408"),
    host("retry_body_size", "larger request bodies are streamed and not replayable", within(0, 64 * kMiB)),
    host("retry_methods", "the methods that count as idempotent", unless(method_problem)),
    host("retry_undelivered", "resend what is not replayable when TCP proves that no byte of it was delivered"),
    host("retry_idempotency_key", "a request with an `Idempotency-Key` field counts as idempotent"),
    host("upgrade", "`http://` requests go out as `https://`; port 80 becomes 443"),
    host("connect_to",
         "connect to `\"HOST:PORT\"` or `\"unix:/PATH\"` instead; the name stays in Host, SNI and verification",
         unless(connect_to_problem)),
    host("parent", "go through this proxy: `\"http://USER:PASSWORD@HOST:PORT\"`", unless(parent_problem)),
    host("tls.verify", "verify the server's certificate"),
    host("tls.ca_file", "PEM file of trusted authorities; `\"\"`: the system's store"),
    host("tls.client_certificate", "PEM file, with `client_key`, for mutual TLS"),
    host("tls.client_key", "PEM file, with `client_certificate`"),
    host("tls.server_name", "the name for SNI and verification; `\"\"`: the host"),
});

template <typename Enum>
std::string words_of() {
  const std::span<const Choice<Enum>> all = choices<Enum>();
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) text += i + 1 == all.size() ? " or " : ", ";
    text += quote(all[i].word);
  }
  return text;
}

/// What a value of this type may be, given the range of its key.
struct Allowed {
  const Key& key;

  [[nodiscard]] std::string between(const Value& least, const Value& most) const {
    return to_toml(least) + " to " + to_toml(most);
  }
  std::string operator()(bool) const { return "true or false"; }
  std::string operator()(std::uint32_t) const {
    return between(static_cast<std::uint32_t>(key.rule.range.least), static_cast<std::uint32_t>(key.rule.range.most));
  }
  std::string operator()(std::uint64_t) const {
    return between(static_cast<std::uint64_t>(key.rule.range.least), static_cast<std::uint64_t>(key.rule.range.most));
  }
  std::string operator()(Duration) const {
    return between(Duration(key.rule.range.least), Duration(key.rule.range.most));
  }
  std::string operator()(const std::string&) const { return {}; }
  std::string operator()(const std::vector<std::string>&) const { return {}; }
  std::string operator()(const std::vector<policy::PortRange>&) const {
    return R"(ports from 1 to 65535 and ranges like "1024-65535")";
  }
  template <typename Enum>
  requires std::is_enum_v<Enum> std::string operator()(Enum) const { return words_of<Enum>(); }
};

}  // namespace

std::string_view section_name(Section section) noexcept {
  switch (section) {
    case Section::Proxy: return "proxy";
    case Section::Admin: return "admin";
    case Section::Log: return "log";
    case Section::Dns: return "dns";
    case Section::Host: return "host";
  }
  return {};
}

std::span<const Key> keys() noexcept {
  return kKeys;
}

const Key* find_key(Section section, std::string_view name) noexcept {
  const auto is_it = [&](const Key& key) { return key.section == section && key.name == name; };
  const auto* const found = std::find_if(kKeys.begin(), kKeys.end(), is_it);
  return found == kKeys.end() ? nullptr : found;
}

std::size_t host_index(const Key& key) noexcept {
  const auto all = policy::host_keys();
  const auto found = std::find_if(all.begin(), all.end(), [&](const auto& other) { return other.name == key.name; });
  return static_cast<std::size_t>(found - all.begin());
}

Value read(const policy::HostSettings& settings, const Key& key) {
  return std::visit([&](auto member) { return Value(settings.*member); }, policy::host_keys()[host_index(key)].member);
}

void write(policy::HostSettings& settings, const Key& key, Value value) {
  const auto assign = [&](auto member) {
    settings.*member = std::get<std::remove_reference_t<decltype(settings.*member)>>(std::move(value));
  };
  std::visit(assign, policy::host_keys()[host_index(key)].member);
}

Value default_of(const Key& key) {
  return key.section == Section::Host ? read(policy::HostSettings{}, key) : key.place.read(Config{});
}

std::string allowed_of(const Key& key) {
  return std::visit(Allowed{key}, default_of(key));
}

}  // namespace keepwarm::config
