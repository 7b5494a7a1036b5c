#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace keepwarm::daemon {

/// The file (or standard error) that log lines go to. Shared by the loggers' sinks; thread-safe.
class LogFile {
 public:
  LogFile() noexcept = default;
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  /// Writes to `path` from now on ("-": standard error). Opening the same path again releases a file that was rotated
  /// away. Returns "" or what went wrong; then the old one stays in use.
  [[nodiscard]] std::string open(const std::string& path);

  /// One write(2), so that lines of several writers never mix. What the file does not take is lost.
  void write(std::string_view text) noexcept;

 private:
  std::mutex mutex_;
  int fd_ = 2;
};

}  // namespace keepwarm::daemon
