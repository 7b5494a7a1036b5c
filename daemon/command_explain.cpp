#include "daemon/command_explain.h"

#include <algorithm>
#include <iomanip>
#include <ostream>
#include <string>
#include <vector>

#include "config/keys.h"
#include "config/value.h"
#include "core/base/origin.h"
#include "core/http/target.h"
#include "core/policy/next_hop.h"
#include "daemon/config_source.h"

namespace keepwarm::daemon {
namespace {

using config::format_duration;
using policy::HostSettings;

/// The origin of "http://host:port/path", or of "host", "host:port", which mean http.
Result<Origin, http::TargetFault> parse_url(const std::string& url) {
  const bool has_scheme = url.find("://") != std::string::npos;
  const std::string absolute = has_scheme ? url : "http://" + url;
  const Result<http::Target, http::TargetFault> target = http::parse_target(absolute, false, false);
  if (!target) return target.failure();
  Origin origin{.scheme = target->scheme, .host = {}, .port = target->port};
  http::normalize_host(target->host, origin.host);
  return origin;
}

struct Row {
  std::string key;
  std::string value;
  std::string source;
};

std::vector<Row> rows_for(const policy::HostTable& hosts, const Origin& origin, const HostSettings& settings) {
  const std::vector<std::string_view> sources = hosts.sources(origin.host, origin.port);
  std::vector<Row> rows;
  for (const config::Key& key : config::keys()) {
    if (key.section != config::Section::Host) continue;
    const std::string_view source = sources[config::host_index(key)];
    const bool may_hold_password = key.name == "parent";
    const std::string value =
        may_hold_password ? config::quote(policy::without_credentials(settings.parent)) : to_toml(read(settings, key));
    rows.push_back({std::string(key.name), value, source.empty() ? "default" : "host." + config::quote(source)});
  }
  return rows;
}

void print_table(const std::vector<Row>& rows, std::ostream& out) {
  constexpr std::size_t kWidest = 32;  // a longer value (retry_methods) must not push the others away
  std::size_t key_width = 0;
  std::size_t value_width = 0;
  for (const Row& row : rows) {
    key_width = std::max(key_width, row.key.size());
    if (row.value.size() <= kWidest) value_width = std::max(value_width, row.value.size());
  }
  const auto column = [](std::size_t width) { return std::setw(static_cast<int>(width)); };
  out << std::left;
  for (const Row& row : rows) {
    out << "  " << column(key_width) << row.key << "  " << column(value_width) << row.value << "  " << row.source
        << '\n';
  }
}

std::string leads_to(const policy::NextHop& hop) {
  if (!hop.unix_path.empty()) return "unix:" + hop.unix_path + " (connect_to)";
  std::string address = host_and_port(hop.host, hop.port);
  switch (hop.via) {
    case policy::NextHop::Via::Client: return address;
    case policy::NextHop::Via::ConnectTo: return address + " (connect_to)";
    case policy::NextHop::Via::Parent: break;
  }
  const std::string way = hop.parent_tunnel ? ", through a tunnel of the parent proxy " : ", the parent proxy";
  return hop.parent_tunnel ? host_and_port(hop.origin.host, hop.origin.port) + way + address : address + way;
}

std::string speaks(const policy::NextHop& hop) {
  if (!hop.tls) return hop.absolute_form() ? "plain HTTP, with the whole URL in the request" : "plain HTTP";
  const policy::TlsTerms& terms = *hop.tls;
  std::string text = "TLS with " + terms.server_name;
  if (!terms.verify) return text + ", whose certificate is not verified";
  text += ", verified by " + (terms.ca_file.empty() ? "the system's authorities" : "those of " + terms.ca_file);
  if (!terms.client_certificate.empty()) text += ", client certificate " + terms.client_certificate;
  return text;
}

void print_way(const Origin& origin, const HostSettings& settings, std::ostream& out) {
  const policy::NextHop hop = policy::next_hop(origin, settings);
  out << "\nConnections for this host\n\n"
      << "  lead to    " << leads_to(hop) << '\n'
      << "  speak      " << speaks(hop) << '\n';
}

/// How long an idle connection may be used again, in words (DESIGN.md §6.3).
void print_trust(const HostSettings& settings, std::ostream& out) {
  const Duration assumed = settings.assumed_idle_timeout;
  const Duration margin = std::min(settings.idle_margin, assumed / 2);
  const std::string trusted = format_duration(std::min(assumed - margin, settings.idle_timeout));
  out << "  held       up to " << settings.max_idle << ", each for " << format_duration(settings.idle_timeout)
      << " at most\n";
  if (settings.server_hint) {
    out << "  expected   closed by the server after its Keep-Alive hint; without one after " << format_duration(assumed)
        << " (assumed)\n"
        << "  trusted    until " << format_duration(settings.idle_margin)
        << " before the hint, and then closed by keepwarm; without one as long as\n"
        << "             any has survived before, at most " << trusted << '\n';
  } else {
    out << "  expected   closed by the server after " << format_duration(assumed) << " (assumed; hints are ignored)\n"
        << "  trusted    as long as any has survived before, at most " << trusted << '\n';
  }
  out << "             (a slow link widens the margin; it never takes more than half)\n";
}

/// What may go on a connection that was idle (DESIGN.md §6.4, §6.5).
void print_use(const HostSettings& settings, std::ostream& out) {
  out << "  taken by   requests that can be sent again: any of them; if it turns out to be closed, "
      << (settings.retry ? "once more on a fresh one\n" : "502 (retry = false)\n") << "             other requests: ";
  switch (settings.unsafe_reuse) {
    case policy::UnsafeReuse::Never: out << "none, always a fresh connection\n"; break;
    case policy::UnsafeReuse::Trusted: out << "a trusted one, or a fresh connection\n"; break;
    case policy::UnsafeReuse::Always: out << "any of them, at your risk\n"; break;
  }
}

void print_pool_rule(const HostSettings& settings, std::ostream& out) {
  out << "\nIdle connections to this host\n\n";
  if (!settings.reuse || settings.max_idle == 0) {
    out << "  none: each request has a connection of its own (" << (settings.reuse ? "max_idle = 0" : "reuse = false")
        << ")\n";
    return;
  }
  print_trust(settings, out);
  print_use(settings, out);
}

bool may_connect(const policy::ProxySettings& proxy, std::uint16_t port) {
  return std::any_of(proxy.connect_ports.begin(), proxy.connect_ports.end(),
                     [&](const policy::PortRange& range) { return range.contains(port); });
}

}  // namespace

int run_explain(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const Result<Origin, http::TargetFault> origin = parse_url(line.url);
  if (!origin) {
    // The URL is not repeated: it may hold a password.
    err << "keepwarm explain: not a URL to explain: " << http::describe(origin.failure())
        << "; allowed: http://HOST[:PORT]/..., https://HOST[:PORT]/..., HOST[:PORT]\n";
    return kInputWrong;
  }
  const Result<LoadedConfig, config::ConfigErrors> loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  const config::Config& config = loaded->config;
  const HostSettings settings = config.hosts.resolve(origin->host, origin->port);
  out << name_of(origin->scheme) << "://" << host_and_port(origin->host, origin->port) << "  ("
      << (loaded->file.empty() ? "built-in defaults, no configuration file" : loaded->file) << ")\n\n";
  print_table(rows_for(config.hosts, *origin, settings), out);
  print_way(*origin, settings, out);
  print_pool_rule(settings, out);
  if (origin->scheme == Scheme::Https && !may_connect(config.proxy, origin->port)) {
    out << "\nA tunnel (CONNECT) to port " << origin->port << " is refused: proxy.connect_ports does not have it.\n";
  }
  return kDone;
}

}  // namespace keepwarm::daemon
