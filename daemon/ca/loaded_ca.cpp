#include "daemon/ca/loaded_ca.h"

#include <algorithm>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_place.h"

namespace keepwarm::daemon {
namespace {

using WallTime = std::chrono::system_clock::time_point;

constexpr std::chrono::days kWarnBefore{60};
constexpr const char* kTunnels = "; hosts with intercept = true are tunnels";

/// No debugger of this user, no core file. None of it can fail for our own process.
void close_memory() noexcept {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  constexpr rlimit kNone{0, 0};
  ::setrlimit(RLIMIT_CORE, &kNone);
}

/// Whether everything that `scope` permits is permitted by the other, too.
bool covers(const CertificateScope& other, const CertificateScope& scope) {
  if (scope.any_host) return other.any_host;
  return std::all_of(scope.names.begin(), scope.names.end(), [&](const auto& name) { return other.permits(name); }) &&
         std::all_of(scope.addresses.begin(), scope.addresses.end(),
                     [&](const Cidr& range) { return other.permits(range.base.text()); });
}

}  // namespace

bool intercepts(const config::Config& config) {
  const auto& tables = config.hosts.entries();
  return std::any_of(tables.begin(), tables.end(), [](const auto& table) { return table.values.intercept; });
}

LoadedCa load_ca(const config::Config& config, WallTime now) {
  if (!intercepts(config)) return {};
  close_memory();
  net::LocalCa::Read read = net::LocalCa::read(ca_source(config));
  if (!read.ca) {
    if (!read.problems.empty()) read.problems.back() += kTunnels;
    return {nullptr, std::move(read.problems)};
  }
  WallTime latest = WallTime::min();
  for (const CaGeneration& each : read.ca->generations()) latest = std::max(latest, each.not_after);
  if (latest <= now) {
    read.problems.push_back("it has expired, on " + date_text(latest) + ": keepwarm ca create" + kTunnels);
  }
  return {std::move(read.ca), std::move(read.problems)};
}

std::vector<std::string> expiry_warnings(const net::LocalCa& ca, WallTime now) {
  std::vector<std::string> warnings;
  const auto ends_soon = [&](const CaGeneration& each) { return each.not_after < now + kWarnBefore; };
  for (const CaGeneration& each : ca.generations()) {
    const auto replaces = [&](const CaGeneration& other) {
      return !ends_soon(other) && covers(other.scope, each.scope);
    };
    const bool is_replaced = std::any_of(ca.generations().begin(), ca.generations().end(), replaces);
    if (!ends_soon(each) || is_replaced || each.not_after <= now) continue;
    warnings.push_back("generation " + std::to_string(each.number) + " (" + each.name + ") ends on " +
                       date_text(each.not_after) + ": keepwarm ca create, and have clients trust that one, too");
  }
  return warnings;
}

}  // namespace keepwarm::daemon
