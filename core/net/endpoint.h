#pragma once

#include <string>
#include <string_view>

#include "core/net/address.h"

namespace keepwarm::net {

/// Where one listens, as a socket has it: an IP address with a port, or the path of a unix socket.
class Endpoint {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): an address is an endpoint
  Endpoint(const SocketAddress& address) : address_(address) {}
  // NOLINTNEXTLINE(google-explicit-constructor): where the configuration says is one
  Endpoint(const ListenAddress& address);
  /// Lexically normal: "/run//a/../x.sock" and "/run/x.sock" are one endpoint. "@name" is one in the abstract namespace
  /// (unix(7)); only systemd makes those.
  [[nodiscard]] static Endpoint unix_path(std::string_view path);
  /// What a socket is bound to.
  [[nodiscard]] static Endpoint bound_to(int fd);

  [[nodiscard]] bool is_unix() const noexcept { return address_.family() == AF_UNIX; }
  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }  ///< unix_socket() for a path
  [[nodiscard]] const std::string& path() const noexcept { return path_; }          ///< "" if it is none
  [[nodiscard]] std::string text() const;  ///< "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock"

  bool operator==(const Endpoint&) const = default;

 private:
  SocketAddress address_;
  std::string path_;
};

}  // namespace keepwarm::net
