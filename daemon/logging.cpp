#include "daemon/logging.h"

#include <spdlog/async.h>
#include <spdlog/async_logger.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

namespace keepwarm::daemon {

namespace {

constexpr std::size_t kQueuedLines = 8192;

/// Formats and hands over to the LogFile, which must outlive it.
class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit FileSink(LogFile& file) : file_(file) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t text;
    formatter_->format(message, text);
    file_.write({text.data(), text.size()});
  }
  void flush_() override {}

  LogFile& file_;
};

std::shared_ptr<spdlog::logger> make_logger(LogFile& file, const char* name, const char* pattern,
                                            const std::shared_ptr<spdlog::details::thread_pool>& queue) {
  auto sink = std::make_shared<FileSink>(file);
  sink->set_pattern(pattern);
  return std::make_shared<spdlog::async_logger>(name, std::move(sink), queue,
                                                spdlog::async_overflow_policy::overrun_oldest);
}

spdlog::level::level_enum level_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::Trace: return spdlog::level::trace;
    case LogLevel::Debug: return spdlog::level::debug;
    case LogLevel::Info: return spdlog::level::info;
    case LogLevel::Warn: return spdlog::level::warn;
    case LogLevel::Error: return spdlog::level::err;
    case LogLevel::Off: return spdlog::level::off;
  }
  return spdlog::level::info;
}

}  // namespace

Logging::Logging()
    : queue_(std::make_shared<spdlog::details::thread_pool>(kQueuedLines, 1)),
      logger_(make_logger(file_, "keepwarm", "[%Y-%m-%d %H:%M:%S.%e] [%l] %v", queue_)),
      access_logger_(make_logger(file_, "access", "%v", queue_)) {}

Logging::~Logging() {
  queue_.reset();  // writes what is queued, and joins its thread: from here on nobody else uses the loggers
}

std::string Logging::configure(const config::LogConfig& log) {
  logger_->set_level(level_of(log.level));
  access_ = log.access;
  return file_.open(log.file);
}

bool Logging::enabled(LogLevel level) const noexcept {
  return logger_->should_log(level_of(level));
}

void Logging::write(LogLevel level, std::string_view line) {
  logger_->log(level_of(level), spdlog::string_view_t(line.data(), line.size()));
}

void Logging::write(const proxy::AccessRecord& record) {
  thread_local std::string line;  // one for each worker, so that neither a lock nor an allocation is needed
  line.clear();
  const auto now = std::chrono::system_clock::now();
  if (access_.load(std::memory_order_relaxed) == config::AccessLog::Json) {
    write_access_json(line, record, now);
  } else {
    write_access_text(line, record, now);
  }
  access_logger_->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
}

std::size_t Logging::dropped() const {
  return queue_->overrun_counter();
}

}  // namespace keepwarm::daemon
