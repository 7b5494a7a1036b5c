#include "daemon/tls_files.h"

#include <string>
#include <string_view>

#include "core/net/tls_client.h"

namespace keepwarm::daemon {

namespace {

constexpr std::string_view kAuthorities = "tls.ca_file";
constexpr std::string_view kCertificate = "tls.client_certificate";

/// A table that names a file is looked at by itself: what it leaves to a more general table is that one's concern. Half
/// a client certificate is a contradiction, which config/review.h finds.
void look_at(const policy::HostTableEntry& entry, std::vector<config::Finding>& found) {
  const policy::HostSettings& values = entry.values;
  const auto look = [&](std::string_view key, const net::TlsSettings& settings) {
    const auto problem = net::check_tls_settings(settings);
    if (problem) found.push_back({config::host_key_path(entry.pattern.text, key), {}, *problem});
  };
  if (!values.tls_ca_file.empty()) {
    look(kAuthorities, {.ca_file = values.tls_ca_file, .client_certificate = {}, .client_key = {}});
  }
  if (!values.tls_client_certificate.empty() && !values.tls_client_key.empty()) {
    look(kCertificate,
         {.ca_file = {}, .client_certificate = values.tls_client_certificate, .client_key = values.tls_client_key});
  }
}

}  // namespace

std::vector<config::Finding> tls_findings(const config::Config& config) {
  std::vector<config::Finding> found;
  for (const policy::HostTableEntry& entry : config.hosts.entries()) look_at(entry, found);
  return found;
}

}  // namespace keepwarm::daemon
