#pragma once

#include <string>

#include "daemon/cli/spec.h"

/// What --help and --version print.
namespace keepwarm::daemon {

/// About one command, or (nullptr) about the program. Lines fit into 80 columns.
[[nodiscard]] std::string help_text(const ProgramSpec& program, const CommandSpec* command);

/// "keepwarm 0.1.0\n"
[[nodiscard]] std::string version_text();

}  // namespace keepwarm::daemon
