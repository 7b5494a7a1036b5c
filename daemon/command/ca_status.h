#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm ca status`: shows the generations of the local CA, and who signs for which host.
[[nodiscard]] int run_ca_status(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
