#include "daemon/command/check.h"

#include <cerrno>
#include <chrono>
#include <ostream>
#include <system_error>

#include "config/review.h"
#include "daemon/ca/ca_findings.h"
#include "daemon/config_source.h"
#include "daemon/log/log_outlet.h"
#include "daemon/tls_files.h"

namespace keepwarm::daemon {
namespace {

bool may_be_another_users(int error) noexcept {
  return error == EACCES || error == EPERM;
}

/// "listens on 127.0.0.1:3128, [::1]:3128; 2 host tables"
std::string summary(const config::Config& config) {
  std::string text = "listens on ";
  for (const ListenAddress& address : config.proxy.listen) {
    if (&address != &config.proxy.listen.front()) text += ", ";
    text += address.text();
  }
  const std::size_t tables = config.hosts.entries().size();
  return text + "; " + std::to_string(tables) + (tables == 1 ? " host table" : " host tables");
}

/// Why nobody could write the log. A file that only this user may not write is none of it: the daemon's user may.
std::vector<config::Finding> log_file_findings(const config::Config& config) {
  const int error = LogOutlet::error_of(config.log.file);
  if (error == 0 || may_be_another_users(error)) return {};
  return {{"log.file", {}, "the log cannot be written there: " + std::generic_category().message(error)}};
}

std::vector<config::Finding> file_findings(const config::Config& config) {
  std::vector<config::Finding> found = tls_findings(config);
  for (config::Finding& finding : log_file_findings(config)) found.push_back(std::move(finding));
  for (config::Finding& finding : ca_findings(config)) found.push_back(std::move(finding));
  return found;
}

std::vector<config::Finding> warnings(const config::Config& config) {
  std::vector<config::Finding> found = config::advice(config);
  for (config::Finding& finding : ca_advice(config, std::chrono::system_clock::now())) {
    found.push_back(std::move(finding));
  }
  if (may_be_another_users(LogOutlet::error_of(config.log.file))) {
    found.push_back({"log.file", {}, "this user cannot write the log there, and the daemon's must be able to"});
  }
  return found;
}

}  // namespace

int run_check(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const Result<LoadedConfig, config::ConfigErrors> loaded =
      load_config_for(line, std::string(kDefaultConfigFile), file_findings);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  const std::string source = loaded->file.empty() ? "built-in defaults" : loaded->file;
  out << source << ": ok\n" << summary(loaded->config) << '\n';
  for (const config::Finding& finding : warnings(loaded->config)) {
    err << source << ": warning: " << finding.key << ": " << finding.message << '\n';
  }
  return kDone;
}

}  // namespace keepwarm::daemon
