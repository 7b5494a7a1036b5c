#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/result.h"

namespace keepwarm::daemon {

/// What the process returns (DESIGN.md §3).
enum ExitCode : int {
  kDone = 0,
  kInputWrong = 1,   ///< the configuration, or a URL, or what is at that URL
  kUsageWrong = 2,   ///< the command line
  kCannotServe = 3,  ///< the daemon cannot start or be reached
};

enum class Command : std::uint8_t { Run, Check, Explain, Probe, Help, Version };

/// A command line that makes sense.
struct CommandLine {
  Command command = Command::Run;
  std::optional<Command> help_on;          ///< with Help: the command it is about; nullopt: all of them
  std::optional<std::string> config_file;  ///< --config; nullopt: the default file if there is one
  std::vector<std::string> listen;         ///< --listen, as given; override_listen() in config/load.h checks it
  std::string url;                         ///< with Explain and Probe
  Duration max = std::chrono::minutes(2);  ///< --max, with Probe: the greatest idle age that is waited for
};

struct UsageError {
  std::string message;  ///< one line, without the program's name
};

/// `arguments` is argv without argv[0]. Options may stand before or behind the command; "--" ends them. Pure.
[[nodiscard]] Result<CommandLine, UsageError> parse_command_line(std::span<const char* const> arguments);

/// What --help prints: about one command, or about all. Commands that are not built are not in it.
[[nodiscard]] std::string help_text(std::optional<Command> command);

/// "keepwarm 0.1.0\n"
[[nodiscard]] std::string version_text();

/// What goes to standard error before exiting with kUsageWrong.
[[nodiscard]] std::string usage_error_text(const UsageError& error);

}  // namespace keepwarm::daemon
