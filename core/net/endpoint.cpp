#include "core/net/endpoint.h"

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <sys/un.h>

namespace keepwarm::net {
namespace {

/// The path in what getsockname() gave for a unix socket: "" for one without a name.
std::string path_of(const sockaddr_storage& storage, socklen_t size) {
  sockaddr_un address{};
  std::memcpy(&address, &storage, sizeof address);
  constexpr std::size_t kStart = offsetof(sockaddr_un, sun_path);
  if (size <= kStart) return {};
  std::string path(address.sun_path, std::min<std::size_t>(size - kStart, sizeof address.sun_path));
  if (path.front() != '\0') return path.substr(0, path.find('\0'));
  path.front() = '@';
  return path;
}

}  // namespace

Endpoint::Endpoint(const ListenAddress& address)
    : address_(address.is_unix() ? SocketAddress::unix_socket() : SocketAddress(address.ip(), address.port())),
      path_(address.path()) {}

Endpoint Endpoint::unix_path(std::string_view path) {
  Endpoint endpoint(SocketAddress::unix_socket());
  endpoint.path_ = std::filesystem::path(path).lexically_normal().string();
  return endpoint;
}

Endpoint Endpoint::bound_to(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const raw = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(fd, raw, &size) != 0) return SocketAddress();
  if (raw->sa_family == AF_UNIX) return unix_path(path_of(storage, size));
  return SocketAddress::from(raw).value_or(SocketAddress());
}

std::string Endpoint::text() const {
  return is_unix() ? std::string(kUnixPrefix) + path_ : address_.text();
}

}  // namespace keepwarm::net
