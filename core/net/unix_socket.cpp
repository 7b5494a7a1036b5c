#include "core/net/unix_socket.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>

namespace keepwarm::net {
namespace {

/// nullopt: longer than 107 bytes, or empty.
std::optional<sockaddr_un> address_of(std::string_view path) noexcept {
  sockaddr_un address{};
  if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

/// 0, or an errno.
template <typename Call>
int call_with(Call& call, int fd, std::string_view path) noexcept {
  const std::optional<sockaddr_un> address = address_of(path);
  if (!address) return ENAMETOOLONG;
  return call(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 ? 0 : errno;
}

}  // namespace

int connect_unix(std::string_view path) noexcept {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (const int error = call_with(::connect, fd, path); error != 0) {
    ::close(fd);
    return -error;
  }
  return fd;
}

int remove_stale_socket(const std::string& path) noexcept {
  struct stat there {};
  if (::lstat(path.c_str(), &there) != 0) return errno == ENOENT ? 0 : errno;
  if (!S_ISSOCK(there.st_mode)) return ENOTSOCK;
  const int tried = connect_unix(path);
  if (tried >= 0) ::close(tried);
  if (tried >= 0 || tried == -EAGAIN || tried == -EPROTOTYPE) return EADDRINUSE;  // EPROTOTYPE: not a stream, but alive
  if (tried == -ENOENT) return 0;
  if (tried != -ECONNREFUSED) return -tried;
  // Race: one that is bound and about to listen looks stale, too. Benign unless two daemons start at the same moment
  // with the same path, and then one of them had to lose.
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? 0 : errno;
}

int SocketFile::bind(int fd, const std::string& path) {
  if (const int error = call_with(::bind, fd, path); error != 0) return error;
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return errno;
  path_ = path;
  device_ = made.st_dev;
  inode_ = made.st_ino;
  // To connect a client needs the right to write to the file. Everybody has it, and the permissions of the folder say
  // who may connect: a umask (the service has 0077) would silently lock out the very clients that the socket is for.
  return ::chmod(path.c_str(), 0666) == 0 ? 0 : errno;
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

void SocketFile::remove() noexcept {
  if (path_.empty()) return;
  struct stat there {};
  const bool ours = ::lstat(path_.c_str(), &there) == 0 && there.st_dev == device_ && there.st_ino == inode_;
  if (ours) ::unlink(path_.c_str());
  path_.clear();
}

}  // namespace keepwarm::net
