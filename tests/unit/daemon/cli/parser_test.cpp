#include "daemon/cli/parser.h"

#include <array>
#include <ostream>

#include <doctest/doctest.h>

#include "daemon/cli/help.h"

/// A program that keepwarm is not yet: with commands that have commands, and with arguments of several words.
namespace keepwarm::daemon {
namespace {

constexpr OptionSpec kHelp = {.name = "--help", .short_name = "-h", .description = "Help."};
constexpr OptionSpec kForce = {.name = "--force", .description = "Overwrite what is there."};
constexpr OptionSpec kSize = {.name = "--size", .value = "N", .description = "How large."};
constexpr auto kAlways = std::to_array<const OptionSpec*>({&kHelp});
constexpr auto kCreateOptions = std::to_array<const OptionSpec*>({&kSize, &kForce});
constexpr auto kInstallOptions = std::to_array<const OptionSpec*>({&kForce});

constexpr auto kAuthority = std::to_array<CommandSpec>({
    {.name = "create",
     .command = Command::Run,
     .summary = "make one",
     .description = "Make one.",
     .options = kCreateOptions},
    {.name = "install",
     .command = Command::Check,
     .summary = "trust it",
     .description = "Trust it.",
     .argument = {.name = "STORE", .example = "system"},
     .options = kInstallOptions},
});
constexpr auto kCommands = std::to_array<CommandSpec>({
    {.name = "exec",
     .command = Command::Probe,
     .summary = "start a program",
     .description = "Start a program.",
     .argument = {.name = "PROGRAM", .repeats = true, .example = "curl"}},
    {.name = "ca", .command = {}, .summary = "an authority", .description = "An authority.", .subcommands = kAuthority},
});
constexpr ProgramSpec kProgram = {.name = "toy", .summary = "a toy", .options = kAlways, .commands = kCommands};

using Arguments = std::vector<const char*>;

ParsedArguments parse(const Arguments& arguments) {
  Result<ParsedArguments, UsageError> parsed = parse_arguments(kProgram, arguments);
  if (!parsed) MESSAGE(parsed.failure().message);
  REQUIRE(parsed.ok());
  return std::move(parsed).value();
}

/// What is wrong with it, alone or together; "": nothing.
std::string fault_of(const Arguments& arguments) {
  const Result<ParsedArguments, UsageError> parsed = parse_arguments(kProgram, arguments);
  if (!parsed) return parsed.failure().message;
  const std::optional<UsageError> error = check_together(kProgram, *parsed);
  return error ? error->message : "";
}

}  // namespace

TEST_CASE("a subcommand is found, with options before, between and behind") {
  for (const Arguments& arguments :
       {Arguments{"ca", "create", "--size", "4", "--force"}, Arguments{"--size=4", "ca", "--force", "create"},
        Arguments{"ca", "--size", "4", "create", "--force"}}) {
    const ParsedArguments parsed = parse(arguments);
    CHECK(parsed.command == &kAuthority[0]);
    CHECK(parsed.has(kForce));
    REQUIRE(parsed.has(kSize));
    CHECK_FALSE(parsed.has(kHelp));
    const GivenOption& size = parsed.options[0].spec == &kSize ? parsed.options[0] : parsed.options[1];
    CHECK(size.value == "4");
    CHECK(fault_of(arguments) == "");
  }
}

TEST_CASE("the same word is a command or an argument, as its place says") {
  CHECK(parse({"exec", "ca", "create"}).words == std::vector<std::string>{"ca", "create"});
  CHECK(parse({"ca", "install", "create"}).words == std::vector<std::string>{"create"});
}

TEST_CASE("behind -- the options are those of somebody else") {
  const ParsedArguments parsed = parse({"exec", "--", "curl", "--help", "-x", "--", "--size="});
  CHECK(parsed.words == std::vector<std::string>{"curl", "--help", "-x", "--", "--size="});
  CHECK(parsed.options.empty());
}

TEST_CASE("what is wrong with a subcommand is said in its terms") {
  CHECK(fault_of({"ca"}) == "ca needs one of its commands: create, install");
  CHECK(fault_of({"ca", "craete"}) == R"(unknown command "craete"; did you mean "create"?)");
  CHECK(fault_of({"create"}) == R"(unknown command "create")");
  CHECK(fault_of({"ca", "create", "now"}) == R"(unexpected argument "now")");
  CHECK(fault_of({"ca", "install"}) == R"(ca install needs a STORE, like "system")");
  CHECK(fault_of({"ca", "install", "system", "--size", "4"}) == R"(only the command ca create takes "--size")");
  CHECK(fault_of({"exec", "curl", "--force"}) == R"(only the commands ca create and ca install take "--force")");
  CHECK(fault_of({"ca", "install", "system", "--sise", "4"}) == R"(unknown option "--sise"; did you mean "--size"?)");
  CHECK(fault_of({"--size", "4", "ca", "create", "--size", "5"}) == R"(given twice: "--size")");
  const UsageError error = parse_arguments(kProgram, Arguments{"ca", "create", "now"}).failure();
  CHECK(error.command == "ca create");
}

TEST_CASE("commands are found by their words, for help about them") {
  const std::vector<std::string> words = {"ca", "install"};
  const Result<const CommandSpec*, UsageError> found = find_command(kProgram, words);
  REQUIRE(found.ok());
  CHECK(*found == &kAuthority[1]);
  CHECK(help_text(kProgram, *found).starts_with("usage: toy ca install STORE [--force]\n"));
  const std::string help_on_group = help_text(kProgram, &kCommands[1]);
  CHECK(help_on_group.starts_with("usage: toy ca COMMAND\n"));
  CHECK(help_on_group.find("\n  create   make one\n") != std::string::npos);
}

}  // namespace keepwarm::daemon
