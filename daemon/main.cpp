#include <iostream>
#include <span>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/help.h"
#include "daemon/command/ca_bundle.h"
#include "daemon/command/ca_create.h"
#include "daemon/command/ca_install.h"
#include "daemon/command/ca_status.h"
#include "daemon/command/ca_test.h"
#include "daemon/command/check.h"
#include "daemon/command/env.h"
#include "daemon/command/exec.h"
#include "daemon/command/explain.h"
#include "daemon/command/probe.h"
#include "daemon/command/run.h"
#include "daemon/descriptors.h"

int main(int argc, char** argv) {
  using namespace keepwarm::daemon;
  fill_standard_descriptors();
  const std::span<const char* const> arguments(argv + 1, static_cast<std::size_t>(argc > 0 ? argc - 1 : 0));
  const auto line = parse_command_line(arguments);
  if (!line) {
    std::cerr << usage_error_text(line.failure());
    return kUsageWrong;
  }
  switch (line->command) {
    case Command::Run: return run_daemon(*line, std::cerr);
    case Command::Check: return run_check(*line, std::cout, std::cerr);
    case Command::Explain: return run_explain(*line, std::cout, std::cerr);
    case Command::Probe: return run_probe(*line, std::cout, std::cerr, ::isatty(STDERR_FILENO) == 1);
    case Command::CaCreate: return run_ca_create(*line, std::cin, std::cout, std::cerr);
    case Command::CaBundle: return run_ca_bundle(*line, std::cout, std::cerr);
    case Command::CaStatus: return run_ca_status(*line, std::cout, std::cerr);
    case Command::CaInstall: return run_ca_install(*line, std::cout, std::cerr);
    case Command::CaUninstall: return run_ca_uninstall(*line, std::cout, std::cerr);
    case Command::CaTest: return run_ca_test(*line, std::cout, std::cerr);
    case Command::Env: return run_env(*line, std::cout, std::cerr);
    case Command::Exec: return run_exec(*line, std::cerr);
    case Command::Help: std::cout << help_text(program(), line->help_on); return kDone;
    case Command::Version: std::cout << version_text(); return kDone;
  }
  return kUsageWrong;
}
