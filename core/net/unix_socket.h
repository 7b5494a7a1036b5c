#pragma once

#include <string>
#include <string_view>
#include <sys/types.h>

namespace keepwarm::net {

/// Connects to the unix socket at `path` without waiting: a non-blocking descriptor, or a negative errno. EAGAIN: the
/// backlog of the listener is full; unlike with TCP no event says when it has capacity again (unix(7)).
[[nodiscard]] int connect_unix(std::string_view path) noexcept;

/// Removes what a listener that was killed has left at `path`: a socket that refuses connections. 0, also when nothing
/// is there; EADDRINUSE: somebody listens there; ENOTSOCK: a file of another kind, which stays; or another errno.
[[nodiscard]] int remove_stale_socket(const std::string& path) noexcept;

/// The file that bind() made for a listening socket. It goes with its owner, unless somebody has put another one in its
/// place.
class SocketFile {
 public:
  SocketFile() = default;  ///< none
  /// 0, or an errno: binds `fd` to `path`, where nothing is, and lets everybody connect.
  [[nodiscard]] int bind(int fd, const std::string& path);
  ~SocketFile() { remove(); }
  SocketFile(SocketFile&& other) noexcept;
  SocketFile& operator=(SocketFile&& other) = delete;

  void remove() noexcept;

 private:
  std::string path_;  // "": none, or removed
  dev_t device_{};
  ino_t inode_{};
};

}  // namespace keepwarm::net
