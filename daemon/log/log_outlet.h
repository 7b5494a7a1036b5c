#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>

#include "core/base/result.h"
#include "core/net/descriptor.h"

namespace keepwarm::daemon {

/// Where the log goes: a file, a FIFO, or standard error, whatever that is. It does not wait for a reader: a pipe, a
/// terminal or a socket that is full says so. Only a regular file may hold the caller up, since the kernel offers
/// nothing else; so all calls are made by the writer's thread.
class LogOutlet {
 public:
  struct Failure {
    std::string text;
  };

  /// Standard error.
  LogOutlet();
  /// "-" is standard error. A FIFO without a reader is opened, too: it keeps some lines until one comes.
  [[nodiscard]] static Result<LogOutlet, Failure> open(const std::string& path);
  /// Whether open() would fail: 0, or an errno. Neither the file nor anything in it is made or changed.
  [[nodiscard]] static int error_of(const std::string& path) noexcept;

  /// `lines`: whole ones, each with its newline, not empty. Returns how many bytes were taken, or a negative errno;
  /// -EAGAIN: there is no room now.
  [[nodiscard]] ssize_t write(std::string_view lines) const noexcept;
  /// Waits for room.
  void wait_for_room(int milliseconds) const noexcept;

  [[nodiscard]] bool is_standard_error() const noexcept { return !own_; }
  /// The journal of systemd reads it, which wants the priority of each line in front of it (sd-daemon(3)).
  [[nodiscard]] bool is_journal() const noexcept { return journal_; }

 private:
  enum class Kind : std::uint8_t {
    File,        ///< takes any number of bytes
    Pipe,        ///< or a terminal: opened again for ourselves, so that it does not block
    OthersPipe,  ///< the same, but it could not be opened again: it is asked before each write
    Socket
  };

  explicit LogOutlet(int own) noexcept;
  [[nodiscard]] static Kind kind_of(int fd) noexcept;
  [[nodiscard]] bool has_room(int milliseconds) const noexcept;

  net::Descriptor own_;
  int fd_;
  Kind kind_;
  bool journal_ = false;
};

/// Writes a line to standard error, for trouble with a log file. Does not wait: nothing is written if there is no room.
void tell_standard_error(std::string_view line) noexcept;

/// Whether $JOURNAL_STREAM ("device:inode", systemd.exec(5)) says that `fd` is the journal's. A program may have been
/// started by a service with its standard error elsewhere, so the variable alone says nothing.
[[nodiscard]] bool is_journal_stream(int fd) noexcept;

}  // namespace keepwarm::daemon
