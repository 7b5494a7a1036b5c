#include "daemon/ca/permitted.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "config/value.h"
#include "core/policy/host_table.h"

namespace keepwarm::daemon {
namespace {

using config::quote;
using PatternKind = policy::HostPattern::Kind;

constexpr std::size_t kMostNames = 100;

/// A suffix is taken as the name itself, which covers all below it.
void permit(CertificateScope& scope, const policy::HostPattern& pattern) {
  if (const std::optional<IpAddress> address = IpAddress::parse(pattern.name)) {
    const Cidr only{*address, address->bits()};
    if (std::find(scope.addresses.begin(), scope.addresses.end(), only) == scope.addresses.end()) {
      scope.addresses.push_back(only);
    }
  } else if (std::find(scope.names.begin(), scope.names.end(), pattern.name) == scope.names.end()) {
    scope.names.push_back(pattern.name);
  }
}

Result<CertificateScope, std::string> if_not_too_many(CertificateScope scope) {
  const std::size_t count = scope.names.size() + scope.addresses.size();
  if (count <= kMostNames) return scope;
  return std::to_string(count) + " hosts are too many: a CA may name at most " + std::to_string(kMostNames) +
         "; a name covers all below it";
}

/// Whether the hosts of a table are intercepted, be it by another table.
bool intercepts(const policy::HostTableEntry& entry) {
  const auto sets_it = [](std::size_t key) { return policy::host_keys()[key].name == "intercept"; };
  return entry.values.intercept && std::any_of(entry.keys.begin(), entry.keys.end(), sets_it);
}

}  // namespace

Result<CertificateScope, std::string> permitted_by(std::span<const std::string> names) {
  CertificateScope scope;
  for (const std::string& name : names) {
    const Result<policy::HostPattern, policy::PatternError> pattern = policy::parse_host_pattern(name);
    if (!pattern) return "--permit " + quote(name) + ": " + pattern.failure().message;
    if (pattern->kind == PatternKind::Any) return "--permit " + quote(name) + ": any host takes --any-host";
    if (pattern->port) return "--permit " + quote(name) + ": a certificate is for a host, without a port";
    permit(scope, *pattern);
  }
  return if_not_too_many(std::move(scope));
}

Result<CertificateScope, std::string> permitted_by(const config::Config& config) {
  CertificateScope scope;
  for (const policy::HostTableEntry& entry : config.hosts.entries()) {
    if (!intercepts(entry)) continue;
    if (entry.pattern.kind == PatternKind::Any) {
      return std::string("[host.\"*\"] says intercept = true, which names no hosts: --permit NAME, or --any-host");
    }
    permit(scope, entry.pattern);
  }
  if (scope == CertificateScope{}) return std::string("no host says intercept = true: --permit NAME, or --any-host");
  return if_not_too_many(std::move(scope));
}

}  // namespace keepwarm::daemon
