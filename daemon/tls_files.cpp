#include "daemon/tls_files.h"

#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>

#include "config/credentials.h"
#include "core/net/tls/tls_client.h"
#include "core/net/tls/trust_store.h"

namespace keepwarm::daemon {

namespace {

constexpr std::string_view kAuthorities = "tls.ca_file";
constexpr std::string_view kCertificate = "tls.client_certificate";
constexpr std::string_view kKey = "tls.client_key";

/// Checks the files that one table names. What the table leaves to a more general one is checked with that one. Half a
/// client certificate is a contradiction, which config/review.h finds; credentials that are not here cannot be checked.
void check_files_of(const policy::HostTableEntry& entry, std::vector<config::Finding>& found) {
  const policy::HostSettings& values = entry.values;
  const auto is_there = [](const std::string& file) { return !file.empty() && !config::names_credential(file); };
  const auto check = [&](std::string_view key, const net::TlsSettings& settings) {
    const auto problem = net::check_tls_settings(settings);
    if (!problem) return;
    // The text begins with the key that it is about.
    if (problem->starts_with("client_key ")) key = kKey;
    found.push_back({config::host_key_path(entry.pattern.text, key), {}, *problem});
  };
  if (is_there(values.tls_ca_file)) {
    check(kAuthorities, {.ca_file = values.tls_ca_file, .client_certificate = {}, .client_key = {}});
  }
  if (is_there(values.tls_client_certificate) && is_there(values.tls_client_key)) {
    check(kCertificate,
          {.ca_file = {}, .client_certificate = values.tls_client_certificate, .client_key = values.tls_client_key});
  }
}

/// 0 for a file that cannot be read: whoever needs it says so.
std::uint64_t mark_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return std::hash<std::string>{}(content);
}

}  // namespace

policy::FileMarks tls_file_marks(const config::Config& config) {
  policy::FileMarks marks = {{"", mark_of(net::system_authorities_file())}};
  for (const policy::HostTableEntry& entry : config.hosts.entries()) {
    const policy::HostSettings& values = entry.values;
    for (const std::string& path : {values.tls_ca_file, values.tls_client_certificate, values.tls_client_key}) {
      if (!marks.contains(path)) marks.emplace(path, mark_of(path));
    }
  }
  return marks;
}

std::vector<config::Finding> tls_findings(const config::Config& config) {
  std::vector<config::Finding> found;
  for (const policy::HostTableEntry& entry : config.hosts.entries()) check_files_of(entry, found);
  return found;
}

}  // namespace keepwarm::daemon
