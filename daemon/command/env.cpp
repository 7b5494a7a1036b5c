#include "daemon/command/env.h"

#include <ostream>

#include "daemon/ca/ca_command.h"
#include "daemon/ca/client_environment.h"

namespace keepwarm::daemon {
namespace {

/// A container sees neither this machine's loopback nor its files unless it is told to.
std::string docker_hint(const config::Config& config, bool trusting) {
  const std::string folder = ca_place_to_use(config).public_folder;
  return "# docker run --network host " + (trusting ? "--volume " + folder + ':' + folder + ":ro " : std::string()) +
         "--env-file FILE ...\n";
}

}  // namespace

int run_env(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const EnvironmentArguments& asked = line.environment;
  const Result<Variables, std::string> variables = client_variables(*config, asked.ca, asked.java);
  if (!variables) return fail("env", variables.failure(), err);
  if (asked.format == EnvironmentFormat::Systemd) out << "[Service]\n";
  if (asked.format == EnvironmentFormat::Docker) out << docker_hint(*config, asked.ca);
  out << to_text(*variables, asked.format);
  return kDone;
}

}  // namespace keepwarm::daemon
