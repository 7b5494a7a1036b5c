#include "daemon/cli/command_line.h"

#include <array>
#include <charconv>
#include <utility>

#include "config/checks.h"
#include "config/value.h"
#include "daemon/cli/commands.h"
#include "daemon/cli/parser.h"

namespace keepwarm::daemon {
namespace {

using config::quote;

using Problem = std::optional<std::string>;

Problem set_listen(CommandLine& line, const std::string& value) {
  if (std::string problem = config::listen_problem(value); !problem.empty()) return "--listen: " + problem;
  line.listen.push_back(value);
  return std::nullopt;
}

Problem set_max(CommandLine& line, const std::string& value) {
  const std::optional<Duration> max = config::parse_duration(value);
  if (!max || *max < std::chrono::seconds(1) || *max > std::chrono::hours(24)) {
    return "--max is from \"1s\" to \"24h\", not " + quote(value);
  }
  line.max = *max;
  return std::nullopt;
}

Problem set_days(CommandLine& line, const std::string& value) {
  constexpr int kMost = 3650;
  int days = 0;
  const char* const end = value.data() + value.size();
  const auto [stopped, error] = std::from_chars(value.data(), end, days);
  if (error != std::errc{} || stopped != end || days < 1 || days > kMost) {
    return "--days is a number from 1 to " + std::to_string(kMost) + ", not " + quote(value);
  }
  line.ca.lifetime = std::chrono::days(days);
  return std::nullopt;
}

Problem set_store(CommandLine& line, const std::string& value) {
  using enum CaStore;
  constexpr std::array<std::pair<std::string_view, CaStore>, 4> kStores = {
      {{"system", System}, {"nss", Nss}, {"java", Java}, {"all", All}}};
  for (const auto& [word, store] : kStores) {
    if (word != value) continue;
    line.ca.store = store;
    return std::nullopt;
  }
  return "--store is system, nss, java or all, not " + quote(value);
}

Problem set_format(CommandLine& line, const std::string& value) {
  using enum EnvironmentFormat;
  constexpr std::array<std::pair<std::string_view, EnvironmentFormat>, 4> kFormats = {
      {{"sh", Sh}, {"fish", Fish}, {"systemd", Systemd}, {"docker", Docker}}};
  for (const auto& [word, format] : kFormats) {
    if (word != value) continue;
    line.environment.format = format;
    return std::nullopt;
  }
  return "--format is sh, fish, systemd or docker, not " + quote(value);
}

Problem apply(CommandLine& line, const GivenOption& given) {
  if (given.spec == &kStoreOption) return set_store(line, given.value);
  if (given.spec == &kFormatOption) return set_format(line, given.value);
  if (given.spec == &kDryRunOption) line.ca.dry_run = true;
  if (given.spec == &kCaOption) line.environment.ca = true;
  if (given.spec == &kJavaOption) line.environment.java = true;
  if (given.spec == &kJsonOption) line.ca.json = true;
  if (given.spec == &kDaysOption) return set_days(line, given.value);
  if (given.spec == &kPermitOption) line.ca.permit.push_back(given.value);
  if (given.spec == &kAnyHostOption) line.ca.any_host = true;
  if (given.spec == &kOutputOption) line.ca.output = given.value;
  if (given.spec == &kListenOption) return set_listen(line, given.value);
  if (given.spec == &kMaxOption) return set_max(line, given.value);
  if (given.spec == &kConfigOption) line.config_file = given.value;
  return std::nullopt;
}

/// "--help" with any command, and "help" with words.
Result<CommandLine, UsageError> asks_for_help(const ParsedArguments& parsed) {
  CommandLine line;
  line.command = Command::Help;
  line.help_on = parsed.command;
  const bool by_command = parsed.command != nullptr && parsed.command->command == Command::Help;
  if (!by_command || parsed.words.empty()) {
    if (by_command && !parsed.has(kHelpOption)) line.help_on = nullptr;
    return line;
  }
  Result<const CommandSpec*, UsageError> command = find_command(program(), parsed.words);
  if (!command) return command.failure();
  line.help_on = *command;
  return line;
}

Result<CommandLine, UsageError> with_values(const ParsedArguments& parsed) {
  CommandLine line;
  const CommandSpec& command = parsed.command == nullptr ? program().commands.front() : *parsed.command;
  line.command = *command.command;
  for (const GivenOption& given : parsed.options) {
    if (Problem problem = apply(line, given)) return UsageError{*std::move(problem), full_name(program(), command)};
  }
  if (line.ca.any_host && !line.ca.permit.empty()) {
    return UsageError{"--any-host permits more than --permit can name: one of the two", full_name(program(), command)};
  }
  line.words = parsed.words;
  if (!parsed.words.empty()) line.url = parsed.words.front();
  return line;
}

}  // namespace

Result<CommandLine, UsageError> parse_command_line(std::span<const char* const> arguments) {
  Result<ParsedArguments, UsageError> parsed = parse_arguments(program(), arguments);
  if (!parsed) return parsed.failure();
  const bool help_command = parsed->command != nullptr && parsed->command->command == Command::Help;
  if (parsed->has(kHelpOption) || help_command) return asks_for_help(*parsed);
  if (parsed->has(kVersionOption)) {
    CommandLine line;
    line.command = Command::Version;
    return line;
  }
  if (std::optional<UsageError> error = check_together(program(), *parsed)) return *std::move(error);
  return with_values(*parsed);
}

std::string usage_error_text(const UsageError& error) {
  const std::string command = error.command.empty() ? "" : error.command + ' ';
  return "keepwarm: " + error.message + "\nTry \"keepwarm " + command + "--help\".\n";
}

}  // namespace keepwarm::daemon
