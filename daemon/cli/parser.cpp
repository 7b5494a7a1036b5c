#include "daemon/cli/parser.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "config/hints.h"
#include "config/value.h"

/// CLI11 does the tokens: which word is a command, an option, a value. Everything else it leaves to us (allow_extras),
/// so that messages are ours and --help, the manual and the completions show the same description. CLI11 would take an
/// option before the command for one of the program's, and so every option is registered at every level.
namespace keepwarm::daemon {
namespace {

using config::quote;

/// Marks a word behind "--", which might look like an option or be called as a command is. CLI11 2.1 ends the options
/// of a subcommand there, but then goes on with those of the program, so it never gets to see the "--" itself.
constexpr char kMark = '\x01';

bool looks_like_option(std::string_view word) {
  return word.starts_with('-');
}

bool is_named(const OptionSpec& option, std::string_view word) {
  return word == option.name || (!option.short_name.empty() && word == option.short_name);
}

std::string marked(std::string_view word) {
  return kMark + std::string(word);
}

std::string unmarked(std::string word) {
  if (word.starts_with(kMark)) word.erase(0, 1);
  return word;
}

UsageError about(const ProgramSpec& program, const CommandSpec* command, std::string message) {
  return {std::move(message), command == nullptr ? std::string() : full_name(program, *command)};
}

std::string with_suggestion(const std::string& message, std::string_view word,
                            std::span<const std::string_view> known) {
  const std::string_view near = config::nearest(word, known);
  return near.empty() ? message : message + "; did you mean " + quote(near) + '?';
}

UsageError unknown_command(const ProgramSpec& program, std::span<const CommandSpec> commands, const std::string& word) {
  const auto& not_built = program.not_built;
  if (std::find(not_built.begin(), not_built.end(), word) != not_built.end()) {
    return {"not built yet in this release: command " + quote(word)};
  }
  std::vector<std::string_view> names;
  for (const CommandSpec& command : commands) names.push_back(command.name);
  return {with_suggestion("unknown command " + quote(word), word, names)};
}

/// One command line on its way through CLI11.
class Parse {
 public:
  explicit Parse(const ProgramSpec& program) : program_(program), all_(all_options(program)) {}

  Result<ParsedArguments, UsageError> operator()(std::span<const char* const> arguments) {
    std::vector<std::string> words;
    if (std::optional<UsageError> error = prepare(arguments, words)) return *std::move(error);
    CLI::App app;
    describe(app, program_.commands);
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    try {
      app.parse(words);
    } catch (const CLI::ArgumentMismatch&) {
      return missing_value(arguments.back());  // an option takes what follows, so nothing followed
    } catch (const CLI::Error& error) {
      return UsageError{error.what()};
    }
    return take_result(app);
  }

 private:
  static UsageError missing_value(std::string_view option) { return {"a value is missing after " + quote(option)}; }

  [[nodiscard]] const OptionSpec* option_named(std::string_view word) const {
    const auto found =
        std::find_if(all_.begin(), all_.end(), [&](const auto* option) { return is_named(*option, word); });
    return found == all_.end() ? nullptr : *found;
  }

  [[nodiscard]] bool runs_others(std::string_view word) const {
    const auto& commands = program_.commands;
    return std::any_of(commands.begin(), commands.end(), [&](const CommandSpec& command) {
      return command.name == word && command.argument.behind_options;
    });
  }

  /// Takes "--" out, and finds "--config=", for which CLI11 would take the next word.
  std::optional<UsageError> prepare(std::span<const char* const> arguments, std::vector<std::string>& words) const {
    bool is_value = false;
    bool options_ended = false;
    bool is_other_program = false;  // behind "--" stand the words of another program, whatever they are
    for (const std::string_view argument : arguments) {
      if (!options_ended && !is_value && argument == "--") {
        options_ended = true;
        continue;
      }
      const bool mark = options_ended && (is_other_program || looks_like_option(argument));
      words.push_back(mark ? marked(argument) : std::string(argument));
      if (options_ended) continue;
      if (!is_value && argument.ends_with('=') && option_named(argument.substr(0, argument.size() - 1)) != nullptr) {
        return missing_value(argument.substr(0, argument.size() - 1));
      }
      const OptionSpec* option = is_value ? nullptr : option_named(argument);
      if (!is_value && runs_others(argument)) is_other_program = true;
      is_value = option != nullptr && !option->value.empty();
    }
    return std::nullopt;
  }

  void describe(CLI::App& app, std::span<const CommandSpec> commands) {
    app.set_help_flag();
    app.allow_extras();
    app.require_subcommand(0, 1);
    for (const OptionSpec* option : all_) {
      const std::string names = option->short_name.empty()
                                    ? std::string(option->name)
                                    : std::string(option->short_name) + ',' + std::string(option->name);
      CLI::Option* const added = option->value.empty() ? app.add_flag(names) : app.add_option(names);
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      options_[&app].emplace_back(option, added);
    }
    for (const CommandSpec& command : commands) {
      CLI::App* const sub = app.add_subcommand(std::string(command.name));
      commands_[sub] = &command;
      describe(*sub, command.subcommands);
    }
  }

