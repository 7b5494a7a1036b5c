#include "daemon/ca/publish.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "core/net/tls/java_trust_store.h"
#include "core/net/tls/trust_store.h"
#include "daemon/ca/new_file.h"

namespace keepwarm::daemon {
namespace {

constexpr mode_t kForAll = 0644;
constexpr mode_t kFolderForAll = 0755;

/// Where distributions keep all authorities in one file.
constexpr auto kUsualFiles = std::to_array<const char*>({
    "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",                   // Fedora
    "/etc/ssl/ca-bundle.pem",                             // SUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Fedora, newer
    "/etc/ssl/cert.pem",
});

bool is_same_file(const std::string& one, const std::string& other) {
  std::error_code ignored;
  return one == other || std::filesystem::equivalent(one, other, ignored);
}

std::string roots_text(const std::vector<net::CaCertificates>& ours) {
  std::string text;
  for (const net::CaCertificates& each : ours) {
    text += "# keepwarm local CA " + each.facts.name + ": " + to_text(each.facts.scope) + '\n' + each.root_pem;
  }
  return text;
}

}  // namespace

SystemAuthorities system_authorities(const std::string& own) {
  std::vector<std::string> files;
  const char* const named = std::getenv("SSL_CERT_FILE");
  if (named != nullptr && named[0] != '\0' && !is_same_file(named, own)) {
    files = {named};
  } else {
    files.assign(kUsualFiles.begin(), kUsualFiles.end());
    if (named == nullptr) files.push_back(net::system_authorities_file());
  }
  for (std::string& file : files) {
    std::string problem;
    std::string text = read_text(file, problem);
    if (problem.empty()) return {std::move(file), std::move(text)};
  }
  return {};
}

std::string bundle_text(const SystemAuthorities& system, const std::vector<net::CaCertificates>& ours) {
  std::string text = system.text;
  if (!text.empty() && text.back() != '\n') text += '\n';
  return text + roots_text(ours);
}

std::string publish(const CaPlace& place, const SystemAuthorities& system,
                    const std::vector<net::CaCertificates>& ours) {
  std::string problem = make_folder(place.public_folder, kFolderForAll);
  const auto write = [&](const std::string& path, std::string_view text) {
    if (problem.empty()) problem = write_new_file(path, text, kForAll);
  };
  for (const net::CaCertificates& each : ours) {
    const std::string folder = net::generation_folder(place.public_folder, each.facts.number);
    if (problem.empty()) problem = make_folder(folder, kFolderForAll);
    write(folder + "/issuer.crt", each.issuer_pem);
    write(folder + "/root.crt", each.root_pem);
  }
  write(place.roots(), roots_text(ours));
  const std::string bundle = bundle_text(system, ours);
  write(place.java_trust_store(), net::java_trust_store(bundle, std::chrono::system_clock::now()));
  write(place.bundle(), bundle);
  return problem;
}

}  // namespace keepwarm::daemon
