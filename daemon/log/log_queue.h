#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/log.h"
#include "daemon/log/log_text.h"

namespace keepwarm::daemon {

/// Lines that found no room, and when the first of them came.
struct LostLines {
  std::uint64_t count = 0;
  WallTime since{};
};

/// What the writer of the log takes at a time.
struct LogBatch {
  /// Each line ends with its level as a byte (LogLevel, 0 to 5), which no line contains: end_of_line() makes it.
  std::string lines;
  std::optional<std::string> path{};  ///< lines from `path_from` on belong to the log file that has this path
  std::size_t path_from = 0;
  LostLines lost{};    ///< after these lines
  bool ended = false;  ///< nothing follows
};

[[nodiscard]] constexpr char end_of_line(LogLevel level) noexcept {
  return static_cast<char>(level);
}
[[nodiscard]] constexpr bool ends_line(char c) noexcept {
  return c >= end_of_line(LogLevel::Trace) && c <= end_of_line(LogLevel::Off);
}
[[nodiscard]] std::uint64_t count_lines(std::string_view lines) noexcept;

/// The lines on their way from the loops to the one thread that writes them. It is memory and a mutex that nobody holds
/// during a system call, so whoever puts a line here never waits for a disk, a terminal or a reader. Bounded: what
/// finds no room is counted instead. put() allocates nothing.
class LogQueue {
 public:
  using Clock = std::chrono::steady_clock;

  /// Room for lines, in bytes. The last part is kept for messages, for lines of the access log can fill the rest.
  static constexpr std::size_t kMaxBytes = std::size_t{2} * 1024 * 1024;
  static constexpr std::size_t kMaxAccessBytes = kMaxBytes - kMaxBytes / 8;

  enum class Kind : std::uint8_t { Message, Access };

  LogQueue();

  // ---- From any thread ----

  /// `line`: without a newline, or any other control character.
  void put(Kind kind, LogLevel level, std::string_view line);
  /// The lines that follow go to the log file at `path` ("-": standard error).
  void put_path(std::string path);
  /// Nothing follows. The writer is to be done by `deadline`.
  void end(Clock::time_point deadline);

  /// How many lines wait.
  [[nodiscard]] std::uint64_t lines();

  // ---- From the writer's thread ----

  /// Waits until there is something to be done, and takes all of it.
  void take(LogBatch& batch);
  /// For a writer that cannot write: the path that put_path() has been given meanwhile, which is to be tried at once.
  [[nodiscard]] std::optional<std::string> take_path();
  /// Waits until there is a new path or the end has come, or `time` has passed.
  void wait_for_news(std::chrono::milliseconds time);
  [[nodiscard]] bool has_news() const noexcept { return news_.load(std::memory_order_relaxed); }
  /// nullopt: end() has not been called.
  [[nodiscard]] std::optional<Clock::time_point> deadline();

 private:
  void wake_for_news(std::unique_lock<std::mutex> lock);
  [[nodiscard]] bool has_work() const noexcept {
    return !pending_.lines.empty() || pending_.path || pending_.lost.count > 0 || deadline_;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool writer_sleeps_ = false;      ///< nothing but a line or news will wake it
  std::atomic<bool> news_ = false;  ///< a path or the end waits to be seen
  LogBatch pending_;
  std::optional<Clock::time_point> deadline_;
};

}  // namespace keepwarm::daemon
