#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/net/address.h"

namespace keepwarm::net {

/// Where one listens: an IP address with a port, or the path of a unix socket.
class Endpoint {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): an address is an endpoint
  Endpoint(const SocketAddress& address) : address_(address) {}
  /// Lexically normal: "/run//a/../x.sock" and "/run/x.sock" are one endpoint. "@name" is one in the abstract namespace
  /// (unix(7)); only systemd makes those.
  [[nodiscard]] static Endpoint unix_path(std::string_view path);
  /// "127.0.0.1:3128", "[::1]:3128", "unix:/run/x.sock"; nullopt: none of them.
  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text);
  /// What a socket is bound to.
  [[nodiscard]] static Endpoint bound_to(int fd);

  [[nodiscard]] bool is_unix() const noexcept { return address_.family() == AF_UNIX; }
  [[nodiscard]] const SocketAddress& address() const noexcept { return address_; }  ///< unix_socket() for a path
  [[nodiscard]] const std::string& path() const noexcept { return path_; }          ///< "" if it is none
  [[nodiscard]] std::string text() const;                                           ///< as parse() takes it

  bool operator==(const Endpoint&) const = default;

 private:
  SocketAddress address_;
  std::string path_;
};

}  // namespace keepwarm::net
