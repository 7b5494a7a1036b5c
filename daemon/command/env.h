#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm env`: prints the variables that have programs use the proxy.
[[nodiscard]] int run_env(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
