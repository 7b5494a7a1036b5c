#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm run`: serves in the foreground until SIGTERM or SIGINT (lifecycle.h). Returns kDone; kInputWrong for a bad
/// configuration (what is wrong goes to `err`); kCannotServe when it cannot listen.
int run_daemon(const CommandLine& line, std::ostream& err);

}  // namespace keepwarm::daemon
