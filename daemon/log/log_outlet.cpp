#include "daemon/log/log_outlet.h"

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace keepwarm::daemon {

namespace {

constexpr mode_t kMode = 0640;
constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// As many whole lines as a pipe takes in one piece (PIPE_BUF, pipe(7)): so lines never mix with those of others.
std::string_view piece_for_pipe(std::string_view lines) noexcept {
  if (lines.size() <= PIPE_BUF) return lines;
  const std::size_t end = lines.rfind('\n', PIPE_BUF - 1);
  return lines.substr(0, end == std::string_view::npos ? PIPE_BUF : end + 1);
}

bool is_fifo(const std::string& path) noexcept {
  struct stat there {};
  return ::stat(path.c_str(), &there) == 0 && S_ISFIFO(there.st_mode);
}

}  // namespace

LogOutlet::Kind LogOutlet::kind_of(int fd) noexcept {
  struct stat there {};
  if (::fstat(fd, &there) != 0) return Kind::File;
  if (S_ISSOCK(there.st_mode)) return Kind::Socket;
  if (S_ISFIFO(there.st_mode) || ::isatty(fd) == 1) return Kind::OthersPipe;
  return Kind::File;
}

LogOutlet::LogOutlet() : fd_(STDERR_FILENO), kind_(kind_of(STDERR_FILENO)), journal_(is_journal_stream(STDERR_FILENO)) {
  if (kind_ != Kind::OthersPipe) return;
  // O_NONBLOCK belongs to the open file, which others have, too: a shell, say. So the pipe is opened once more.
  const int own = ::open("/proc/self/fd/2", kFlags);
  if (own < 0) return;
  own_ = net::Descriptor(own);
  fd_ = own;
  kind_ = Kind::Pipe;
}

LogOutlet::LogOutlet(int own) noexcept : own_(own), fd_(own), kind_(kind_of(own)) {
  if (kind_ == Kind::OthersPipe) kind_ = Kind::Pipe;
}

Result<LogOutlet, LogOutlet::Failure> LogOutlet::open(const std::string& path) {
  if (path == "-") return LogOutlet();
  int fd = ::open(path.c_str(), kFlags | O_CREAT, kMode);
  if (fd < 0 && errno == ENXIO && is_fifo(path)) {
    fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK);  // Linux allows it: fifo(7)
  }
  if (fd < 0) return Failure{"cannot open log file " + path + ": " + std::generic_category().message(errno)};
  return LogOutlet(fd);
}

int LogOutlet::error_of(const std::string& path) noexcept {
  if (path == "-") return 0;
  if (const net::Descriptor there(::open(path.c_str(), kFlags)); there) return 0;
  if (errno == ENXIO && is_fifo(path)) return 0;
  if (errno != ENOENT) return errno;
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  return ::access(folder.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

ssize_t LogOutlet::write(std::string_view lines) const noexcept {
  if (kind_ == Kind::Pipe || kind_ == Kind::OthersPipe) lines = piece_for_pipe(lines);
  if (kind_ == Kind::OthersPipe && !has_room(0)) return -EAGAIN;
  ssize_t written = 0;
  do {
    written = kind_ == Kind::Socket ? ::send(fd_, lines.data(), lines.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : ::write(fd_, lines.data(), lines.size());
  } while (written < 0 && errno == EINTR);
  if (written > 0) return written;
  return written == 0 ? -EAGAIN : -errno;
}

bool LogOutlet::has_room(int milliseconds) const noexcept {
  pollfd waits{.fd = fd_, .events = POLLOUT, .revents = 0};
  return ::poll(&waits, 1, milliseconds) != 0;  // an error is for write() to tell
}

void LogOutlet::wait_for_room(int milliseconds) const noexcept {
  static_cast<void>(has_room(milliseconds));
}

void tell_standard_error(std::string_view line) noexcept {
  pollfd out{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) return;
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

bool is_journal_stream(int fd) noexcept {
  const char* named = std::getenv("JOURNAL_STREAM");
  struct stat there {};
  if (named == nullptr || ::fstat(fd, &there) != 0) return false;
  return named == fmt::format("{}:{}", there.st_dev, there.st_ino);
}

}  // namespace keepwarm::daemon
