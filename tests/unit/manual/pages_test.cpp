#include "packaging/manual/pages.h"

#include <ostream>

#include <doctest/doctest.h>

#include "config/keys.h"
#include "daemon/cli/commands.h"
#include "packaging/manual/roff.h"
#include "tests/unit/text.h"

namespace keepwarm::manual {
namespace {

using keepwarm::test::has;

constexpr const char* kDate = "2026-11-30";

/// Lines as one, since it does not matter where they end.
std::string flowing(std::string text) {
  for (char& c : text) {
    if (c == '\n') c = ' ';
  }
  return text;
}

}  // namespace

TEST_CASE("keepwarm(1) has the sections that a manual page has, and says when it is from") {
  const std::string page = command_page(daemon::program(), kDate);
  std::size_t at = 0;
  for (const char* section : {"NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS", "EXIT STATUS", "SIGNALS",
                              "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"}) {
    CAPTURE(std::string(section));
    const std::size_t found = page.find(std::string("\n.SH ") + section + '\n');
    REQUIRE(found != std::string::npos);
    CHECK(found > at);
    at = found;
  }
  CHECK(has(page, ".TH KEEPWARM 1 \"2026-11-30\" \"keepwarm "));
}

TEST_CASE("keepwarm(1) has every command with its examples, every option and every exit code") {
  const daemon::ProgramSpec& program = daemon::program();
  const std::string page = flowing(command_page(program, kDate));
  for (const daemon::NamedCommand& command : all_commands(program)) {
    CAPTURE(command.name);
    CHECK(has(page, ".TP " + bold(command.name)));
    const std::string_view text = command.spec->description;
    CHECK(has(page, plain(text.substr(0, text.find("\n\n")))));
    for (const daemon::Example& example : command.spec->examples) CHECK(has(page, plain(example.command)));
  }
  for (const daemon::OptionSpec* option : all_options(program)) {
    CAPTURE(std::string(option->name));
    CHECK(has(page, bold(option->name)));
    CHECK(has(page, plain(option->description)));
    if (!option->value.empty()) CHECK(has(page, bold(option->name) + ' ' + italic(option->value)));
    if (!option->short_name.empty()) CHECK(has(page, bold(option->short_name)));
  }
  for (const daemon::ExitCodeSpec& each : daemon::exit_codes()) {
    CHECK(has(page, ".TP " + bold(std::to_string(each.code)) + ' ' + sentence(each.meaning, '.')));
  }
  for (const std::string_view name : program.not_built) CHECK_FALSE(has(page, bold(name)));
}

TEST_CASE("keepwarm.toml(5) has every key with its type, what is allowed, its default, and what it does") {
  const std::string page = flowing(configuration_page(kDate));
  for (const config::Key& key : config::keys()) {
    CAPTURE(std::string(key.name));
    const std::string name(key.name.starts_with("tls.") ? key.name.substr(4) : key.name);
    const std::size_t at = page.find(".TP " + bold(name) + ' ');
    REQUIRE(at != std::string::npos);
    const config::Value value = default_of(key);
    CHECK(has(page, plain("default " + to_toml(value) + '.') + " .br " + plain(key.description)));
    CHECK(has(page, plain(type_name(value).substr(1))));
    CHECK(has(page, plain(allowed_of(key))));
  }
  for (const char* heading : {"[proxy]", "[admin]", "[log]", "[dns]", "[host.\"...\"]", "[host.\"...\".tls]"}) {
    CHECK(has(page, ".SS " + plain(heading)));
  }
}

TEST_CASE("the manual says how a secret comes to the service") {
  const std::string page = configuration_page(kDate);
  CHECK(has(page, "\n.SH CREDENTIALS\n"));
  for (const char* word : {"LoadCredential=", "LoadCredentialEncrypted=", "credential:NAME", "SupplementaryGroups="}) {
    CHECK(has(page, plain(word)));
  }
  CHECK(has(command_page(daemon::program(), kDate), bold("CREDENTIALS_DIRECTORY")));
}

}  // namespace keepwarm::manual
