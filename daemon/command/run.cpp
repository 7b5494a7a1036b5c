#include "daemon/command/run.h"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ostream>
#include <unistd.h>

#include "daemon/descriptors.h"
#include "daemon/lifecycle.h"

namespace keepwarm::daemon {

namespace {

/// Each client may need an upstream connection of its own, and some stay idle beside them.
constexpr std::uint64_t kDescriptorsForClient = 2;
constexpr std::uint64_t kOtherDescriptors = 128;

std::uint64_t descriptors_for(std::uint32_t max_clients) noexcept {
  return max_clients * kDescriptorsForClient + kOtherDescriptors;
}

void warn_if_clients_do_not_fit(Logging& logging, std::uint64_t limit, std::uint32_t max_clients) {
  const std::uint64_t wanted = descriptors_for(max_clients);
  if (wanted <= limit) return;
  logging.write(LogLevel::Warn, "max_clients = " + std::to_string(max_clients) + " may need " + std::to_string(wanted) +
                                    " descriptors, and RLIMIT_NOFILE allows " + std::to_string(limit) +
                                    ": raise LimitNOFILE, or lower max_clients");
}

/// `reading`: set if a thread was left behind (Lifecycle::reading()).
int serve(const CommandLine& line, const LoadedConfig& loaded, Logging& logging, std::uint64_t descriptors,
          bool& reading) {
  warn_if_clients_do_not_fit(logging, descriptors, loaded.config.proxy.max_clients);
  const LoadedCa ca = load_ca(loaded.config, std::chrono::system_clock::now());
  net::Loop loop;
  proxy::Workers workers(loop, engine_settings(loaded.config, net::TrustStore::of_system(), ca), logging, logging);
  workers.set_descriptor_limit(descriptors);
  Lifecycle lifecycle(loop, workers, logging, line, loaded.file);
  lifecycle.note_ca(ca);
  if (!lifecycle.start(loaded.config)) return kCannotServe;
  loop.run();
  reading = lifecycle.reading();
  lifecycle.log_savings();
  logging.write(LogLevel::Info, lifecycle.drained() ? "stopped" : "stopped with exchanges under way");
  return kDone;
}

/// Signals that would end or stop us for what becomes of the log: a pipe without a reader, a limit on the size of
/// files, a terminal that takes nothing from the background.
void ignore_signals_of_output() noexcept {
  for (const int signal_number : {SIGPIPE, SIGXFSZ, SIGTTOU}) ::signal(signal_number, SIG_IGN);
}

}  // namespace

int run_daemon(const CommandLine& line, std::ostream& err) {
  const auto loaded = load_config_for(line);
  if (!loaded) {
    for (const config::ConfigError& error : loaded.failure()) err << to_text(error) << '\n';
    return kInputWrong;
  }
  ignore_signals_of_output();
  const std::uint64_t descriptors = raise_descriptor_limit();
  reserve_descriptors(descriptors_for(loaded->config.proxy.max_clients));
  Logging logging;  // starts a thread
  if (const std::string problem = logging.start(loaded->config.log); !problem.empty()) {
    err << problem << '\n';
    return kCannotServe;
  }
  bool reading = false;
  const int code = serve(line, *loaded, logging, descriptors, reading);
  // exit() would run destructors beside a thread that may wake
  if (!logging.finish() || reading) ::_exit(code);
  return code;
}

}  // namespace keepwarm::daemon
