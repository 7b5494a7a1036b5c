#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm explain URL`: to `out` every setting in force for the URL's host and port, with the table that it came
/// from, and what follows for the pool in words; or what is wrong with URL or configuration to `err`. Returns kDone or
/// kInputWrong.
int run_explain(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
