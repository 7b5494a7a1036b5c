#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/result.h"
#include "daemon/cli/spec.h"

/// What a command line asks for, as plain values: argv goes in, a CommandLine or a UsageError comes out. commands.h
/// says which commands and options there are.
namespace keepwarm::daemon {

/// Which stores of authorities are meant: the system's, those of NSS (Firefox, Chrome), Java's.
enum class CaStore : std::uint8_t { System, Nss, Java, All };

/// What the commands of `ca` are told.
struct CaArguments {
  std::vector<std::string> permit;         ///< --permit, as it was typed
  bool any_host = false;                   ///< --any-host
  std::chrono::days lifetime{1095};        ///< --days
  bool json = false;                       ///< --json
  bool dry_run = false;                    ///< --dry-run
  CaStore store = CaStore::System;         ///< --store
  std::optional<std::string> output = {};  ///< --output
};

/// Who reads what `env` prints.
enum class EnvironmentFormat : std::uint8_t { Sh, Fish, Systemd, Docker };

/// What `env` and `exec` are told.
struct EnvironmentArguments {
  bool ca = false;    ///< --ca
  bool java = false;  ///< --java
  EnvironmentFormat format = EnvironmentFormat::Sh;
};

/// A command line that makes sense.
struct CommandLine {
  Command command = Command::Run;
  const CommandSpec* help_on = nullptr;    ///< with Help: the command it is about; nullptr: all of them
  std::optional<std::string> config_file;  ///< --config; nullopt: the default file if there is one
  std::vector<std::string> listen;         ///< --listen: each is an address in itself; whether it may be listened on,
                                           ///< override_listen() in config/load.h says
  std::string url;                         ///< with Explain and Probe
  Duration max = std::chrono::minutes(2);  ///< --max, with Probe: the longest idle time that is tried
  CaArguments ca = {};
  EnvironmentArguments environment = {};
  std::vector<std::string> words = {};  ///< the arguments of the command, all of them
};

/// `arguments` is argv without argv[0]. Options may stand before or behind the command; "--" ends them. Pure.
[[nodiscard]] Result<CommandLine, UsageError> parse_command_line(std::span<const char* const> arguments);

/// What goes to standard error before exiting with kUsageWrong.
[[nodiscard]] std::string usage_error_text(const UsageError& error);

}  // namespace keepwarm::daemon
