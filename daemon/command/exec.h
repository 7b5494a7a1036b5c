#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm exec`: becomes another program, which uses the proxy and trusts the local CA. Returns only if it could
/// not: 126 or 127, as shells and env(1) have it, or kInputWrong.
[[nodiscard]] int run_exec(const CommandLine& line, std::ostream& err);

}  // namespace keepwarm::daemon
