#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm probe URL`: measures how long the server of the URL keeps idle connections, in the way that the
/// configuration has for it. Progress goes to `err` (`terminal`: it is one), the report with the TOML table to `out`.
/// Returns kDone when something is known, also after SIGINT and SIGTERM; kInputWrong, with the reason on `err`, for a
/// URL or configuration that is wrong and a server that cannot be reached or does not answer.
int run_probe(const CommandLine& line, std::ostream& out, std::ostream& err, bool terminal);

}  // namespace keepwarm::daemon
