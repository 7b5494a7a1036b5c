#include "daemon/command/ca_status.h"

#include <chrono>
#include <ostream>
#include <unistd.h>

#include "daemon/ca/ca_command.h"
#include "daemon/ca/ca_report.h"

namespace keepwarm::daemon {

int run_ca_status(const CommandLine& line, std::ostream& out, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const auto now = std::chrono::system_clock::now();
  const CaReport report = ca_report(*config, now);
  out << (line.ca.json ? to_json(report) : to_text(report, now, ::isatty(STDOUT_FILENO) == 1));
  return report.problems.empty() ? kDone : kInputWrong;
}

}  // namespace keepwarm::daemon
