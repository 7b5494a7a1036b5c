#include "daemon/cli/help.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/cli/commands.h"

namespace keepwarm::daemon {
namespace {

constexpr std::size_t kColumns = 80;

/// Lines of pieces with single spaces between them. The first line begins at column `column`, where the text ends now;
/// the others are indented by `indent`.
void add_wrapped(std::string& text, std::size_t column, std::size_t indent, const std::vector<std::string>& pieces) {
  bool first = true;
  for (const std::string& piece : pieces) {
    if (!first && column + 1 + piece.size() > kColumns) {
      text.append("\n").append(indent, ' ');
      column = indent;
    } else if (!first) {
      text += ' ';
      ++column;
    }
    text += piece;
    column += piece.size();
    first = false;
  }
  text += '\n';
}

std::vector<std::string> words_of(std::string_view sentence) {
  std::vector<std::string> words;
  while (!sentence.empty()) {
    const std::size_t end = std::min(sentence.find(' '), sentence.size());
    words.emplace_back(sentence.substr(0, end));
    sentence.remove_prefix(std::min(end + 1, sentence.size()));
  }
  return words;
}

void add_paragraphs(std::string& text, std::string_view paragraphs) {
  while (!paragraphs.empty()) {
    const std::size_t end = std::min(paragraphs.find("\n\n"), paragraphs.size());
    text += '\n';
    add_wrapped(text, 0, 0, words_of(paragraphs.substr(0, end)));
    paragraphs.remove_prefix(std::min(end + 2, paragraphs.size()));
  }
}

/// A list in two columns: what is typed, and what it does.
void add_rows(std::string& text, const std::vector<std::pair<std::string, std::string_view>>& rows) {
  std::size_t width = 0;
  for (const auto& [name, meaning] : rows) width = std::max(width, name.size());
  const std::size_t column = width + 4;
  for (const auto& [name, meaning] : rows) {
    text.append("  ").append(name).append(width - name.size() + 2, ' ');
    add_wrapped(text, column, column, words_of(meaning));
  }
}

void add_options(std::string& text, std::span<const OptionSpec* const> options,
                 std::span<const OptionSpec* const> always) {
  std::vector<std::pair<std::string, std::string_view>> rows;
  const auto add = [&rows](const OptionSpec& option) {
    std::string name = option.short_name.empty() ? std::string(option.name)
                                                 : std::string(option.short_name) + ", " + std::string(option.name);
    if (!option.value.empty()) name.append(" ").append(option.value);
    rows.emplace_back(std::move(name), option.description);
  };
  for (const OptionSpec* option : options) add(*option);
  for (const OptionSpec* option : always) add(*option);
  text += "\noptions:\n";
  add_rows(text, rows);
}

void add_examples(std::string& text, std::span<const Example> examples) {
  if (examples.empty()) return;
  text += examples.size() == 1 ? "\nexample:\n" : "\nexamples:\n";
  for (const Example& example : examples) {
    text.append("  ").append(example.command).append("\n      ");
    add_wrapped(text, 6, 6, words_of(example.description));
  }
}

void add_commands(std::string& text, std::span<const CommandSpec> commands) {
  std::vector<std::pair<std::string, std::string_view>> rows;
  for (const CommandSpec& command : commands) rows.emplace_back(std::string(command.name), command.summary);
  text += "\ncommands:\n";
  add_rows(text, rows);
}

std::string help_on_program(const ProgramSpec& program) {
  std::string text = std::string(program.name) + ": " + std::string(program.summary) + "\n\nusage:\n";
  for (const CommandSpec& command : program.commands) {
    text += "  ";
    add_wrapped(text, 2, 6, usage_of(program, command));
  }
  add_commands(text, program.commands);
  add_options(text, {}, program.options);
  add_paragraphs(text,
                 "Without --config the file is /etc/keepwarm/keepwarm.toml; if there is none, the built-in defaults "
                 "serve.");
  text += "\nexit codes:\n";
  std::vector<std::pair<std::string, std::string_view>> codes;
  for (const ExitCodeSpec& each : exit_codes()) codes.emplace_back(std::to_string(each.code), each.meaning);
  add_rows(text, codes);
  add_examples(text, program.commands.front().examples);
  return text + "\nMore: COMMAND --help, man 1 keepwarm, man 5 keepwarm.toml\n";
}

}  // namespace

std::string help_text(const ProgramSpec& program, const CommandSpec* command) {
  if (command == nullptr) return help_on_program(program);
  std::string text = "usage: ";
  add_wrapped(text, 7, 11, usage_of(program, *command));
  add_paragraphs(text, command->description);
  if (!command->subcommands.empty()) add_commands(text, command->subcommands);
  add_options(text, command->options, program.options);
  add_examples(text, command->examples);
  return text;
}

std::string version_text() {
  return std::string(program().name) + ' ' + std::string(program_version()) + '\n';
}

}  // namespace keepwarm::daemon
