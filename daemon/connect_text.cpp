#include "daemon/connect_text.h"

#include <algorithm>
#include <vector>

#include "core/base/certificate_scope.h"
#include "core/net/tls/local_ca.h"
#include "core/net/tls/local_ca_files.h"
#include "core/policy/destination.h"
#include "core/policy/interception.h"
#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_place.h"

namespace keepwarm::daemon {

namespace {

using WallTime = std::chrono::system_clock::time_point;

std::vector<CaGeneration> generations_of(const config::Config& config) {
  std::vector<CaGeneration> facts;
  for (const net::CaCertificates& each : net::read_ca_certificates(ca_place_to_use(config).public_folder).found) {
    facts.push_back(each.facts);
  }
  return facts;
}

std::string why_none_signs(const std::vector<CaGeneration>& generations, const config::Config& config,
                           const Origin& origin, WallTime now) {
  if (generations.empty()) return net::no_ca_text(ca_place(config).folder);
  const auto permits = [&](const CaGeneration& each) { return each.scope.permits(origin.host); };
  if (std::none_of(generations.begin(), generations.end(), permits)) {
    return "the local CA may not name it: keepwarm ca create --permit " + origin.host;
  }
  const bool past = std::any_of(generations.begin(), generations.end(),
                                [&](const CaGeneration& each) { return permits(each) && each.not_after <= now; });
  return past ? "the local CA has expired: keepwarm ca create" : "the local CA is not valid yet: look at the clock";
}

std::string listeners_text(const policy::InterceptSettings& settings) {
  if (settings.listen.empty()) return {};
  std::string text;
  for (const ListenAddress& each : settings.listen) text += (text.empty() ? "" : ", ") + each.text();
  return "  for clients of " + text + "; for others it is a tunnel\n";
}

}  // namespace

std::string connect_text(const config::Config& config, const Origin& origin, WallTime now) {
  const std::string port = std::to_string(origin.port);
  if (!policy::may_tunnel_to(config.proxy, origin.port)) {
    return "  refused: proxy.connect_ports does not have " + port + "\n";
  }
  if (!config.hosts.resolve(origin.host, origin.port).intercept) return "  a tunnel: intercept = false\n";
  const std::vector<CaGeneration> generations = generations_of(config);
  const auto signing = policy::signing_generation(generations, origin.host, now);
  if (!signing) return "  a tunnel: " + why_none_signs(generations, config, origin, now) + "\n";
  const CaGeneration& by = generations[*signing];
  return "  intercepted: generation " + std::to_string(by.number) + " of the local CA (" + by.name + "), until " +
         date_text(by.not_after) + "\n" + listeners_text(config.intercept) +
         "  unless something is odd about a CONNECT: the access log says what (why)\n";
}

}  // namespace keepwarm::daemon
