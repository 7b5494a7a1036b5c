#include "packaging/manual/completions.h"

#include <array>
#include <ostream>

#include <doctest/doctest.h>

#include "daemon/cli/commands.h"
#include "tests/unit/text.h"

/// That the scripts do what they should is tried with the shells themselves
/// (tests/daemon/lifecycle/test_completions.py); here it is that they leave nothing out.
namespace keepwarm::manual {
namespace {

using keepwarm::test::has;

constexpr auto kBelow = std::to_array<daemon::CommandSpec>(
    {{.name = "create", .command = daemon::Command::Run, .summary = "it's [new]: one", .description = "Make one."}});
constexpr auto kCommands = std::to_array<daemon::CommandSpec>(
    {{.name = "ca", .command = {}, .summary = "an authority", .description = "One.", .subcommands = kBelow}});
constexpr daemon::ProgramSpec kToy = {.name = "toy", .summary = "a toy", .options = {}, .commands = kCommands};

}  // namespace

TEST_CASE("every command and option is in the scripts of all shells") {
  const daemon::ProgramSpec& program = daemon::program();
  const std::string bash = bash_completion(program);
  const std::string zsh = zsh_completion(program);
  const std::string fish = fish_completion(program);
  for (const daemon::NamedCommand& command : all_commands(program)) {
    CAPTURE(command.name);
    CHECK(has(bash, "\n    '" + command.name + "') "));
    const std::string word(command.spec->name);
    CHECK(has(zsh, "\n    '" + word + ':'));
    CHECK(has(fish, " -a '" + word + "' "));
  }
  for (const daemon::OptionSpec* option : all_options(program)) {
    const std::string name(option->name);
    CAPTURE(name);
    CHECK(has(bash, name));
    CHECK(has(zsh, name + '['));
    CHECK(has(fish, " -l " + name.substr(2)));
  }
}

TEST_CASE("commands of commands are offered behind them, and what shells would take for their own is quoted") {
  CHECK(has(bash_completion(kToy), "    'ca') words='create' "));
  CHECK(has(bash_completion(kToy), "    'ca create') words='' "));
  CHECK(has(zsh_completion(kToy), "    'create:it'\\''s \\[new\\]\\: one'\n"));
  CHECK(has(fish_completion(kToy),
            "__fish_seen_subcommand_from ca; and not __fish_seen_subcommand_from create' -a 'create' "
            "-d 'it\\'s [new]: one'"));
}

}  // namespace keepwarm::manual
