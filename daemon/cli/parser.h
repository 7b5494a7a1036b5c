#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/result.h"
#include "daemon/cli/spec.h"

/// Takes a command line apart by its description. Only parser.cpp sees CLI11, whose exceptions end there.
namespace keepwarm::daemon {

struct GivenOption {
  const OptionSpec* spec;
  std::string value;  ///< "" where the option takes none
};

/// The parts of a command line, as they were given. Pointers lead into the description.
struct ParsedArguments {
  const CommandSpec* command = nullptr;  ///< nullptr: no word has named one
  std::vector<GivenOption> options;
  std::vector<std::string> words;  ///< the arguments of the command

  [[nodiscard]] bool has(const OptionSpec& option) const noexcept;
};

/// Checks every word and option by itself: whether it exists (if not, the nearest name is suggested), has its value, is
/// given more often than it may be, or is one argument too many. What a value means is the caller's business.
[[nodiscard]] Result<ParsedArguments, UsageError> parse_arguments(const ProgramSpec& program,
                                                                  std::span<const char* const> arguments);

/// Checks whether the parts go together: each option is one that the command takes, no subcommand and no argument is
/// missing. This is apart from parse_arguments() since a command line that asks for help needs none of it.
[[nodiscard]] std::optional<UsageError> check_together(const ProgramSpec& program, const ParsedArguments& parsed);

/// The command that these words name, each a subcommand of the one before ("ca", "create"); nullptr: there are no
/// words.
[[nodiscard]] Result<const CommandSpec*, UsageError> find_command(const ProgramSpec& program,
                                                                  std::span<const std::string> words);

}  // namespace keepwarm::daemon
