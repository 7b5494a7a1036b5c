#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <uv.h>

#include "core/net/loop.h"
#include "core/net/timer.h"
#include "core/proxy/workers.h"
#include "daemon/cli/command_line.h"
#include "daemon/config_source.h"
#include "daemon/log/logging.h"
#include "daemon/notifier.h"
#include "daemon/reloader.h"

namespace keepwarm::daemon {

/// What a running daemon does about signals: SIGTERM and SIGINT drain, a second one ends at once; SIGHUP reads the
/// configuration anew and reopens the log file, and keeps the old one if the new one is bad. Once a day it tells the
/// log what was saved. Owns the listeners' addresses as configured. References must outlive it.
class Lifecycle {
 public:
  Lifecycle(net::Loop& loop, proxy::Workers& workers, Logging& logging, const CommandLine& line,
            std::string config_file);
  ~Lifecycle();
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  /// Opens the listeners: systemd's sockets if there are any, else those of the configuration. Logs what went wrong.
  [[nodiscard]] bool start(const config::Config& config);

  /// Tells the log what is wrong with the local CA, unless it has been told, and that it ends soon; the latter daily.
  void note_ca(const LoadedCa& loaded);

  /// Tells the log what keepwarm was good for since the start.
  void log_savings();

  /// Whether a thread still reads a new configuration: Reloader::reading().
  [[nodiscard]] bool reading() const noexcept { return reloader_.reading(); }
  /// Whether everything ended by itself, rather than by a second signal.
  [[nodiscard]] bool drained() const noexcept { return drained_; }

 private:
  struct Signal;
  struct CloseThenDelete {
    void operator()(Signal* signal) const noexcept;
  };

  void watch(int signal_number, std::function<void()> on_signal);
  [[nodiscard]] bool listen(const policy::ProxySettings& settings);
  void reload();
  void reloaded(const Reloader::Loaded& loaded);
  [[nodiscard]] bool apply(const Reloader::Loaded& loaded);
  void stop();
  void log_addresses();
  void log_savings_of_day();
  void log_expiry_of_ca();

  net::Loop& loop_;
  proxy::Workers& workers_;
  Logging& logging_;
  const CommandLine& line_;
  std::string config_file_;
  Notifier notifier_;
  Reloader reloader_;
  bool systemd_sockets_ = false;
  bool stopping_ = false;
  bool drained_ = false;
  std::vector<std::string> logged_addresses_;
  std::shared_ptr<const net::LocalCa> ca_;  ///< shared with the engines
  std::vector<std::string> ca_problems_;    ///< that the log has been told of
  TimePoint started_;
  proxy::Savings told_;  ///< what the log has been told of by the last line of a day
  net::Timer day_;
  std::vector<std::unique_ptr<Signal, CloseThenDelete>> signals_;
};

/// What an engine needs of a configuration, the system's authorities and the local CA.
[[nodiscard]] proxy::EngineSettings engine_settings(const config::Config& config, net::TrustStore authorities,
                                                    const LoadedCa& ca);

}  // namespace keepwarm::daemon
