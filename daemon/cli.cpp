#include "daemon/cli.h"

#include <algorithm>
#include <array>

#include "config/value.h"

namespace keepwarm::daemon {
namespace {

struct CommandInfo {
  Command command;
  std::string_view name;
  std::string_view help;
};

constexpr auto kCommands = std::to_array<CommandInfo>({
    {Command::Run, "run",
     R"(usage: keepwarm [run] [--config FILE] [--listen ADDR:PORT|unix:PATH ...]

Run the proxy in the foreground until SIGTERM or SIGINT. SIGHUP reads the configuration again.

  --config FILE       read this file instead of /etc/keepwarm/keepwarm.toml; without either the built-in defaults serve
  --listen ADDR:PORT  listen here instead of where proxy.listen says; may be given several times; port 0 takes a free one;
                      unix:PATH makes a unix socket
)"},
    {Command::Check, "check",
     R"(usage: keepwarm check [--config FILE]

Validate the configuration. Exit 0 if it is right; else 1, with FILE:LINE:COLUMN, the key, what is wrong, what is allowed.

  --config FILE       check this file instead of /etc/keepwarm/keepwarm.toml
)"},
    {Command::Explain, "explain",
     R"(usage: keepwarm explain URL [--config FILE]

Show the settings in force for a URL ("http://www.example.com/", or only "www.example.com:8080"), and which table each one
came from.

  --config FILE       read this file instead of /etc/keepwarm/keepwarm.toml
)"},
    {Command::Probe, "probe",
     R"(usage: keepwarm probe URL [--max DURATION] [--config FILE]

Measure how long the server keeps an idle connection: opens eight, sends a GET on each, and waits until those that are left
alone are closed; the others are used again after 0.5 s, 1 s, 2 s, ... to see whether they still answer. Prints what was
seen and the configuration for that host to paste. The way there (TLS, parent, connect_to) is the configuration's. Ctrl-C
prints what is known so far.

  --max DURATION      wait no longer than this, "1s" to "24h"; 2m without it
  --config FILE       read this file instead of /etc/keepwarm/keepwarm.toml
)"},
});

constexpr std::string_view kGeneralHelp = R"(keepwarm: a local forward proxy that keeps upstream connections warm

usage:
  keepwarm [run] [--config FILE] [--listen ADDR:PORT ...]   run in the foreground (also --listen unix:PATH)
  keepwarm check [--config FILE]                            validate the configuration
  keepwarm explain URL [--config FILE]                      the settings in force for a URL, and where they came from
  keepwarm probe URL [--max DURATION] [--config FILE]       measure how long that server keeps an idle connection
  keepwarm --version | --help | COMMAND --help

Without --config the file is /etc/keepwarm/keepwarm.toml; if there is none, the built-in defaults serve.
Exit codes: 0 done, 1 the input or the configuration is wrong, 2 the command line is wrong, 3 the daemon cannot start.
)";

/// Commands of the design that this release does not have.
constexpr auto kNotBuilt = std::to_array<std::string_view>({"status", "env"});

/// Reads the arguments one by one; stops at the first that makes no sense.
class Parser {
 public:
  explicit Parser(std::span<const char* const> arguments) : left_(arguments) {}

  Result<CommandLine, UsageError> parse() {
    while (!left_.empty() && problem_.empty()) take(next());
    if (problem_.empty() && !line_.help_on && !help_ && !version_) check_complete();
    if (!problem_.empty()) return UsageError{std::move(problem_)};
    if (help_) {
      line_.help_on = command_;
      line_.command = Command::Help;
    } else if (version_) {
      line_.command = Command::Version;
    }
    return std::move(line_);
  }

 private:
  std::string_view next() {
    const std::string_view argument = left_.front();
    left_ = left_.subspan(1);
    return argument;
  }

  void take(std::string_view argument) {
    if (options_ended_ || argument.empty() || argument.front() != '-') return take_word(argument);
    if (argument == "--") {
      options_ended_ = true;
    } else if (argument == "--help") {
      help_ = true;
    } else if (argument == "--version") {
      version_ = true;
    } else {
      take_option(argument);
    }
  }

  void take_word(std::string_view word) {
    const bool takes_url = command_ == Command::Explain || command_ == Command::Probe;
    if (takes_url && line_.url.empty() && !word.empty()) {
      line_.url = word;
      return;
    }
    if (command_) return fail("unexpected argument", word);
    const auto* const known =
        std::find_if(kCommands.begin(), kCommands.end(), [&](const CommandInfo& info) { return info.name == word; });
    if (known != kCommands.end()) {
      command_ = line_.command = known->command;
    } else if (std::find(kNotBuilt.begin(), kNotBuilt.end(), word) != kNotBuilt.end()) {
      fail("not built yet in this release: command", word);
    } else {
      fail("unknown command", word);
    }
  }

  /// "--name=VALUE" or "--name VALUE"
  void take_option(std::string_view argument) {
    const std::size_t equals = argument.find('=');
    const std::string_view name = argument.substr(0, equals);
    if (name != "--config" && name != "--listen" && name != "--max") return fail("unknown option", name);
    std::string_view value;
    if (equals != std::string_view::npos) {
      value = argument.substr(equals + 1);
    } else if (!left_.empty()) {
      value = next();
    }
    if (value.empty()) return fail("a value is missing after", name);
    if (name == "--listen") {
      line_.listen.emplace_back(value);
    } else if (name == "--max") {
      take_max(value);
    } else if (line_.config_file) {
      fail("given twice:", name);
    } else {
      line_.config_file = value;
    }
  }

  void take_max(std::string_view value) {
    const std::optional<Duration> max = config::parse_duration(value);
    if (!max || *max < std::chrono::seconds(1) || *max > std::chrono::hours(24)) {
      return fail("--max is from \"1s\" to \"24h\", not", value);
    }
    line_.max = *max;
    max_given_ = true;
  }

  void check_complete() {
    const bool needs_url = line_.command == Command::Explain || line_.command == Command::Probe;
    if (needs_url && line_.url.empty()) {
      fail(line_.command == Command::Probe ? "probe needs a URL, like" : "explain needs a URL, like",
           "http://example.com/");
    }
    if (line_.command != Command::Probe && max_given_) fail("only the command probe takes", "--max");
    if (line_.command != Command::Run && !line_.listen.empty()) fail("only the command run takes", "--listen");
  }

  void fail(std::string_view what, std::string_view which) {
    if (problem_.empty()) problem_.append(what).append(" \"").append(which).append("\"");
  }

  std::span<const char* const> left_;
  CommandLine line_;
  std::optional<Command> command_;  // once a word has named it
  bool options_ended_ = false;
  bool help_ = false;
  bool version_ = false;
  bool max_given_ = false;
  std::string problem_;
};

}  // namespace

Result<CommandLine, UsageError> parse_command_line(std::span<const char* const> arguments) {
  return Parser(arguments).parse();
}

std::string help_text(std::optional<Command> command) {
  for (const CommandInfo& info : kCommands) {
    if (info.command == command) return std::string(info.help);
  }
  return std::string(kGeneralHelp);
}

std::string version_text() {
  return "keepwarm " KEEPWARM_VERSION "\n";
}

std::string usage_error_text(const UsageError& error) {
  return "keepwarm: " + error.message + "\nTry \"keepwarm --help\".\n";
}

}  // namespace keepwarm::daemon
