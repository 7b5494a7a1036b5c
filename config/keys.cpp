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
using policy::InterceptSettings;
using policy::ProxySettings;

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;

constexpr Rule kAnyValue{};
constexpr Rule within(std::int64_t min, std::int64_t max) {
  return {.range = {min, max}, .problem = nullptr, .credential = false};
}
constexpr Rule at_least(Duration min) {
  constexpr Duration kYear = 8760h;  // far from overflow wherever it is added to a time
  return within(min.count(), kYear.count());
}
constexpr Rule kPositive = at_least(1ms);
constexpr Rule kZeroAllowed = at_least(0s);  // where 0 has a meaning: at once, or no limit
constexpr Rule unless(std::string (*problem)(std::string_view)) {
  return {.range = {}, .problem = problem, .credential = false};
}
constexpr Rule or_credential(Rule rule) {
  rule.credential = true;
  return rule;
}

/// `Part` is the section's struct in Config, `Member` the value in it.
template <auto Part, auto Member>
constexpr Place kAt = {.read = [](const Config& config) { return Value(config.*Part.*Member); },
                       .write =
                           [](Config& config, Value value) {
                             auto& member = config.*Part.*Member;
                             member = std::get<std::remove_reference_t<decltype(member)>>(std::move(value));
                           }};

constexpr Key host(std::string_view name, std::string_view description, Rule rule = kAnyValue) {
  return {Section::Host, name, description, rule, {nullptr, nullptr}};
}
template <auto Member>
constexpr Key proxy(std::string_view name, std::string_view description, Rule rule = kAnyValue) {
  return {Section::Proxy, name, description, rule, kAt<&Config::proxy, Member>};
}
template <auto Member>
constexpr Key admin(std::string_view name, std::string_view description, Rule rule) {
  return {Section::Admin, name, description, rule, kAt<&Config::admin, Member>};
}
template <auto Member>
constexpr Key logging(std::string_view name, std::string_view description, Rule rule = kAnyValue) {
  return {Section::Log, name, description, rule, kAt<&Config::log, Member>};
}
template <auto Member>
constexpr Key dns(std::string_view name, std::string_view description, Rule rule) {
  return {Section::Dns, name, description, rule, kAt<&Config::dns, Member>};
}
template <auto Member>
constexpr Key intercept(std::string_view name, std::string_view description, Rule rule = kAnyValue) {
  return {Section::Intercept, name, description, rule, kAt<&Config::intercept, Member>};
}

