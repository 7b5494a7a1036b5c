#include "daemon/log_file.h"

#include <cerrno>
#include <fcntl.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace keepwarm::daemon {

namespace {

constexpr mode_t kMode = 0640;

void close_unless_standard(int fd) noexcept {
  if (fd > STDERR_FILENO) ::close(fd);
}

}  // namespace

LogFile::~LogFile() {
  close_unless_standard(fd_);
}

std::string LogFile::open(const std::string& path) {
  int fd = STDERR_FILENO;
  if (path != "-") {
    fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
    if (fd < 0) return "cannot open log file " + path + ": " + std::generic_category().message(errno);
  }
  const std::lock_guard lock(mutex_);
  close_unless_standard(std::exchange(fd_, fd));
  return {};
}

void LogFile::write(std::string_view text) noexcept {
  const std::lock_guard lock(mutex_);
  while (!text.empty()) {
    const ssize_t written = ::write(fd_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace keepwarm::daemon
