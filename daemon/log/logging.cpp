#include "daemon/log/logging.h"

#include <chrono>
#include <pthread.h>

#include <spdlog/logger.h>
#include <spdlog/sinks/sink.h>

#include "core/base/blocked_signals.h"
#include "daemon/log/access_line.h"

namespace keepwarm::daemon {

namespace {

using namespace std::chrono_literals;

constexpr auto kOpenTime = 1s;
constexpr auto kEndTime = 1s;
/// For the writer to see that its time is over.
constexpr auto kEndGrace = 200ms;

LogLevel level_of(spdlog::level::level_enum level) noexcept {
  switch (level) {
    case spdlog::level::trace: return LogLevel::Trace;
    case spdlog::level::debug: return LogLevel::Debug;
    case spdlog::level::warn: return LogLevel::Warn;
    case spdlog::level::err:
    case spdlog::level::critical: return LogLevel::Error;
    case spdlog::level::off: return LogLevel::Off;
    default: return LogLevel::Info;
  }
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

/// Puts spdlog's messages into our queue. Thread-safe, as the queue is.
class QueueSink final : public spdlog::sinks::sink {
 public:
  explicit QueueSink(std::shared_ptr<LogWriter> writer) : writer_(std::move(writer)) {}

  void log(const spdlog::details::log_msg& message) override {
    thread_local std::string line;
    line.clear();
    const LogLevel level = level_of(message.level);
    append_message(line, writer_->format(), level, message.time, {message.payload.data(), message.payload.size()});
    writer_->queue().put(LogQueue::Kind::Message, level, line);
  }
  void flush() override {}
  void set_pattern(const std::string&) override {}  // there is one format, of ours
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

 private:
  std::shared_ptr<LogWriter> writer_;
};

}  // namespace

Logging::Logging()
    : writer_(std::make_shared<LogWriter>()),
      logger_(std::make_shared<spdlog::logger>("keepwarm", std::make_shared<QueueSink>(writer_))) {
  // spdlog's own handler prints to standard error, which may block.
  logger_->set_error_handler([](const std::string&) {});
}

Logging::~Logging() {
  static_cast<void>(finish());
}

std::string Logging::start(const config::LogConfig& log) {
  take_settings(log);
  {
    const BlockedSignals blocked;
    thread_ = std::thread([writer = writer_, path = log.file] { writer->run(path); });
  }
  pthread_setname_np(thread_.native_handle(), "log");
  const auto failure = writer_->wait_until_open(LogQueue::Clock::now() + kOpenTime);
  if (!failure)
    tell_standard_error("keepwarm: the log file " + log.file + " takes long to open: starting without it\n");
  if (!failure || failure->empty()) return {};
  thread_.join();
  return *failure;
}

void Logging::configure(const config::LogConfig& log) {
  take_settings(log);
  writer_->queue().put_path(log.file);
}

void Logging::take_settings(const config::LogConfig& log) {
  logger_->set_level(level_of(log.level));
  access_ = log.access;
  writer_->set_format(log.access == config::AccessLog::Json ? LogFormat::Json : LogFormat::Text);
  path_ = log.file;
}

bool Logging::finish() {
  if (!thread_.joinable()) return true;
  const auto counted = repeats_.take_due(RepeatFilter::TimePoint::clock::now(), true);
  for (const std::string& line : counted) put(LogLevel::Warn, line);
  const auto deadline = LogQueue::Clock::now() + kEndTime;
  writer_->queue().end(deadline);
  const LogEnd end = writer_->wait_until_ended(deadline + kEndGrace);
  if (end.lost > 0) tell_standard_error("keepwarm: " + lost_at_the_end(end.lost) + " (" + path_ + ")\n");
  if (end.writer_ended) {
    thread_.join();
  } else {
    thread_.detach();
  }
  return end.writer_ended;
}

bool Logging::enabled(LogLevel level) const noexcept {
  return logger_->should_log(level_of(level));
}

void Logging::write(LogLevel level, std::string_view line) {
  if (level == LogLevel::Warn) return warn(line);
  put(level, line);
}

void Logging::warn(std::string_view line) {
  if (!enabled(LogLevel::Warn)) return;
  const auto now = RepeatFilter::TimePoint::clock::now();
  std::unique_lock lock(repeats_mutex_);
  const auto due = repeats_.take_due(now);
  const auto admitted = repeats_.admit(line, now);
  lock.unlock();
  for (const std::string& each : due) put(LogLevel::Warn, each);
  if (admitted) put(LogLevel::Warn, *admitted);
}

void Logging::put(LogLevel level, std::string_view line) {
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
  writer_->queue().put(LogQueue::Kind::Access, LogLevel::Info, line);
}

}  // namespace keepwarm::daemon
