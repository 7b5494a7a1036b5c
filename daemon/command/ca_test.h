#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm ca test`: which programs of this machine trust the local CA, as this shell would run them.
[[nodiscard]] int run_ca_test(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
