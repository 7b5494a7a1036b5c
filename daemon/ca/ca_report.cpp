#include "daemon/ca/ca_report.h"

#include <algorithm>
#include <unistd.h>

#include "config/credentials.h"
#include "core/net/tls/local_ca.h"
#include "core/net/tls/local_ca_files.h"
#include "core/policy/interception.h"
#include "daemon/ca/ca_command.h"
#include "daemon/log/log_text.h"

namespace keepwarm::daemon {
namespace {

using PatternKind = policy::HostPattern::Kind;

constexpr const char* kRed = "\x1b[31m";
constexpr const char* kPlain = "\x1b[0m";

/// Whether we can tell if a key is there: the folder of another user cannot be looked into.
bool can_look_into(const std::string& folder) {
  return ::access(folder.c_str(), R_OK | X_OK) == 0;
}

/// The number of the one that signs, of those that can.
std::optional<unsigned> signer_of(const std::vector<CaReport::Generation>& generations, const std::string& host,
                                  WallTime now) {
  std::vector<CaGeneration> able;
  for (const CaReport::Generation& each : generations) {
    if (each.can_sign) able.push_back(each.facts);
  }
  const std::optional<std::size_t> index = policy::signing_generation(able, host, now);
  return index ? std::optional(able[*index].number) : std::nullopt;
}

void add_generations(CaReport& report, const config::Config& config, WallTime now) {
  net::CaCertificatesRead read = net::read_ca_certificates(report.place.folder);
  std::vector<unsigned> with_key;
  const std::string& key = config.intercept.key;
  const bool is_elsewhere = !key.empty() && !config::names_credential(key);
  const bool can_look = is_elsewhere || can_look_into(report.place.folder);
  if (can_look) {
    net::LocalCa::Source source = ca_source(config);
    source.folder = report.place.folder;
    net::LocalCa::Read ca = net::LocalCa::read(source);
    report.problems = std::move(ca.problems);
    if (ca.ca) {
      for (const CaGeneration& each : ca.ca->generations()) with_key.push_back(each.number);
    }
  } else {
    report.problems = std::move(read.problems);
    if (read.found.empty() && report.problems.empty()) report.problems.push_back(net::no_ca_text(report.place.folder));
  }
  for (net::CaCertificates& each : read.found) {
    const bool has_key = !can_look || std::find(with_key.begin(), with_key.end(), each.facts.number) != with_key.end();
    const bool can_sign = has_key && each.facts.not_after > now;
    report.generations.push_back({std::move(each.facts), can_sign});
  }
}

void add_hosts(CaReport& report, const config::Config& config, WallTime now) {
  for (const policy::HostTableEntry& entry : config.hosts.entries()) {
    if (!entry.values.intercept || entry.pattern.kind == PatternKind::Any) continue;
    const std::string host = policy::typical_host(entry.pattern);
    report.hosts.push_back({entry.pattern.text, signer_of(report.generations, host, now)});
  }
}

void add_problems(CaReport& report, WallTime now) {
  if (report.generations.empty()) return;
  const auto goes_on = [&](const auto& each) {
    return each.can_sign && each.facts.not_after > now + policy::kLeastRemainingLife;
  };
  if (std::none_of(report.generations.begin(), report.generations.end(), goes_on)) {
    report.problems.push_back("no generation can sign for another 14 days: keepwarm ca create");
  }
  for (const CaReport::Host& host : report.hosts) {
    if (!host.signed_by) report.problems.push_back(host.pattern + " may not be named: it is a tunnel");
  }
  if (::access(report.place.bundle().c_str(), R_OK) != 0) {
    report.problems.push_back(report.place.bundle() + " is missing: keepwarm ca bundle");
  }
}

std::string quoted(std::string_view text) {
  std::string out;
  append_quoted(out, text);
  return out;
}

std::string listed(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + quoted(text);
  return out + ']';
}

std::string to_json(const CaReport::Generation& each) {
  std::vector<std::string> addresses;
  for (const Cidr& range : each.facts.scope.addresses) addresses.push_back(range.text());
  return "{\"number\":" + std::to_string(each.facts.number) + ",\"name\":" + quoted(each.facts.name) +
         ",\"fingerprint\":" + quoted(each.facts.fingerprint) +
         ",\"any_host\":" + (each.facts.scope.any_host ? "true" : "false") +
         ",\"names\":" + listed(each.facts.scope.names) + ",\"addresses\":" + listed(addresses) +
         ",\"not_before\":" + quoted(date_text(each.facts.not_before)) +
         ",\"not_after\":" + quoted(date_text(each.facts.not_after)) +
         ",\"can_sign\":" + (each.can_sign ? "true" : "false") + '}';
}

std::string to_json(const CaReport::Host& host) {
  return "{\"host\":" + quoted(host.pattern) +
         ",\"generation\":" + (host.signed_by ? std::to_string(*host.signed_by) : "null") + '}';
}

template <typename Element>
std::string listed_json(const std::vector<Element>& elements) {
  std::string out = "[";
  for (const Element& each : elements) out += (out.size() > 1 ? "," : "") + to_json(each);
  return out + ']';
}

}  // namespace

CaReport ca_report(const config::Config& config, WallTime now) {
  CaReport report;
  report.place = ca_place_to_use(config);
  add_generations(report, config, now);
  add_hosts(report, config, now);
  add_problems(report, now);
  return report;
}

std::string to_text(const CaReport& report, WallTime now, bool colours) {
  std::string text = "local CA in " + report.place.folder + '\n';
  for (const CaReport::Generation& each : report.generations) {
    const bool is_red = colours && each.facts.scope.any_host;
    const auto days = std::chrono::duration_cast<std::chrono::days>(each.facts.not_after - now).count();
    const bool has_expired = each.facts.not_after <= now;
    text += "\ngeneration " + std::to_string(each.facts.number) + "  (" + each.facts.name + ")\n  may name     " +
            (is_red ? kRed : "") + to_text(each.facts.scope) + (is_red ? kPlain : "") + "\n  until        " +
            date_text(each.facts.not_after) +
            (has_expired ? " (it has expired)" : " (" + std::to_string(days) + " days)") + "\n  fingerprint  " +
            each.facts.fingerprint + "\n  signs        " + (each.can_sign ? "yes" : "no") + '\n';
  }
  if (!report.hosts.empty()) text += "\nhosts with intercept = true\n";
  for (const CaReport::Host& host : report.hosts) {
    text += "  " + host.pattern +
            (host.signed_by ? "  by generation " + std::to_string(*host.signed_by) : "  may not be named") + '\n';
  }
  if (!report.problems.empty()) text += "\nwrong\n";
  for (const std::string& problem : report.problems) text += "  " + problem + '\n';
  return text;
}

std::string to_json(const CaReport& report) {
  return "{\"folder\":" + quoted(report.place.folder) + ",\"generations\":" + listed_json(report.generations) +
         ",\"hosts\":" + listed_json(report.hosts) + ",\"problems\":" + listed(report.problems) + "}\n";
}

}  // namespace keepwarm::daemon
