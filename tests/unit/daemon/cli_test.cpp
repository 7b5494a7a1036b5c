#include "daemon/cli.h"

#include <ostream>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

using Arguments = std::vector<const char*>;

CommandLine good(const Arguments& arguments) {
  Result<CommandLine, UsageError> result = parse_command_line(arguments);
  if (!result) MESSAGE(result.failure().message);
  REQUIRE(result.ok());
  return std::move(result).value();
}

std::string error_of(const Arguments& arguments) {
  const Result<CommandLine, UsageError> result = parse_command_line(arguments);
  return result ? "" : result.failure().message;
}

}  // namespace

TEST_CASE("without arguments the daemon runs") {
  const CommandLine line = good({});
  CHECK(line.command == Command::Run);
  CHECK_FALSE(line.config_file.has_value());
  CHECK(line.listen.empty());
}

TEST_CASE("options stand before or behind the command, with a space or an equals sign") {
  for (const Arguments& arguments :
       {Arguments{"run", "--config", "a.toml", "--listen", "127.0.0.1:1", "--listen=[::1]:2"},
        Arguments{"--config=a.toml", "--listen", "127.0.0.1:1", "run", "--listen", "[::1]:2"},
        Arguments{"--listen=127.0.0.1:1", "--listen=[::1]:2", "--config", "a.toml"}}) {
    const CommandLine line = good(arguments);
    CHECK(line.command == Command::Run);
    CHECK(line.config_file == "a.toml");
    CHECK(line.listen == std::vector<std::string>{"127.0.0.1:1", "[::1]:2"});
  }
}

TEST_CASE("check and explain are commands") {
  CHECK(good({"check"}).command == Command::Check);
  CHECK(good({"check", "--config", "a.toml"}).config_file == "a.toml");
  const CommandLine explain = good({"explain", "http://example.com/", "--config", "a.toml"});
  CHECK(explain.command == Command::Explain);
  CHECK(explain.url == "http://example.com/");
  CHECK(explain.config_file == "a.toml");
  CHECK(good({"explain", "--", "--odd"}).url == "--odd");
}

TEST_CASE("probe is a command, and waits for two minutes at most unless it is told otherwise") {
  const CommandLine probe = good({"probe", "http://example.com/", "--config", "a.toml"});
  CHECK(probe.command == Command::Probe);
  CHECK(probe.url == "http://example.com/");
  CHECK(probe.config_file == "a.toml");
  CHECK(probe.max == std::chrono::minutes(2));
  CHECK(good({"probe", "a", "--max", "90s"}).max == std::chrono::seconds(90));
  CHECK(good({"--max=1s", "probe", "a"}).max == std::chrono::seconds(1));
  CHECK(good({"probe", "a", "--max", "24h"}).max == std::chrono::hours(24));
}

TEST_CASE("help and version are asked for with or without a command") {
  CHECK(good({"--version"}).command == Command::Version);
  CHECK(good({"--help"}).command == Command::Help);
  CHECK_FALSE(good({"--help"}).help_on.has_value());
  CHECK(good({"check", "--help"}).command == Command::Help);
  CHECK(good({"check", "--help"}).help_on == Command::Check);
  CHECK(good({"--help", "explain"}).help_on == Command::Explain);
  CHECK(good({"explain", "--help"}).help_on == Command::Explain);  // though the URL is missing
  CHECK(good({"run", "--help"}).help_on == Command::Run);
}

TEST_CASE("a command line that makes no sense is an error that says why") {
  CHECK(error_of({"serve"}) == R"(unknown command "serve")");
  CHECK(error_of({""}) == R"(unknown command "")");
  CHECK(error_of({"-x"}) == R"(unknown option "-x")");
  CHECK(error_of({"--conf=x"}) == R"(unknown option "--conf")");
  CHECK(error_of({"-"}) == R"(unknown option "-")");
  CHECK(error_of({"--help=x"}) == R"(unknown option "--help")");
  CHECK(error_of({"--config"}) == R"(a value is missing after "--config")");
  CHECK(error_of({"--config="}) == R"(a value is missing after "--config")");
  CHECK(error_of({"--listen", ""}) == R"(a value is missing after "--listen")");
  CHECK(error_of({"--config", "a", "--config", "b"}) == R"(given twice: "--config")");
  CHECK(error_of({"run", "now"}) == R"(unexpected argument "now")");
  CHECK(error_of({"run", "check"}) == R"(unexpected argument "check")");
  CHECK(error_of({"explain"}) == R"(explain needs a URL, like "http://example.com/")");
  CHECK(error_of({"explain", ""}) == R"(unexpected argument "")");
  CHECK(error_of({"explain", "a", "b"}) == R"(unexpected argument "b")");
  CHECK(error_of({"probe"}) == R"(probe needs a URL, like "http://example.com/")");
  CHECK(error_of({"probe", "a", "b"}) == R"(unexpected argument "b")");
  for (const char* max : {"999ms", "25h", "0s", "5", "soon"}) {
    CHECK(error_of({"probe", "a", "--max", max}) == R"(--max is from "1s" to "24h", not ")" + std::string(max) + '"');
  }
  CHECK(error_of({"probe", "a", "--max"}) == R"(a value is missing after "--max")");
  CHECK(error_of({"run", "--max", "5s"}) == R"(only the command probe takes "--max")");
  CHECK(error_of({"probe", "a", "--listen", "127.0.0.1:1"}) == R"(only the command run takes "--listen")");
  CHECK(error_of({"check", "--listen", "127.0.0.1:1"}) == R"(only the command run takes "--listen")");
  CHECK(usage_error_text({"unknown command \"x\""}) == "keepwarm: unknown command \"x\"\nTry \"keepwarm --help\".\n");
}

TEST_CASE("a command that is not built is an error, and absent from the help") {
  for (const char* name : {"status", "env"}) {
    CHECK(error_of({name}) == "not built yet in this release: command \"" + std::string(name) + '"');
    CHECK(help_text(std::nullopt).find(std::string("keepwarm ") + name) == std::string::npos);
  }
}

TEST_CASE("the help names each command, and each command's help its options") {
  for (const char* name :
       {"keepwarm [run]", "keepwarm check", "keepwarm explain URL", "keepwarm probe URL", "--version", "--help"}) {
    CHECK(help_text(std::nullopt).find(name) != std::string::npos);
  }
  CHECK(help_text(Command::Run).find("--listen ADDR:PORT") != std::string::npos);
  CHECK(help_text(Command::Check).starts_with("usage: keepwarm check [--config FILE]\n"));
  CHECK(help_text(Command::Probe).starts_with("usage: keepwarm probe URL [--max DURATION] [--config FILE]\n"));
  CHECK(help_text(Command::Explain).starts_with("usage: keepwarm explain URL [--config FILE]\n"));
}

TEST_CASE("the version is the program's name and a number") {
  CHECK(version_text().starts_with("keepwarm "));
  CHECK(version_text().ends_with("\n"));
  CHECK(version_text().find('.') != std::string::npos);
}

}  // namespace keepwarm::daemon
