#include "daemon/cli/command_line.h"

#include <ostream>

#include <doctest/doctest.h>

#include "daemon/cli/commands.h"

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

/// The name of the command that help is asked about; "": about none.
std::string helped(const Arguments& arguments) {
  const CommandLine line = good(arguments);
  REQUIRE(line.command == Command::Help);
  return line.help_on == nullptr ? "" : std::string(line.help_on->name);
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
  CHECK(good({"version"}).command == Command::Version);
  for (const char* help : {"--help", "-h"}) {
    CHECK(helped({help}) == "");
    CHECK(helped({"check", help}) == "check");
    CHECK(helped({help, "explain"}) == "explain");
    CHECK(helped({"explain", help}) == "explain");  // though the URL is missing
    CHECK(helped({"run", help}) == "run");
    CHECK(helped({"help", help}) == "help");
  }
  CHECK(helped({"help"}) == "");
  CHECK(helped({"help", "probe"}) == "probe");
  CHECK(error_of({"help", "prob"}) == R"(unknown command "prob"; did you mean "probe"?)");
  CHECK(error_of({"help", "run", "check"}) == R"(unknown command "check")");
}

TEST_CASE("what is misspelt gets a suggestion") {
  CHECK(error_of({"chekc"}) == R"(unknown command "chekc"; did you mean "check"?)");
  CHECK(error_of({"--config", "a", "exlpain", "http://a/"}) == R"(unknown command "exlpain"; did you mean "explain"?)");
  CHECK(error_of({"run", "--lisen", "127.0.0.1:1"}) == R"(unknown option "--lisen"; did you mean "--listen"?)");
  CHECK(error_of({"--conf=x"}) == R"(unknown option "--conf"; did you mean "--config"?)");
}

TEST_CASE("an address that is none is found with the command line, and what is allowed is said") {
  CHECK(
      error_of({"--listen", "foo"}) ==
      R"(--listen: "foo" is not an address and a port; allowed: "ADDR:PORT", "[v6]:PORT" with port 0 to 65535, "unix:/PATH")");
  CHECK(error_of({"run", "--listen", "127.0.0.1:1", "--listen", "unix:x"}).starts_with("--listen: \"unix:x\""));
  CHECK(good({"--listen", "[::1]:0"}).listen == std::vector<std::string>{"[::1]:0"});
  CHECK(good({"--listen", "unix:/run/[x]"}).listen == std::vector<std::string>{"unix:/run/[x]"});
}

TEST_CASE("values and words reach their place as they were typed") {
  CHECK(good({"explain", "[::1]"}).url == "[::1]");  // CLI11 would take it for a list
  CHECK(good({"--config", "[a,b]"}).config_file == "[a,b]");
  CHECK(good({"--config", "--listen"}).config_file == "--listen");
  CHECK(good({"--config", "--", "check"}).config_file == "--");
  CHECK(good({"--config", "check"}).command == Command::Run);
  CHECK(good({"explain", "check"}).url == "check");
  CHECK(good({"--", "check"}).command == Command::Check);
  CHECK(error_of({"explain", "a", "--", "--config"}) == R"(unexpected argument "--config")");
  CHECK(error_of({"--", "--help"}) == R"(unknown command "--help")");
}

TEST_CASE("a command line that makes no sense is an error that says why") {
  CHECK(error_of({"serve"}) == R"(unknown command "serve")");
  CHECK(error_of({""}) == R"(unknown command "")");
  CHECK(error_of({"-x"}) == R"(unknown option "-x")");
  CHECK(error_of({"-"}) == R"(unknown option "-")");
  CHECK(error_of({"--help=x"}) == R"("--help" takes no value)");
  CHECK(error_of({"--config"}) == R"(a value is missing after "--config")");
  CHECK(error_of({"--config=", "check"}) == R"(a value is missing after "--config")");
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
  CHECK(error_of({"probe", "a", "--max", "5s", "--max", "6s"}) == R"(given twice: "--max")");
  CHECK(error_of({"--config", "a", "check", "--config", "b"}) == R"(given twice: "--config")");
  CHECK(error_of({"http://a/", "explain"}) == R"(unknown command "http://a/")");
}

TEST_CASE("an error points to the help that is nearest") {
  const auto text_of = [](const Arguments& arguments) {
    return usage_error_text(parse_command_line(arguments).failure());
  };
  CHECK(text_of({"x"}) == "keepwarm: unknown command \"x\"\nTry \"keepwarm --help\".\n");
  CHECK(text_of({"probe", "a", "--max", "5"}).ends_with("\nTry \"keepwarm probe --help\".\n"));
  CHECK(text_of({"explain"}).ends_with("\nTry \"keepwarm explain --help\".\n"));
}

TEST_CASE("the words of a program that is run are its own, whatever they look like") {
  const auto words_of = [](std::vector<const char*> arguments) { return parse_command_line(arguments)->words; };
  using Words = std::vector<std::string>;
  CHECK(words_of({"exec", "--java", "--", "run", "--java", "", "check"}) == Words{"run", "--java", "", "check"});
  CHECK(words_of({"exec", "curl", "x"}) == Words{"curl", "x"});
  CHECK(good({"exec", "--", "run"}).command == Command::Exec);
  CHECK(good({"--", "exec", "-x"}).words == Words{"-x"});
}

TEST_CASE("a command that is not built is an error") {
  for (const char* name : {"status"}) {
    CHECK(error_of({name}) == "not built yet in this release: command \"" + std::string(name) + '"');
  }
}

}  // namespace keepwarm::daemon
