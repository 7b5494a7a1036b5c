#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm ca install`: has stores of authorities trust our roots. kInputWrong if one of them failed.
[[nodiscard]] int run_ca_install(const CommandLine& line, std::ostream& out, std::ostream& err);

/// `keepwarm ca uninstall`: takes them out again.
[[nodiscard]] int run_ca_uninstall(const CommandLine& line, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
