#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm ca bundle`: writes the system's authorities and our roots into one file.
[[nodiscard]] int run_ca_bundle(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
