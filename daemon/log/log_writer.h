#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/log/log_outlet.h"
#include "daemon/log/log_queue.h"

namespace keepwarm::daemon {

/// What the end of the log was like.
struct LogEnd {
  bool writer_ended = true;  ///< else its thread hangs in the kernel (a file on a server that is gone, say)
  std::uint64_t lost = 0;    ///< lines that were not written, and not told of
};

/// The one that opens, writes and closes the log: everything here but the calls below "from other threads" runs on its
/// thread. Lines that cannot be written now (a full pipe, a full disk) are kept while the queue has room, and written
/// later; what was lost is told in the log as soon as it can be.
class LogWriter {
 public:
  LogWriter() = default;
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  /// The thread: opens the log at `path`, and ends when that cannot be opened or after end().
  void run(const std::string& path);

  // ---- From other threads ----

  [[nodiscard]] LogQueue& queue() noexcept { return queue_; }
  void set_format(LogFormat format) noexcept { format_ = format; }
  [[nodiscard]] LogFormat format() const noexcept { return format_.load(std::memory_order_relaxed); }
  /// Waits until the log is open, at most until `deadline`. "", or why it cannot be opened; nullopt: it is not known
  /// yet.
  [[nodiscard]] std::optional<std::string> wait_until_open(LogQueue::Clock::time_point deadline);
  /// Waits until run() has ended, at most until `deadline`.
  [[nodiscard]] LogEnd wait_until_ended(LogQueue::Clock::time_point deadline);

 private:
  struct Trouble {
    int error = 0;  ///< EAGAIN: there was no room
    LogQueue::Clock::time_point since{};
  };

  void write(std::string_view lines);
  [[nodiscard]] std::optional<std::string> path_to_try();
  [[nodiscard]] bool wait_after(int error);
  void switch_to(const std::string& path);
  void note(LogLevel level, std::string_view message);
  void begin_trouble(int error);
  void got_through();
  void tell_lost(const LostLines& lost);
  void tell_given_up();
  void opened(std::string failure);
  void ended();

  LogQueue queue_;
  std::atomic<LogFormat> format_ = LogFormat::Text;

  // The thread's own:
  LogOutlet outlet_;
  std::string path_;
  std::optional<std::string> next_path_;  ///< for lines that follow in the batch
  std::string styled_;                    ///< lines as the outlet wants them
  std::string notices_;                   ///< lines of its own, as in a LogBatch
  std::optional<Trouble> trouble_;
  std::string why_lost_;        ///< the last trouble, in words
  bool within_line_ = false;    ///< the last byte that was written ended no line
  bool giving_up_ = false;      ///< the end has come, and the log takes nothing
  std::uint64_t given_up_ = 0;  ///< lines that were not written for that; others read it when ended_ is set

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<std::string> open_failure_;  ///< nullopt: still opening
  bool ended_ = false;
};

/// "12 lines of the log were lost at the end"
[[nodiscard]] std::string lost_at_the_end(std::uint64_t lines);

}  // namespace keepwarm::daemon