constexpr auto kKeys = std::to_array<Key>({
    proxy<&ProxySettings::listen>(
        "listen",
        "Where clients connect: addresses with ports, or \"unix:/run/keepwarm/proxy.sock\" (the permissions of its "
        "folder say who may connect). Port 0 asks the kernel for a free one (the log says which). Any other address "
        "than loopback is refused until allow_clients says who may come.",
        unless(listen_problem)),
    proxy<&ProxySettings::workers>("workers",
                                   "Event loops, each on a thread of its own, from 1 to 64. They share idle upstream "
                                   "connections and all limits. One does for some 80,000 small requests a second; more "
                                   "than there are processors only cost. Another number takes a restart.",
                                   within(1, 64)),
    proxy<&ProxySettings::allow_clients>(
        "allow_clients",
        "Who may connect, as CIDRs: [\"10.0.0.0/8\", \"fd00::/8\"]. Too wide, and strangers browse from your address.",
        unless(cidr_problem)),
    proxy<&ProxySettings::connect_ports>(
        "connect_ports",
        "Ports that CONNECT may reach: numbers, or ranges like \"1024-65535\". Too wide, and the proxy is a way into "
        "every service of your network, mail servers included."),
    proxy<&ProxySettings::max_clients>(
        "max_clients",
        "Client connections at a time; one more is answered 503 and closed. Too low turns people away at peak times; "
        "each one costs a file descriptor, and one more for its upstream connection.",
        within(1, 10'000'000)),
    proxy<&ProxySettings::deny_destinations>(
        "deny_destinations",
        "CIDRs that no request may reach, checked on the address that the name resolved to. As long as the key is "
        "absent, clients from other machines cannot reach this machine's own services (loopback, link-local, our own "
        "addresses). Setting it, even to [], says that the list is all there is to it.",
        unless(cidr_problem)),
    proxy<&ProxySettings::bad_ports>(
        "bad_ports",
        "Ports on the Fetch Standard's \"bad port\" list (22, 25, …), which speak something else than HTTP: \"refuse\" "
        "| \"allow\". Allowed, a web page can have the proxy talk to a mail server."),
    proxy<&ProxySettings::proxy_status>(
        "proxy_status",
        "On which answers the Proxy-Status field (RFC 9209) is sent: \"off\" | \"errors\" (our own answers) | "
        "\"always\" (on the others it says whether the connection was reused, for how long it had been idle, what that "
        "saved, and whether the request was sent again)."),
    proxy<&ProxySettings::via>(
        "via",
        "Send Via (RFC 9110 §7.6.3): true | false | \"always\". Without it loops are found later, by their address "
        "only; "
        "with it some servers hold back (nginx stops compressing). true leaves it out of intercepted requests and "
        "responses, whose client and server expect no proxy between them; \"always\" sends it there, too."),
    proxy<&ProxySettings::client_idle_timeout>(
        "client_idle_timeout",
        "Close a client connection that has been silent for this long between two requests. Too short, and clients "
        "that keep their connection lose it.",
        kPositive),
    proxy<&ProxySettings::client_header_timeout>("client_header_timeout",
                                                 "From the first byte of a request head to its last; then 408. Too "
                                                 "long, and slow clients hold connections for nothing.",
                                                 kPositive),
    proxy<&ProxySettings::max_header_size>(
        "max_header_size",
        "The largest head, or trailer section, that is accepted. Too small breaks large cookies (431).",
        within(kKiB, 16 * kMiB)),
    proxy<&ProxySettings::client_half_close>(
        "client_half_close",
        "What a client's end (FIN) behind a whole request means: \"auto\" | \"honour\" (the exchange goes on) | "
        "\"abort\" (it ends, and its upstream connection closes). \"auto\" asks the kernel: the exchange goes on if "
        "the client is on this machine and still holds its socket open to read, and else ends. \"honour\" lets clients "
        "that gave up hold max_connections until response_timeout; \"abort\" fails those that half-close (nc -N)."),
    proxy<&ProxySettings::shutdown_grace>(
        "shutdown_grace",
        "How long exchanges and tunnels may still go on after SIGTERM. systemd's TimeoutStopSec must be longer.",
        kZeroAllowed),

    admin<&AdminConfig::listen>("listen",
                                "The status page, /status.json, /metrics and /healthz; \"\" turns it off. Not built "
                                "yet: only these two are accepted.",
                                unless(admin_listen_problem)),

    logging<&LogConfig::level>("level",
                               "How much is logged: \"trace\" | \"debug\" | \"info\" | \"warn\" | \"error\" | \"off\". "
                               "\"debug\" says why each upstream connection was closed."),
    logging<&LogConfig::access>(
        "access",
        "One line for each exchange: \"off\" | \"text\" | \"json\". With \"json\" all other lines are JSON, too."),
    logging<&LogConfig::file>("file",
                              "Where the log goes: a path, or \"-\" for standard error (under systemd: the journal). "
                              "SIGHUP opens the file again, for logrotate.",
                              unless(log_file_problem)),

    dns<&DnsSettings::resolver>(
        "resolver",
        "Who looks names up: \"auto\" | \"system\" (getaddrinfo, on threads) | \"c-ares\" (on the event loop: faster, "
        "and a "
        "dead name server costs a second, not five). \"auto\" is c-ares where /etc/nsswitch.conf and /etc/resolv.conf "
        "ask for nothing that it cannot do; `keepwarm explain` says which it is. \"c-ares\" where they do, and such "
        "names are not found.",
        kAnyValue),
    dns<&DnsSettings::ttl>(
        "ttl",
        "How long an answer is used without asking again, at most: less if its own time to live is less and is known "
        "(c-ares). Too long sends requests to where a name used to point.",
        kZeroAllowed),
    dns<&DnsSettings::min_ttl>("min_ttl",
                               "The same at least, though the answer's own time to live is less. Too long defeats "
                               "names that move quickly.",
                               kZeroAllowed),
    dns<&DnsSettings::negative_ttl>("negative_ttl",
                                    "The same for the answer that there is no such name. Too long, and a name that has "
                                    "just been made seems missing.",
                                    kZeroAllowed),
    dns<&DnsSettings::dns_timeout>(
        "dns_timeout",
        "How long a name look-up may take, then 504; connect_timeout begins after it. Too short, and with a dead name "
        "server every name fails: the system's resolver asks the next one after 5 s.",
        kPositive),

    intercept<&InterceptSettings::ca>(
        "ca",
        "The folder of the local CA, which `keepwarm ca create` fills; \"\": /etc/keepwarm/ca for root and the "
        "service, else "
        "~/.config/keepwarm/ca. What all may read is in the folder beside it whose name ends in \"-public\". Without a "
        "CA, or with one that has expired, hosts with `intercept` are tunnels.",
        unless(folder_problem)),
    intercept<&InterceptSettings::key>(
        "key",
        "The key of the CA's issuer: a PEM file, or \"credential:NAME\": the file NAME that systemd hands over "
        "(LoadCredential=), so that it may be root's alone. With it only the generation of the CA that it belongs to "
        "signs. \"\": the credential \"ca.key\" "
        "if there is one, else issuer.key in that folder. A file that others can read, too, is refused.",
        or_credential(unless(path_problem))),
    intercept<&InterceptSettings::listen>(
        "listen",
        "Only clients that came over these addresses, which are some of proxy.listen, are intercepted; []: over any. "
        "So "
        "programs that do not trust the CA can have an address of their own, with tunnels.",
        unless(listen_problem)),
    intercept<&InterceptSettings::refused>("refused",
                                           "What becomes of a client that has refused our certificate, when its like "
                                           "comes again: \"fail\" (it is intercepted as before, and "
                                           "fails) | \"tunnel\" (for an hour). With \"tunnel\" nobody notices that a "
                                           "program lost the CA, and its requests are cold."),
    intercept<&InterceptSettings::log_paths>("log_paths",
                                             "Show the path of an intercepted request in the access log, never its "
                                             "query. Without it scheme and host are shown; "
                                             "paths may hold secrets that their senders believe to be encrypted."),

    host("reuse",
         "Use a connection for more than one request. false is for servers that mishandle a second one; it costs a "
         "handshake each time."),
    host("idle_timeout",
         "Hold an idle connection this long at most. Longer saves more handshakes; from about 5 minutes on NATs and "
         "firewalls drop connections without a word.",
         kPositive),
    host("idle_margin",
         "Stop trusting a connection this long before the server is expected to close it. A server's clock starts "
         "before ours does: too small a margin, and a POST meets a connection that is just being closed (502). At most "
         "half of the expected time is taken, or a round trip if that is more.",
         kZeroAllowed),
    host("server_hint",
         "Honour the response's Keep-Alive: timeout=, max=. false only for servers that promise more than they keep."),
    host("learn",
         "Learn the server's idle timeout from the closes that are seen. false: only its hint and assumed_idle_timeout "
         "count."),
    host("assumed_idle_timeout",
         "What to expect of a server that gave no hint and has no history. Too long, and a POST after a pause fails "
         "with 502; too short costs handshakes. (Apache httpd closes after 5 s, Node.js 20 after 6 s.)",
         kPositive),
    host("unsafe_reuse",
         "Which reused connections may carry requests that cannot be sent twice (POST, and whatever has a large body): "
         "\"never\": none, they always have a fresh connection; \"trusted\": one that the server is not about to "
         "close; \"always\": any, and now and then such a request fails with 502."),
    host("keep_warm",
         "Connections kept open and trusted for a host in use, those that serve included, replaced before they lapse; "
         "never more than max_idle or max_connections. Costs the server as many, and new ones as often as it closes "
         "idle ones: with a timeout of 5 s each is replaced every 4 s.",
         within(0, 1'000'000)),
    host("keep_warm_for",
         "A host counts as in use for this long after its last request. Then keep_warm closes its idle connections.",
         kPositive),
    host("max_connections",
         "Upstream connections at a time, for each origin, or for all http:// requests through one parent; further "
         "exchanges wait in order. Too high overruns small servers; too low makes clients wait, and long polls block "
         "everybody else.",
         within(1, 1'000'000)),
    host("max_idle",
         "How many of them may be idle. Fewer saves descriptors on both sides and costs handshakes after each burst.",
         within(0, 1'000'000)),
    host("max_requests", "Requests on one connection; 0: no limit. For servers that leak a little with each.",
         within(0, std::numeric_limits<std::uint32_t>::max())),
    host("max_lifetime",
         "Age of a connection at which it is not used again; \"0s\": no limit. Bounds for how long a name's old "
         "address is used.",
         kZeroAllowed),
    host("queue_timeout", "Wait this long for one of max_connections, then 503.", kZeroAllowed),
    host("connect_timeout",
         "TCP and TLS together, then 504; the look-up of a name has dns_timeout. Too short fails on one lost packet "
         "(TCP sends again after 1 s, then 3 "
         "s).",
         kPositive),
    host("response_timeout",
         "From the last byte of the request to the first of the response, then 504. Must outlast long polls and slow "
         "reports.",
         kPositive),
    host("stall_timeout", "No byte in either direction while a body is under way.", kPositive),
    host("tunnel_timeout",
         "No byte in either direction in a tunnel (CONNECT, WebSocket); \"0s\": no limit, and dead tunnels stay for "
         "ever.",
         kZeroAllowed),
    host("retry",
         "Send a replayable request again, once, on a fresh connection, when a reused one turned out to be closed (or "
         "408 came). false: the client sees the 502, or the 408."),
    host("retry_body_size",
         "Request bodies up to this size are kept until the response begins, so that they can be sent again; larger "
         "ones are streamed, and never sent twice once they have begun. Costs this much memory for each request under "
         "way.",
         within(0, 64 * kMiB)),
    host("retry_methods",
         "Methods that may be sent twice (RFC 9110 §9.2.2). Whoever adds POST accepts double orders. CONNECT is "
         "refused.",
         unless(method_problem)),
    host("retry_undelivered",
         "Also send again what must not be sent twice, once, when TCP proves that no byte of it reached the server: an "
         "idle close that crossed the request. false: the client sees a 502 that says whether it may have been "
         "executed. true: those bodies are held, too, up to retry_body_size."),
    host("retry_idempotency_key",
         "A request with an Idempotency-Key field may be sent twice too. Only for servers that honour the field."),
    host("upgrade",
         "http:// requests for the host go out as https:// (port 80 becomes 443): so clients that would open a tunnel "
         "for https:// and pay for each handshake use warm TLS connections. Requests cross this machine in the clear, "
         "cookies with Secure do not work (see upgrade_cookies), and a redirect to https:// is passed on as it is: the "
         "client follows it by another way."),
    host("upgrade_cookies",
         "Cookies with Secure in answers to upgraded requests: \"keep\" | \"strip-secure\". Clients that keep to the "
         "rules (curl) drop such a cookie, since they asked for http://. \"strip-secure\" takes Secure away, and "
         "SameSite=None and Partitioned with it, so that logins work; but then a client also sends the cookie where "
         "http:// goes out in the clear. Cookies named __Secure- and __Host- stay as they are, and are dropped."),
    host("intercept",
         "Answer CONNECT to the host ourselves, with a certificate of the local CA (see [intercept]), so that requests "
         "of clients that trust "
         "it use warm connections. Host and port of CONNECT say which table holds. Whatever cannot be intercepted is a "
         "tunnel. Whoever can read the memory of the daemon can read the requests."),
    host(
        "connect_to",
        "Connect there instead: \"10.0.0.5:8443\" or \"unix:/run/app.sock\". Host, SNI and verification keep the name.",
        unless(connect_to_problem)),
    host("parent",
         "Go through another proxy: \"http://proxy.corp:3128\", \"http://user:password@proxy.corp:3128\" (special "
         "characters as %40). \"credential:NAME\": the whole URL is in the credential NAME, which systemd hands over. "
         "Not together with connect_to: a table that sets one of them for a host sets the other one to \"\".",
         or_credential(unless(parent_problem))),
    host("tls.verify", "Verify the server's certificate. false: anybody on the way can pose as the server."),
    host("tls.ca_file", "PEM file with the authorities to trust, or \"credential:NAME\"; \"\": the system's store.",
         or_credential(kAnyValue)),
    host("tls.client_certificate",
         "PEM file with our certificate, or \"credential:NAME\", for mutual TLS. Not without client_key. It is shown "
         "to a server that asks for it, in the handshake or after a request.",
         or_credential(kAnyValue)),
    host(
        "tls.client_key",
        "PEM file with the private key of client_certificate, or \"credential:NAME\": the file NAME that systemd hands "
        "over (LoadCredential=), so that it may be root's alone. Only the user that the daemon runs as should be able "
        "to read it.",
        or_credential(kAnyValue)),
    host("tls.server_name", "The name to ask for (SNI) and to verify; \"\": the host's own."),
});

