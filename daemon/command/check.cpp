#include "daemon/command/check.h"

#include <ostream>

#include "config/review.h"
#include "daemon/config_source.h"

namespace keepwarm::daemon {
namespace {

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

}  // namespace

int run_check(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const Result<LoadedConfig, config::ConfigErrors> loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  const std::string source = loaded->file.empty() ? "built-in defaults" : loaded->file;
  out << source << ": ok\n" << summary(loaded->config) << '\n';
  for (const config::Finding& finding : config::advice(loaded->config)) {
    err << source << ": warning: " << finding.key << ": " << finding.message << '\n';
  }
  return kDone;
}

}  // namespace keepwarm::daemon
