#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "config/config.h"
#include "core/base/log.h"
#include "core/proxy/access_record.h"
#include "daemon/log/log_writer.h"
#include "daemon/log/repeat_filter.h"

namespace spdlog {
class logger;
}

namespace keepwarm::daemon {

/// The daemon's log and access log. Lines are formatted by whoever has something to say and put into a LogQueue; a
/// LogWriter on a thread of its own does all that could take time. So neither a slow disk, nor a reader that has
/// stopped, nor a file server that is gone holds an event loop up. Thread-safe: all workers write here, also while
/// configure() changes how. A warning that repeats is limited in rate (RepeatFilter).
class Logging final : public Log, public proxy::AccessSink {
 public:
  Logging();
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  /// To be called once, before anything else: opens the log. Returns "" or why it cannot be opened. A file that takes
  /// longer than a second (of a server that does not answer) is no failure: lines are kept for it.
  [[nodiscard]] std::string start(const config::LogConfig& log);
  /// New level, format and file; the file is opened again in any case. One that cannot be opened leaves the old one in
  /// use, and is told there.
  void configure(const config::LogConfig& log);
  /// To be called at the end: writes what is queued if that takes no more than a second, and says on standard error
  /// what was lost. False: the writer's thread hangs in the kernel, and would hold up an ordinary exit.
  [[nodiscard]] bool finish();

  [[nodiscard]] bool enabled(LogLevel level) const noexcept override;
  void write(LogLevel level, std::string_view line) override;

  [[nodiscard]] bool enabled() const noexcept override {
    return access_.load(std::memory_order_relaxed) != config::AccessLog::Off;
  }
  void write(const proxy::AccessRecord& record) override;

 private:
  void take_settings(const config::LogConfig& log);
  void warn(std::string_view line);
  void put(LogLevel level, std::string_view line);

  /// Shared with the writer's thread, which outlives this object if it hangs.
  std::shared_ptr<LogWriter> writer_;
  std::shared_ptr<spdlog::logger> logger_;  // spdlog's own way to hold one
  std::atomic<config::AccessLog> access_{config::AccessLog::Off};
  std::mutex repeats_mutex_;
  RepeatFilter repeats_;  ///< of warnings
  std::string path_;
  std::thread thread_;
};

}  // namespace keepwarm::daemon