template <typename Enum>
std::string words_of() {
  const std::span<const Choice<Enum>> all = choices<Enum>();
  std::string text;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0) text += i + 1 == all.size() ? " or " : ", ";
    text += word_to_toml(all[i].word);
  }
  return text;
}

/// What a value of this type may be, given the range of its key.
struct Allowed {
  const Key& key;

  [[nodiscard]] std::string between(const Value& min, const Value& max) const {
    return to_toml(min) + " to " + to_toml(max);
  }
  std::string operator()(bool) const { return "true or false"; }
  std::string operator()(std::uint32_t) const {
    return between(static_cast<std::uint32_t>(key.rule.range.min), static_cast<std::uint32_t>(key.rule.range.max));
  }
  std::string operator()(std::uint64_t) const {
    return between(static_cast<std::uint64_t>(key.rule.range.min), static_cast<std::uint64_t>(key.rule.range.max));
  }
  std::string operator()(Duration) const { return between(Duration(key.rule.range.min), Duration(key.rule.range.max)); }
  std::string operator()(const std::string&) const { return {}; }
  std::string operator()(const std::vector<std::string>&) const { return {}; }
  std::string operator()(const std::vector<ListenAddress>&) const { return {}; }
  std::string operator()(const std::vector<Cidr>&) const { return {}; }
  std::string operator()(const std::vector<policy::PortRange>&) const {
    return R"(ports from 1 to 65535 and ranges like "1024-65535")";
  }
  template <typename Place>
  std::string operator()(const std::optional<Place>&) const {
    return {};
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
    case Section::Intercept: return "intercept";
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
