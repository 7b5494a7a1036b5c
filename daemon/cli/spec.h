#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/command.h"

/// How commands and options are described. The parser (parser.h), --help (help.h), the manual page and the completions
/// of shells (packaging/manual) all read the same description; the one of keepwarm is in commands.h.
namespace keepwarm::daemon {

/// What a value is, so that a shell knows what to offer.
enum class ValueKind : std::uint8_t { None, File, Address, Duration, Url, CommandName, Text };

/// An option means the same with each command that takes it.
struct OptionSpec {
  std::string_view name;              ///< "--config"
  std::string_view short_name = {};   ///< "-h"; "": none
  std::string_view value = {};        ///< what its value is called: "FILE"; "": it takes none
  ValueKind kind = ValueKind::None;   ///< of the value
  bool repeats = false;               ///< may be given several times
  std::string_view description = {};  ///< sentences; names of options and literals stand as they are typed
};

/// The words behind a command.
struct ArgumentSpec {
  std::string_view name;  ///< "URL"; "": the command takes none
  ValueKind kind = ValueKind::None;
  bool optional = false;
  bool repeats = false;           ///< several may follow
  std::string_view example = {};  ///< shown when it is missing
  bool behind_options = false;    ///< they are shown behind "--", since they have options of their own
};

struct Example {
  std::string_view command;      ///< a line for a shell
  std::string_view description;  ///< what it does, without a full stop
};

struct CommandSpec {
  std::string_view name;
  std::optional<Command> command;  ///< nullopt: one of `subcommands` must follow
  std::string_view summary;        ///< a few words, for lists
  std::string_view description;    ///< sentences; an empty line separates paragraphs
  ArgumentSpec argument = {};
  std::span<const OptionSpec* const> options = {};  ///< besides those of the program
  std::span<const Example> examples = {};
  std::span<const CommandSpec> subcommands = {};
};

struct ProgramSpec {
  std::string_view name;
  std::string_view summary;
  std::span<const OptionSpec* const> options;        ///< with every command, and without any
  std::span<const CommandSpec> commands;             ///< the first one is meant where none is named
  std::span<const std::string_view> not_built = {};  ///< commands of the design that this release does not have
};

/// A command with the names of those above it.
struct NamedCommand {
  std::string name;  ///< "ca create"
  const CommandSpec* spec;
};

/// All commands and subcommands, each behind the one that it belongs to.
[[nodiscard]] std::vector<NamedCommand> all_commands(const ProgramSpec& program);

/// "ca create"; the command must be one of the program's.
[[nodiscard]] std::string full_name(const ProgramSpec& program, const CommandSpec& command);

/// All options: the program's, then those of its commands, each once.
[[nodiscard]] std::vector<const OptionSpec*> all_options(const ProgramSpec& program);

/// Whether a command has this option, besides those that all have.
[[nodiscard]] bool takes(const CommandSpec& command, const OptionSpec& option) noexcept;

/// How a command is typed, in pieces that a line should not be broken in: "keepwarm [run]", "[--config FILE]", ….
[[nodiscard]] std::vector<std::string> usage_of(const ProgramSpec& program, const CommandSpec& command);

}  // namespace keepwarm::daemon