  /// Goes down from the program to the command that was named.
  Result<ParsedArguments, UsageError> take_result(CLI::App& app) {
    ParsedArguments parsed;
    for (CLI::App* level = &app; level != nullptr;) {
      if (std::optional<UsageError> error = take_options(*level, parsed)) return *std::move(error);
      const std::vector<CLI::App*> named = level->get_subcommands();
      CLI::App* const next = named.empty() ? nullptr : named.front();
      const std::vector<std::string> rest = level->remaining();
      if (std::optional<UsageError> error = take_words(rest, next != nullptr, parsed)) return *std::move(error);
      if (next != nullptr) parsed.command = commands_.at(next);
      level = next;
    }
    return parsed;
  }

  std::optional<UsageError> take_options(const CLI::App& level, ParsedArguments& parsed) {
    for (const auto& [spec, option] : options_[&level]) {
      for (const std::string& value : option->results()) {
        const bool flag = spec->value.empty();
        if (flag && value != "true") return about(program_, parsed.command, quote(spec->name) + " takes no value");
        if (!flag && value.empty()) return missing_value(spec->name);
        if (!flag && !spec->repeats && parsed.has(*spec))
          return about(program_, parsed.command, "given twice: " + quote(spec->name));
        parsed.options.push_back({spec, flag ? std::string() : value});
      }
    }
    return std::nullopt;
  }

  /// What is neither an option nor a command: the arguments of the last command, or mistakes.
  std::optional<UsageError> take_words(const std::vector<std::string>& words, bool command_follows,
                                       ParsedArguments& parsed) const {
    const CommandSpec* const command = parsed.command;
    for (const std::string& word : words) {
      if (looks_like_option(word)) return unknown_option(command, word);
      std::string plain = unmarked(word);
      if (command == nullptr || !command->subcommands.empty()) {
        return unknown_command(program_, command == nullptr ? program_.commands : command->subcommands, plain);
      }
      const ArgumentSpec& argument = command->argument;
      const bool fits = !argument.name.empty() && (argument.repeats || parsed.words.empty());
      const bool is_nothing = plain.empty() && !argument.behind_options;
      if (!fits || is_nothing || command_follows)
        return about(program_, command, "unexpected argument " + quote(plain));
      parsed.words.push_back(std::move(plain));
    }
    return std::nullopt;
  }

  [[nodiscard]] UsageError unknown_option(const CommandSpec* command, std::string_view word) const {
    const std::string_view name = word.substr(0, word.find('='));
    std::vector<std::string_view> names;
    for (const OptionSpec* option : all_) names.push_back(option->name);
    return about(program_, command, with_suggestion("unknown option " + quote(name), name, names));
  }

  const ProgramSpec& program_;
  std::vector<const OptionSpec*> all_;
  std::map<const CLI::App*, std::vector<std::pair<const OptionSpec*, CLI::Option*>>> options_;
  std::map<const CLI::App*, const CommandSpec*> commands_;
};

/// "the command run takes", "the commands run and check take"
std::string who_takes(const ProgramSpec& program, const OptionSpec& option) {
  std::string names;
  bool several = false;
  for (const NamedCommand& command : all_commands(program)) {
    if (!takes(*command.spec, option)) continue;
    several = !names.empty();
    names.append(several ? " and " : "").append(command.name);
  }
  return several ? "the commands " + names + " take" : "the command " + names + " takes";
}

std::string list_of(std::span<const CommandSpec> commands) {
  std::string names;
  for (const CommandSpec& command : commands) names.append(names.empty() ? "" : ", ").append(command.name);
  return names;
}

}  // namespace

bool ParsedArguments::has(const OptionSpec& option) const noexcept {
  return std::any_of(options.begin(), options.end(), [&](const GivenOption& given) { return given.spec == &option; });
}

Result<ParsedArguments, UsageError> parse_arguments(const ProgramSpec& program,
                                                    std::span<const char* const> arguments) {
  return Parse(program)(arguments);
}

std::optional<UsageError> check_together(const ProgramSpec& program, const ParsedArguments& parsed) {
  const CommandSpec& command = parsed.command == nullptr ? program.commands.front() : *parsed.command;
  const std::string name = full_name(program, command);
  if (!command.command) {
    return about(program, &command, name + " needs one of its commands: " + list_of(command.subcommands));
  }
  for (const auto& [option, value] : parsed.options) {
    const auto& always = program.options;
    if (takes(command, *option) || std::find(always.begin(), always.end(), option) != always.end()) continue;
    return about(program, &command, "only " + who_takes(program, *option) + ' ' + quote(option->name));
  }
  const ArgumentSpec& argument = command.argument;
  if (argument.name.empty() || argument.optional || !parsed.words.empty()) return std::nullopt;
  return about(program, &command,
               name + " needs a " + std::string(argument.name) + ", like " + quote(argument.example));
}

Result<const CommandSpec*, UsageError> find_command(const ProgramSpec& program, std::span<const std::string> words) {
  const CommandSpec* found = nullptr;
  std::span<const CommandSpec> commands = program.commands;
  for (const std::string& word : words) {
    const auto it =
        std::find_if(commands.begin(), commands.end(), [&](const CommandSpec& each) { return each.name == word; });
    if (it == commands.end()) return unknown_command(program, commands, word);
    found = &*it;
    commands = found->subcommands;
  }
  return found;
}

}  // namespace keepwarm::daemon
