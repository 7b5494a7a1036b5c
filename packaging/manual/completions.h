#pragma once

#include <string>

#include "daemon/cli/spec.h"

/// Scripts that let shells complete a command line. They offer commands, subcommands, and the options that the command
/// takes; files after --config; the rest (addresses, URLs) is the user's.
namespace keepwarm::manual {

/// For bash, with or without the package bash-completion.
[[nodiscard]] std::string bash_completion(const daemon::ProgramSpec& program);

/// For zsh; the file is called _keepwarm.
[[nodiscard]] std::string zsh_completion(const daemon::ProgramSpec& program);

[[nodiscard]] std::string fish_completion(const daemon::ProgramSpec& program);

}  // namespace keepwarm::manual
