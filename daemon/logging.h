#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "config/config.h"
#include "core/base/log.h"
#include "core/proxy/access_record.h"
#include "daemon/access_line.h"
#include "daemon/log_file.h"

namespace spdlog {
class logger;
namespace details {
class thread_pool;
}
}  // namespace spdlog

namespace keepwarm::daemon {

/// The daemon's log and access log. Lines go through a bounded queue to a thread of their own, so that a slow disk or
/// journal never holds the event loop; when the queue is full the oldest lines are dropped and counted. Thread-safe:
/// all workers write here, also while configure() changes how.
class Logging final : public Log, public proxy::AccessSink {
 public:
  Logging();
  ~Logging();
  Logging(const Logging&) = delete;
  Logging& operator=(const Logging&) = delete;

  /// Level, access format and file. Also reopens the file. Returns "" or what went wrong (the old file stays).
  [[nodiscard]] std::string configure(const config::LogConfig& log);

  [[nodiscard]] bool enabled(LogLevel level) const noexcept override;
  void write(LogLevel level, std::string_view line) override;

  [[nodiscard]] bool enabled() const noexcept override {
    return access_.load(std::memory_order_relaxed) != config::AccessLog::Off;
  }
  void write(const proxy::AccessRecord& record) override;

  /// Lines that were dropped since the start.
  [[nodiscard]] std::size_t dropped() const;

 private:
  LogFile file_;
  // The loggers hold the queue by shared_ptr: spdlog's own way.
  std::shared_ptr<spdlog::details::thread_pool> queue_;
  std::shared_ptr<spdlog::logger> logger_;
  std::shared_ptr<spdlog::logger> access_logger_;
  std::atomic<config::AccessLog> access_{config::AccessLog::Off};
};

}  // namespace keepwarm::daemon
