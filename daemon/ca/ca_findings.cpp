#include "daemon/ca/ca_findings.h"

#include <algorithm>

#include "config/credentials.h"
#include "core/net/tls/local_ca_files.h"
#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_place.h"
#include "daemon/ca/loaded_ca.h"

namespace keepwarm::daemon {
namespace {

using Findings = std::vector<config::Finding>;
using PatternKind = policy::HostPattern::Kind;

void judge_key(const std::string& key, const std::string& path, Findings& found) {
  if (std::string problem = net::key_file_problem(path); !problem.empty()) {
    found.push_back({key, {}, std::move(problem)});
  }
}

}  // namespace

Findings ca_findings(const config::Config& config) {
  Findings found;
  if (!intercepts(config)) return found;
  const std::string& key = config.intercept.key;
  const std::string credentials = config::Credentials::of_environment(false).folder;
  const bool handed_over = !credentials.empty() && key.starts_with(credentials + '/');
  if (!key.empty()) {
    if (!handed_over && !config::names_credential(key)) judge_key("intercept.key", key, found);
    return found;
  }
  const std::string folder = ca_place(config).folder;
  for (unsigned number = 1; number <= net::kMostCaGenerations; ++number) {
    judge_key("intercept.ca", net::generation_folder(folder, number) + "/issuer.key", found);
  }
  return found;
}

Findings ca_advice(const config::Config& config, std::chrono::system_clock::time_point now) {
  Findings found;
  if (!intercepts(config)) return found;
  const std::string folder = ca_place(config).folder;
  net::CaCertificatesRead read = net::read_ca_certificates(folder);
  if (read.found.empty() && read.problems.empty()) read.problems.push_back(net::no_ca_text(folder));
  for (std::string& problem : read.problems) found.push_back({"intercept.ca", {}, std::move(problem)});
  if (read.found.empty()) return found;
  std::erase_if(read.found, [&](const auto& each) { return each.facts.not_after <= now; });
  if (read.found.empty()) found.push_back({"intercept.ca", {}, "the local CA has expired: keepwarm ca create"});
  for (const policy::HostTableEntry& entry : config.hosts.entries()) {
    if (!entry.values.intercept || entry.pattern.kind == PatternKind::Any || read.found.empty()) continue;
    const std::string host = policy::typical_host(entry.pattern);
    const auto may_name = [&](const auto& each) { return each.facts.scope.permits(host); };
    if (std::any_of(read.found.begin(), read.found.end(), may_name)) continue;
    found.push_back({config::host_key_path(entry.pattern.text, "intercept"),
                     {},
                     "the local CA may not name this host, so it is a tunnel: keepwarm ca create"});
  }
  return found;
}

}  // namespace keepwarm::daemon
