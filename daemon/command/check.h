#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm check`: "FILE: ok" and a summary to `out`, advice (which is no error) to `err`; or all errors to `err`.
/// Returns kDone or kInputWrong.
int run_check(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
