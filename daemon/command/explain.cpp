#include "daemon/command/explain.h"

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <ostream>
#include <string>
#include <vector>

#include "config/keys.h"
#include "config/value.h"
#include "core/net/dns/system_names.h"
#include "core/policy/idle_terms.h"
#include "core/policy/next_hop.h"
#include "daemon/config_source.h"
#include "daemon/connect_text.h"
#include "daemon/next_hop_text.h"
#include "daemon/url_argument.h"

namespace keepwarm::daemon {
namespace {

using config::format_duration;
using policy::HostSettings;

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
    rows.push_back({std::string(key.name), to_toml(read(settings, key)),
                    source.empty() ? "default" : "host." + config::quote(source)});
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

void print_way(const Origin& origin, const HostSettings& settings, ResolverMode resolver, std::ostream& out) {
  const policy::NextHop hop = policy::next_hop(origin, settings);
  out << "\nConnections for this host\n\n"
      << "  lead to    " << leads_to(hop) << '\n'
      << "  speak      " << speaks(hop) << '\n';
  const std::string looked_up = looked_up_by(hop.host, net::SystemNames(resolver, {}));
  if (!looked_up.empty()) out << "  looked up  " << looked_up << '\n';
}

/// What is expected of the server, and from where that is known.
std::string expected_text(const HostSettings& settings) {
  const std::string assumed = format_duration(settings.assumed_idle_timeout);
  const std::string outlived =
      "  until then after " + assumed + " (assumed), or what three connections have outlived\n";
  if (settings.server_hint && settings.learn) {
    return "closed by the server after the lesser of its Keep-Alive hint and what closes have taught (learn = true);\n"
           "           " +
           outlived;
  }
  if (settings.server_hint) {
    return "closed by the server after its Keep-Alive hint; without one after " + assumed +
           " (assumed; learn = false)\n";
  }
  if (settings.learn) {
    return "closed by the server after what closes have taught (learn = true); hints are ignored\n"
           "           " +
           outlived;
  }
  return "closed by the server after " + assumed + " (assumed; hints are ignored, learn = false)\n";
}

/// Where the server's idle timeout is known from; keepwarm closes a connection before that timeout.
std::string known_text(const HostSettings& settings) {
  if (settings.server_hint && settings.learn) return "the hint, or what was learned";
  return settings.server_hint ? "the hint" : "what was learned";
}

/// How long an idle connection may be used again, in words (core/doc/design.md §6.3).
void print_trust(const HostSettings& settings, std::ostream& out) {
  policy::ServerView all_proved;
  all_proved.proved = Duration::max();
  const Duration limit = policy::idle_terms(policy::idle_settings(settings), all_proved).trusted_for;
  const std::string assumed = "as long as any has survived before, at most " + format_duration(limit) + '\n';
  out << "  held       up to " << settings.max_idle << ", each for " << format_duration(settings.idle_timeout)
      << " at most\n"
      << "  expected   " << expected_text(settings) << "  margin     " << format_duration(settings.idle_margin)
      << "; more on a slow link, but no more than half of what is expected and no less than a round trip\n"
      << "  trusted    ";
  if (settings.server_hint || settings.learn) {
    out << "until a margin before " << known_text(settings) << ", and then closed by keepwarm, which so closes first;\n"
        << "             without that " << assumed;
  } else {
    out << assumed;
  }
}

/// What may go on a connection that was idle (core/doc/design.md §6.4, §6.5).
void print_use(const HostSettings& settings, std::ostream& out) {
  out << "  taken by   requests that can be sent again: any of them, trusted ones first; if it turns out to be closed, "
      << (settings.retry ? "once more on a fresh one\n" : "502 (retry = false)\n")
      << "             other requests (unsafe_reuse): ";
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

}  // namespace

int run_explain(const CommandLine& line, std::ostream& out, std::ostream& err) {
  UrlArgument url;
  if (const auto fault = parse_url(line.url, url)) {
    err << "keepwarm explain: not a URL to explain: " << http::describe(*fault)
        << "; allowed: http://HOST[:PORT]/..., https://HOST[:PORT]/..., HOST[:PORT]\n";
    return kInputWrong;
  }
  const Result<LoadedConfig, config::ConfigErrors> loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  const config::Config& config = loaded->config;
  const HostSettings settings = config.hosts.resolve(url.origin.host, url.origin.port);
  out << origin_text(url.origin) << "  ("
      << (loaded->file.empty() ? "built-in defaults, no configuration file" : loaded->file) << ")\n\n";
  print_table(rows_for(config.hosts, url.origin, settings), out);
  print_way(url.origin, settings, config.dns.resolver, out);
  print_pool_rule(settings, out);
  if (url.origin.scheme == Scheme::Https) {
    out << "\nCONNECT to this host\n\n" << connect_text(config, url.origin, std::chrono::system_clock::now());
  }
  return kDone;
}

}  // namespace keepwarm::daemon
