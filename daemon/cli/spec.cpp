#include "daemon/cli/spec.h"

#include <algorithm>

namespace keepwarm::daemon {
namespace {

void add_commands(std::span<const CommandSpec> commands, const std::string& above, std::vector<NamedCommand>& all) {
  for (const CommandSpec& command : commands) {
    const std::string name = above.empty() ? std::string(command.name) : above + ' ' + std::string(command.name);
    all.push_back({name, &command});
    add_commands(command.subcommands, name, all);
  }
}

void add_options(std::span<const OptionSpec* const> options, std::vector<const OptionSpec*>& all) {
  for (const OptionSpec* option : options) {
    if (std::find(all.begin(), all.end(), option) == all.end()) all.push_back(option);
  }
}

std::string usage_of(const ArgumentSpec& argument) {
  const std::string text = std::string(argument.name) + (argument.repeats ? " ..." : "");
  return argument.optional ? '[' + text + ']' : text;
}

std::string usage_of(const OptionSpec& option) {
  std::string text = '[' + std::string(option.name);
  if (!option.value.empty()) text.append(" ").append(option.value);
  return text + (option.repeats ? " ...]" : "]");
}

}  // namespace

std::vector<NamedCommand> all_commands(const ProgramSpec& program) {
  std::vector<NamedCommand> all;
  add_commands(program.commands, {}, all);
  return all;
}

std::string full_name(const ProgramSpec& program, const CommandSpec& command) {
  const std::vector<NamedCommand> all = all_commands(program);
  const auto it = std::find_if(all.begin(), all.end(), [&](const NamedCommand& each) { return each.spec == &command; });
  return it == all.end() ? std::string() : it->name;
}

std::vector<const OptionSpec*> all_options(const ProgramSpec& program) {
  std::vector<const OptionSpec*> all;
  add_options(program.options, all);
  for (const NamedCommand& command : all_commands(program)) add_options(command.spec->options, all);
  return all;
}

bool takes(const CommandSpec& command, const OptionSpec& option) noexcept {
  return std::find(command.options.begin(), command.options.end(), &option) != command.options.end();
}

std::vector<std::string> usage_of(const ProgramSpec& program, const CommandSpec& command) {
  const std::string name = full_name(program, command);
  const bool is_meant_without = &command == &program.commands.front();
  std::vector<std::string> pieces = {std::string(program.name) + ' ' + (is_meant_without ? '[' + name + ']' : name)};
  if (!command.command) pieces.emplace_back("COMMAND");
  const ArgumentSpec& argument = command.argument;
  if (!argument.name.empty() && !argument.behind_options) pieces.push_back(usage_of(argument));
  for (const OptionSpec* option : command.options) pieces.push_back(usage_of(*option));
  if (argument.behind_options) pieces.push_back("-- " + usage_of(argument));
  return pieces;
}

}  // namespace keepwarm::daemon
