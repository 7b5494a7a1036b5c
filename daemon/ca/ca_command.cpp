#include "daemon/ca/ca_command.h"

#include <array>
#include <ctime>
#include <ostream>

#include "core/net/tls/local_ca.h"
#include "daemon/config_source.h"

namespace keepwarm::daemon {

std::optional<config::Config> config_for_ca(const CommandLine& line, std::ostream& err) {
  // Other files that the configuration names are none of our business.
  Result<LoadedConfig, config::ConfigErrors> loaded = load_config_for(line, std::string(kDefaultConfigFile), nullptr);
  if (loaded) return std::move(loaded->config);
  for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
  return std::nullopt;
}

int fail(const char* command, const std::string& problem, std::ostream& err) {
  err << "keepwarm " << command << ": " << problem << '\n';
  return kInputWrong;
}

std::string date_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 16> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%d", &parts)};
}

std::optional<net::CaCertificatesRead> certificates_in(const std::string& folder, const char* command,
                                                       std::ostream& err) {
  net::CaCertificatesRead read = net::read_ca_certificates(folder);
  if (!read.found.empty()) return read;
  if (read.problems.empty()) read.problems.push_back(net::no_ca_text(folder));
  for (const std::string& problem : read.problems) fail(command, problem, err);
  return std::nullopt;
}

}  // namespace keepwarm::daemon
