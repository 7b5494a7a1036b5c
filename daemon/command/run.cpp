#include "daemon/command/run.h"

#include <csignal>
#include <cstdlib>
#include <ostream>
#include <sys/resource.h>

#include "daemon/lifecycle.h"

namespace keepwarm::daemon {

namespace {

/// Each client may need an upstream connection of its own, and some stay idle beside them.
constexpr std::uint64_t kDescriptorsForClient = 2;
constexpr std::uint64_t kOtherDescriptors = 128;

/// Raises RLIMIT_NOFILE to its hard limit; returns what is in force.
std::uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

void warn_if_clients_do_not_fit(Logging& logging, std::uint64_t limit, std::uint32_t max_clients) {
  const std::uint64_t wanted = max_clients * kDescriptorsForClient + kOtherDescriptors;
  if (wanted <= limit) return;
  logging.write(LogLevel::Warn, "max_clients = " + std::to_string(max_clients) + " may need " + std::to_string(wanted) +
                                    " descriptors, and RLIMIT_NOFILE allows " + std::to_string(limit) +
                                    ": raise LimitNOFILE, or lower max_clients");
}

}  // namespace

int run_daemon(const CommandLine& line, std::ostream& err) {
  const auto loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  ::signal(SIGPIPE, SIG_IGN);
  Logging logging;
  if (const std::string problem = logging.configure(loaded->config.log); !problem.empty()) {
    err << problem << '\n';
    return kCannotServe;
  }
  const std::uint64_t descriptors = raise_descriptor_limit();
  warn_if_clients_do_not_fit(logging, descriptors, loaded->config.proxy.max_clients);

  net::Loop loop;
  proxy::Workers workers(loop, engine_settings(loaded->config), logging, logging);
  workers.set_descriptor_limit(descriptors);
  Lifecycle lifecycle(loop, workers, logging, line, loaded->file);
  if (!lifecycle.start(loaded->config)) return kCannotServe;
  loop.run();
  if (const std::size_t dropped = logging.dropped(); dropped > 0) {
    logging.write(LogLevel::Warn,
                  std::to_string(dropped) + " log lines were dropped since they could not be written in time");
  }
  logging.write(LogLevel::Info, lifecycle.drained() ? "stopped" : "stopped with exchanges under way");
  return kDone;
}

}  // namespace keepwarm::daemon
