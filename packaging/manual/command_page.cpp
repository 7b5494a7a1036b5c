#include "daemon/cli/commands.h"
#include "packaging/manual/pages.h"
#include "packaging/manual/roff.h"

namespace keepwarm::manual {
namespace {

using daemon::CommandSpec;
using daemon::NamedCommand;
using daemon::OptionSpec;
using daemon::ProgramSpec;

std::string marked(const OptionSpec& option) {
  std::string text = bold(option.name);
  if (!option.value.empty()) text += ' ' + italic(option.value);
  return option.repeats ? text + " ..." : text;
}

std::string marked(const daemon::ArgumentSpec& argument) {
  const std::string text = italic(argument.name) + (argument.repeats ? " ..." : "");
  return argument.optional ? '[' + text + ']' : text;
}

/// "check", "explain URL"
std::string marked(const NamedCommand& command) {
  const auto& argument = command.spec->argument;
  const bool is_elsewhere = argument.name.empty() || argument.behind_options;
  return is_elsewhere ? bold(command.name) : bold(command.name) + ' ' + marked(argument);
}

void add_synopsis(Page& page, const ProgramSpec& program) {
  page.section("SYNOPSIS");
  bool first = true;
  for (const NamedCommand& command : all_commands(program)) {
    if (!command.spec->command) continue;
    const bool is_meant_without = command.spec == &program.commands.front();
    std::string text = bold(program.name) + ' ' + (is_meant_without ? '[' + marked(command) + ']' : marked(command));
    for (const OptionSpec* option : command.spec->options) text += " [" + marked(*option) + ']';
    if (command.spec->argument.behind_options) text += ' ' + bold("--") + ' ' + marked(command.spec->argument);
    first ? page.paragraph(text) : page.line(text);
    first = false;
  }
}

void add_command_description(Page& page) {
  page.section("DESCRIPTION");
  page.paragraph(plain(
      "keepwarm is a forward HTTP/1.1 proxy that runs on the machine of its clients. Clients that open a connection "
      "for each request (curl in a loop, cron jobs, scripts) connect to it over loopback; it has a connection to the "
      "server open already, so that name lookup, TCP and TLS handshakes are not paid again."));
  page.paragraph(plain(
      "It learns for each server how long an idle connection may be trusted. What the standards allow to be sent "
      "again after a connection turned out to be closed it sends again, once; what they do not allow is never sent "
      "twice."));
  page.paragraph(
      plain(
          "Warm connections serve requests for http:// URLs. Most clients ask for a tunnel (CONNECT) for https:// URLs "
          "and speak TLS with the server themselves; of such a tunnel nothing can be reused. See ") +
      bold("upgrade") + plain(" in ") + bold("keepwarm.toml") + plain("(5) for a way around that."));
}

void add_commands(Page& page, const ProgramSpec& program) {
  page.section("COMMANDS");
  page.paragraph(plain("Options may stand before or behind the command. ") + bold("--") +
                 plain(" ends them: what follows is taken as it is."));
  for (const NamedCommand& command : all_commands(program)) {
    std::string_view text = command.spec->description;
    const std::size_t end = text.find("\n\n");
    page.item(marked(command), plain(text.substr(0, end)));
    for (text = text.substr(std::min(end, text.size())); !text.empty();) {
      text.remove_prefix(2);
      const std::size_t next = std::min(text.find("\n\n"), text.size());
      page.item_paragraph(plain(text.substr(0, next)));
      text.remove_prefix(next);
    }
  }
}

/// "run, check": the commands that take an option; "": all do.
std::string takers(const ProgramSpec& program, const OptionSpec& option) {
  std::string names;
  for (const NamedCommand& command : all_commands(program)) {
    if (takes(*command.spec, option)) names += (names.empty() ? "" : ", ") + bold(command.name);
  }
  return names;
}

void add_options(Page& page, const ProgramSpec& program) {
  page.section("OPTIONS");
  for (const OptionSpec* option : all_options(program)) {
    const std::string term = option->short_name.empty() ? "" : bold(option->short_name) + ", ";
    const std::string by = takers(program, *option);
    page.item(term + marked(*option), plain(option->description) + (by.empty() ? "" : " (" + by + ")"));
  }
}

void add_exit_status(Page& page) {
  page.section("EXIT STATUS");
  for (const daemon::ExitCodeSpec& each : daemon::exit_codes()) {
    page.item(bold(std::to_string(each.code)), sentence(each.meaning, '.'));
  }
  page.paragraph(
      plain(
          "Neither what clients, servers, name servers and the log do ends a daemon that runs, nor a new configuration "
          "that is wrong. Besides signals, want of memory does: if none can be allocated, or if ") +
      bold("epoll_ctl") +
      plain(
          "(2) finds no memory, or no room below /proc/sys/fs/epoll/max_user_watches, the process is aborted (SIGABRT, "
          "by the C++ runtime or by libuv). systemd then starts the service again after two seconds."));
}

void add_signals(Page& page) {
  page.section("SIGNALS");
  page.item(bold("SIGTERM") + ", " + bold("SIGINT"),
            plain("Stop: accept nothing more, close idle clients, let exchanges and tunnels end for as long as ") +
                bold("shutdown_grace") + plain(" allows, and exit with 0. A second signal ends at once. A running ") +
                bold("probe") + plain(" prints what is known so far."));
  page.item(bold("SIGHUP"),
            plain("Read the configuration again and reopen the log file. A configuration with errors is "
                  "logged, and the old one stays in force. Clients are served meanwhile. Connections that "
                  "rest on other files than before (") +
                bold("ca_file") +
                plain(", client certificates, the system's authorities) are closed, though their "
                      "paths are the same."));
}

void add_files(Page& page) {
  page.section("FILES");
  page.item(italic(daemon::kDefaultConfigFile), plain("The configuration that is read without ") + bold("--config") +
                                                    plain("; see ") + bold("keepwarm.toml") + plain("(5)."));
  page.item(italic("/run/keepwarm") + ", " + italic("/var/log/keepwarm") + ", " + italic("/var/lib/keepwarm"),
            plain("As a service under systemd, the only places that the daemon may write to: for unix sockets, for ") +
                bold("log.file") + plain(", and for what has to outlast a restart."));
  page.item(italic("/usr/share/doc/keepwarm"),
            plain("How idle timeouts are learned, what is sent again, the format of the access log, and more."));
}

void add_environment(Page& page) {
  page.section("ENVIRONMENT");
  page.item(bold("LISTEN_FDS") + ", " + bold("LISTEN_PID"),
            plain("Sockets that systemd passes; they stand in place of proxy.listen and --listen."));
  page.item(bold("CREDENTIALS_DIRECTORY"),
            plain("The folder of the secrets that systemd hands over, which \"credential:NAME\" names; see ") +
                bold("keepwarm.toml") + plain("(5)."));
  page.item(bold("NOTIFY_SOCKET"), plain("Where systemd is told that the daemon is ready, reloading or stopping."));
  page.item(bold("SSL_CERT_FILE") + ", " + bold("SSL_CERT_DIR"),
            plain("Where OpenSSL finds the certificate authorities of the system, if not in its built-in places."));
  page.paragraph(plain("Not read by keepwarm, but by its clients: ") + bold("http_proxy") + ", " + bold("https_proxy") +
                 plain(" and ") + bold("no_proxy") + plain("."));
}

void add_examples(Page& page, const ProgramSpec& program) {
  page.section("EXAMPLES");
  page.paragraph(plain("Point one client at a running keepwarm:"));
  page.literal("http_proxy=http://127.0.0.1:3128 curl http://www.example.com/");
  for (const NamedCommand& command : all_commands(program)) {
    for (const daemon::Example& example : command.spec->examples) {
      page.paragraph(sentence(example.description, ':'));
      page.literal(example.command);
    }
  }
}

}  // namespace

std::string command_page(const ProgramSpec& program, std::string_view date) {
  Page page("KEEPWARM", 1, date, "keepwarm " + std::string(daemon::program_version()), "User Commands");
  page.section("NAME");
  page.paragraph(plain(program.name) + " \\- " + plain(program.summary));
  add_synopsis(page, program);
  add_command_description(page);
  add_commands(page, program);
  add_options(page, program);
  add_exit_status(page);
  add_signals(page);
  add_files(page);
  add_environment(page);
  add_examples(page, program);
  page.section("SEE ALSO");
  page.paragraph(bold("keepwarm.toml") + "(5), " + bold("systemctl") + "(1), " + bold("curl") + "(1)");
  return page.text();
}

}  // namespace keepwarm::manual
