#include "daemon/command/probe.h"

#include <algorithm>
#include <array>
#include <csignal>
#include <ctime>
#include <ostream>

#include "config/credentials.h"
#include "config/value.h"
#include "core/http/serializer.h"
#include "core/net/deadline_clock.h"
#include "core/policy/destination.h"
#include "core/pool/parent_tunnel.h"
#include "core/proxy/destination_filter.h"
#include "core/proxy/router.h"
#include "daemon/cli/commands.h"
#include "daemon/config_source.h"
#include "daemon/next_hop_text.h"
#include "daemon/probe/report.h"
#include "daemon/probe/run.h"
#include "daemon/url_argument.h"

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;

/// A whole answer is waited for as long as connections are left idle, within these bounds.
constexpr Duration kShortestAnswerLimit = 5s;
constexpr Duration kLongestAnswerLimit = 30s;

/// On a terminal one line that is rewritten, else a line now and then.
class Progress final : public ProbeProgress {
 public:
  Progress(std::ostream& err, bool terminal) : err_(err), terminal_(terminal) {}

  [[nodiscard]] Duration interval() const override { return terminal_ ? 1s : 10s; }
  void line(const std::string& text) override {
    if (terminal_) {
      err_ << '\r' << text << "\x1b[K" << std::flush;
    } else {
      err_ << text << std::endl;
    }
  }
  void clear() {
    if (terminal_) err_ << "\r\x1b[K" << std::flush;
  }

 private:
  std::ostream& err_;
  bool terminal_;
};

/// GET, although HEAD would be kinder: it is what clients send, and some applications refuse HEAD, answer it with a
/// body, or close the connection after it.
std::string request_text(const UrlArgument& url, const policy::NextHop& hop) {
  const std::string agent = "keepwarm/" + std::string(program_version());
  const std::array<http::Field, 2> fields = {http::Field{.name = "User-Agent", .value = agent},
                                             http::Field{.name = "Accept", .value = "*/*"}};
  http::RequestHead head;
  head.method = "GET";
  head.fields = fields;
  const bool to_other_port =
      hop.tls && url.origin.scheme == Scheme::Http && url.origin.port == default_port(Scheme::Http);
  const std::string authorization = hop.absolute_form() ? pool::basic_authorization(hop.credentials) : std::string();
  std::string scratch;
  http::ForwardedRequest how;
  how.method = head.method;
  how.target = hop.absolute_form() ? proxy::target_for_parent(head, url.target, scratch)
                                   : proxy::forwarded_target(head, url.target, scratch);
  how.host = to_other_port ? proxy::authority_without_port(url.target) : url.target.authority;
  how.proxy_authorization = authorization;
  std::string text;
  http::write_request_head(text, head, how);
  return text;
}

proxy::DestinationRules rules_of(const policy::ProxySettings& settings) {
  proxy::DestinationRules rules;
  rules.denied = settings.deny_destinations;
  rules.denied_is_explicit = settings.deny_destinations_set;
  return rules;
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm broken_down{};
  ::localtime_r(&now, &broken_down);
  std::array<char, 16> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d", &broken_down);
  return text.data();
}

ProbeSubject subject_of(const Origin& origin, const policy::NextHop& hop, const policy::HostTable& hosts) {
  const auto has_table = [&](std::optional<std::uint16_t> port) {
    const auto& entries = hosts.entries();
    return std::any_of(entries.begin(), entries.end(), [&](const policy::HostTableEntry& entry) {
      return entry.pattern.kind == policy::HostPattern::Kind::Name && entry.pattern.name == origin.host &&
             entry.pattern.port == port;
    });
  };
  ProbeSubject subject;
  subject.origin = origin_text(origin);
  if (hop.via != policy::NextHop::Via::Client) subject.way = leads_to(hop);
  // A table for the name alone holds for the scheme's usual port, unless one for that port overrides it.
  const bool by_name = origin.port == default_port(origin.scheme) && !has_table(origin.port);
  subject.table = by_name ? origin.host : host_and_port(origin.host, origin.port);
  subject.table_is_there = by_name ? has_table(std::nullopt) : has_table(origin.port);
  const policy::HostSettings settings = hosts.resolve(origin.host, origin.port);
  subject.idle_timeout = settings.idle_timeout;
  subject.assumed_idle_timeout = settings.assumed_idle_timeout;
  subject.date = today();
  return subject;
}

/// Opens the connections and waits; what has been seen, and why nothing was.
std::pair<ProbeFindings, std::string> probe(const ProbeTarget& target, const config::Config& config, Duration max,
                                            ProbeProgress& progress) {
  net::Loop loop;
  net::DeadlineClock deadlines(loop);
  net::Resolver resolver(loop, {.ttl = config.dns.ttl,
                                .negative_ttl = config.dns.negative_ttl,
                                .min_ttl = config.dns.min_ttl,
                                .timeout = config.dns.dns_timeout,
                                .mode = config.dns.resolver});
  net::TlsClient tls(loop);
  const proxy::DestinationRules rules = rules_of(config.proxy);
  const proxy::DestinationFilter filter(rules, true);
  pool::DialContext context{loop, deadlines, resolver, tls, filter, filter};
  context.head_limits.max_size = config.proxy.max_header_size;
  ProbeRun run(context, target, max, progress);
  ProbeFindings findings = run.run();
  return {std::move(findings), run.failure()};
}

}  // namespace

int run_probe(const CommandLine& line, std::ostream& out, std::ostream& err, bool terminal) {
  const auto refuse = [&err](std::string_view why) {
    err << "keepwarm probe: " << why << '\n';
    return kInputWrong;
  };
  UrlArgument url;
  if (const auto fault = parse_url(line.url, url)) {
    return refuse("not a URL to probe: " + std::string(http::describe(*fault)) +
                  "; allowed: http://HOST[:PORT]/..., https://HOST[:PORT]/..., HOST[:PORT]");
  }
  const Result<LoadedConfig, config::ConfigErrors> loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  const config::Config& config = loaded->config;
  if (!policy::may_forward_to(config.proxy, url.origin.port)) {
    return refuse("port " + std::to_string(url.origin.port) + " is one of another protocol (bad_ports)");
  }
  const policy::HostSettings settings = config.hosts.resolve(url.origin.host, url.origin.port);
  if (const auto unread = config::unread_credentials(settings); !unread.empty()) {
    return refuse(
        std::string(unread.front()) +
        " of this host names a credential of the service: set CREDENTIALS_DIRECTORY to a folder that has it, or "
        "name another configuration with --config");
  }
  const policy::NextHop hop = policy::next_hop(url.origin, settings);
  const ProbeTarget target{
      hop, request_text(url, hop), settings.connect_timeout,
      std::min(settings.response_timeout, std::clamp<Duration>(line.max, kShortestAnswerLimit, kLongestAnswerLimit))};
  ::signal(SIGPIPE, SIG_IGN);
  Progress progress(err, terminal);
  progress.line("probing " + origin_text(url.origin) + ": connections are left idle for up to " +
                config::format_duration(line.max) + "; Ctrl-C shows what is known");
  const auto [findings, failure] = probe(target, config, line.max, progress);
  progress.clear();
  if (findings.answered == 0) {
    const std::string where = host_and_port(url.origin.host, url.origin.port) + ": ";
    return refuse(where + (failure.empty() ? "interrupted before an answer came" : failure));
  }
  out << report_text(subject_of(url.origin, hop, config.hosts), findings) << std::flush;
  return kDone;
}

}  // namespace keepwarm::daemon
