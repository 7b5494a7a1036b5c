#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <doctest/doctest.h>

#include "tests/unit/net/net_fixture.h"

/// What the tests of unix sockets share.
namespace keepwarm::net::test {

/// A folder of a short name that goes with everything in it.
class TempFolder {
 public:
  TempFolder() : path_((std::filesystem::temp_directory_path() / "kw-XXXXXX").string()) {
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  [[nodiscard]] std::string operator/(std::string_view name) const { return path_ + '/' + std::string(name); }

 private:
  std::string path_;
};

inline sockaddr_un unix_address(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  REQUIRE(path.size() < sizeof address.sun_path);
  path.copy(address.sun_path, path.size());
  return address;
}

inline Fd unix_socket(int flags = 0) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  REQUIRE(fd.valid());
  return fd;
}

/// 0, or an errno.
inline int try_connect(const Fd& fd, std::string_view path) {
  const sockaddr_un address = unix_address(path);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

inline Fd connect_to_path(std::string_view path) {
  Fd fd = unix_socket();
  REQUIRE(try_connect(fd, path) == 0);
  return fd;
}

/// A socket bound to `path` that does not listen.
inline Fd bind_to_path(std::string_view path) {
  Fd fd = unix_socket(SOCK_NONBLOCK);
  const sockaddr_un address = unix_address(path);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

inline Fd listen_on_path(std::string_view path, int backlog = 16) {
  Fd fd = bind_to_path(path);
  REQUIRE(::listen(fd.get(), backlog) == 0);
  return fd;
}

inline struct stat stat_of(const std::string& path) {
  struct stat there {};
  REQUIRE(::lstat(path.c_str(), &there) == 0);
  return there;
}

}  // namespace keepwarm::net::test
