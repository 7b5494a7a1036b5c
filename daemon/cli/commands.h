#pragma once

#include <span>
#include <string_view>

#include "daemon/cli/spec.h"

/// The commands and options of keepwarm (core/doc/design.md §3). A new command is an entry here, a value of `Command`,
/// a case in main(), and what its options mean in command_line.cpp; --help, keepwarm(1) and the completions follow.
namespace keepwarm::daemon {

inline constexpr std::string_view kDefaultConfigFile = "/etc/keepwarm/keepwarm.toml";

/// The options that command_line.cpp looks for.
extern const OptionSpec kHelpOption;
extern const OptionSpec kVersionOption;
extern const OptionSpec kConfigOption;
extern const OptionSpec kListenOption;
extern const OptionSpec kMaxOption;
extern const OptionSpec kPermitOption;
extern const OptionSpec kAnyHostOption;
extern const OptionSpec kDaysOption;
extern const OptionSpec kOutputOption;
extern const OptionSpec kJsonOption;
extern const OptionSpec kStoreOption;
extern const OptionSpec kDryRunOption;
extern const OptionSpec kCaOption;
extern const OptionSpec kJavaOption;
extern const OptionSpec kFormatOption;

[[nodiscard]] const ProgramSpec& program() noexcept;

struct ExitCodeSpec {
  ExitCode code;
  std::string_view meaning;
};
[[nodiscard]] std::span<const ExitCodeSpec> exit_codes() noexcept;

/// "0.1.0"
[[nodiscard]] std::string_view program_version() noexcept;

}  // namespace keepwarm::daemon
