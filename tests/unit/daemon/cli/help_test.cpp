#include "daemon/cli/help.h"

#include <ostream>
#include <sstream>

#include <doctest/doctest.h>

#include "daemon/cli/commands.h"
#include "tests/unit/text.h"

namespace keepwarm::daemon {
namespace {

using keepwarm::test::has;

std::string help_on(std::string_view name) {
  for (const NamedCommand& command : all_commands(program())) {
    if (command.name == name) return help_text(program(), command.spec);
  }
  return {};
}

/// The text with each run of spaces and line ends as one space.
std::string flowing(const std::string& text) {
  std::istringstream words(text);
  std::string flow;
  for (std::string word; words >> word;) flow += (flow.empty() ? "" : " ") + word;
  return flow;
}

}  // namespace

TEST_CASE("the help names each command, and each command's help its options and an example") {
  const std::string general = help_text(program(), nullptr);
  for (const char* part : {"keepwarm [run]", "keepwarm check", "keepwarm explain URL", "keepwarm probe URL",
                           "keepwarm help [COMMAND ...]", "--version", "-h, --help"}) {
    CHECK(has(general, part));
  }
  for (const NamedCommand& command : all_commands(program())) {
    CAPTURE(command.name);
    const std::size_t above = command.name.rfind(' ');  // a command of a command is in the help of that one
    const std::string list = above == std::string::npos ? general : help_on(command.name.substr(0, above));
    CHECK(has(flowing(list), command.spec->summary));
    const std::string help = help_text(program(), command.spec);
    CHECK(has(help, "\nexample"));
    CHECK(has(help, "\n  keepwarm"));
    for (const OptionSpec* option : command.spec->options) CHECK(has(flowing(help), option->description));
  }
  CHECK(help_on("check").starts_with("usage: keepwarm check [--config FILE]\n"));
  CHECK(help_on("probe").starts_with("usage: keepwarm probe URL [--max DURATION] [--config FILE]\n"));
  CHECK(help_on("explain").starts_with("usage: keepwarm explain URL [--config FILE]\n"));
  CHECK(has(help_on("run"), "--listen ADDR:PORT"));
}

TEST_CASE("the help says what each exit code means") {
  const std::string general = help_text(program(), nullptr);
  for (const ExitCodeSpec& each : exit_codes()) {
    CHECK(has(general, std::to_string(each.code) + "  " + std::string(each.meaning) + '\n'));
  }
}

TEST_CASE("a command that is not built is absent from the help") {
  for (const std::string_view name : program().not_built) {
    CHECK_FALSE(has(help_text(program(), nullptr), "keepwarm " + std::string(name)));
    CHECK_FALSE(has(help_text(program(), nullptr), "\n  " + std::string(name)));
  }
}

TEST_CASE("every line of help fits on a terminal") {
  std::string all = help_text(program(), nullptr);
  for (const NamedCommand& command : all_commands(program())) all += help_text(program(), command.spec);
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    CHECK(line.size() <= 80);
    CHECK_FALSE(line.ends_with(' '));
  }
}

TEST_CASE("the version is the program's name and a number") {
  CHECK(version_text().starts_with("keepwarm "));
  CHECK(version_text().ends_with("\n"));
  CHECK(version_text().find('.') != std::string::npos);
}

}  // namespace keepwarm::daemon
