#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

#include "core/base/ip.h"

/// Addresses as sockets have them: a sockaddr as a value. What an address means, and how text becomes one, is in
/// core/base/ip.h.
namespace keepwarm::net {

/// An IPv4 or IPv6 address with a port; or only the fact that the peer is a unix socket, whose path it does not hold.
/// IPv4-mapped IPv6 (::ffff:1.2.3.4) becomes IPv4 at once, as in IpAddress.
class SocketAddress {
 public:
  SocketAddress() noexcept;
  SocketAddress(const IpAddress& ip, std::uint16_t port) noexcept;
  /// The peer of a unix socket: family AF_UNIX, size() 0, port() 0; equal to any other, and in no range of addresses.
  [[nodiscard]] static SocketAddress unix_socket() noexcept;
  /// AF_INET, AF_INET6, and unix_socket() for AF_UNIX; nullopt for other families.
  [[nodiscard]] static std::optional<SocketAddress> from(const sockaddr* address) noexcept;
  /// A literal as IpAddress takes it, or an IPv6 one with a scope, by name or number: "fe80::1%eth0".
  [[nodiscard]] static std::optional<SocketAddress> parse(std::string_view literal, std::uint16_t port) noexcept;
  /// The same, and IPv4 as inet_aton() reads it: "127.1", "0x7f.1", "2130706433". For checks of an address that another
  /// program is asked to connect to, which may read it that way.
  [[nodiscard]] static std::optional<SocketAddress> parse_any_notation(std::string_view literal,
                                                                       std::uint16_t port) noexcept;

  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage_); }
  [[nodiscard]] socklen_t size() const noexcept;  ///< 0: there is nothing to connect to
  [[nodiscard]] int family() const noexcept { return storage_.sin6_family; }
  [[nodiscard]] std::uint16_t port() const noexcept;
  void set_port(std::uint16_t port) noexcept;
  /// Without port and scope; nullopt: it is a unix socket, or nothing.
  [[nodiscard]] std::optional<IpAddress> ip() const noexcept;

  [[nodiscard]] bool is_loopback() const noexcept;     ///< 127.0.0.0/8, ::1
  [[nodiscard]] bool is_link_local() const noexcept;   ///< 169.254.0.0/16, fe80::/10
  [[nodiscard]] bool is_unspecified() const noexcept;  ///< 0.0.0.0, :: (Linux connects these to itself)
  [[nodiscard]] bool same_host(const SocketAddress& other) const noexcept;  ///< ports not compared
  [[nodiscard]] bool in_any(const std::vector<Cidr>& ranges) const noexcept;
  [[nodiscard]] std::string host_text() const;  ///< "127.0.0.1", "fe80::1%eth0", "unix"
  [[nodiscard]] std::string text() const;       ///< "127.0.0.1:80", "[::1]:80", "unix"

  bool operator==(const SocketAddress& other) const noexcept;

 private:
  [[nodiscard]] std::uint32_t scope() const noexcept { return family() == AF_INET6 ? storage_.sin6_scope_id : 0; }

  sockaddr_in6 storage_;  // large enough for sockaddr_in, which has its family at the same place
};

/// The addresses of this machine's interfaces, loopback included, port 0.
[[nodiscard]] std::vector<SocketAddress> local_addresses();

}  // namespace keepwarm::net
