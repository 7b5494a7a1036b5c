#pragma once

#include <optional>
#include <sys/socket.h>

#include "core/net/address.h"

namespace keepwarm::net {

/// The address of a socket's near (getsockname) or far end (getpeername); nullopt: it has none.
[[nodiscard]] inline std::optional<SocketAddress> end_of(int fd, int (&ask)(int, sockaddr*, socklen_t*)) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (ask(fd, address, &size) != 0) return std::nullopt;
  return SocketAddress::from(address);
}

/// Whether the socket, just connected to `to`, is connected to itself. A connect to a local ephemeral port on which
/// nobody listens may be given that same port to come from; TCP then takes it for a simultaneous open (RFC 9293 §3.5),
/// and a proxy would talk to its own echo. No system call for destinations that are not loopback.
[[nodiscard]] inline bool connected_to_itself(int fd, const SocketAddress& to) noexcept {
  if (!to.is_loopback() && !to.is_unspecified()) return false;
  const std::optional<SocketAddress> near = end_of(fd, ::getsockname);
  return near && near->port() == to.port() && near == end_of(fd, ::getpeername);
}

}  // namespace keepwarm::net
