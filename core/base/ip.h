#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Addresses as values: an IP address, a range of them, a port, a place to listen at. Text becomes a value here, once,
/// and nowhere else; what is refused here is no address anywhere in keepwarm. Sockets have core/net/address.h.
namespace keepwarm {

/// A port that can be connected to: digits alone, 1 to 65535; leading zeros do not matter. nullopt: anything else.
[[nodiscard]] std::optional<std::uint16_t> parse_port(std::string_view digits) noexcept;

/// Whether it is an IPv6 address, without brackets and scope.
[[nodiscard]] bool is_ipv6(std::string_view text) noexcept;

/// An IPv6 address in the one form that RFC 5952 recommends, so that two texts of one address are equal. IPv4-mapped
/// ones stay as they are: this is for names of hosts, which are compared as text. nullopt: not an IPv6 address.
[[nodiscard]] std::optional<std::string> canonical_ipv6(std::string_view text);

/// Whether the name is this machine's loopback, whatever a name server or a file says of it: "localhost" and all below
/// it (RFC 6761 §6.3). `host` is in lower case, without a final dot.
[[nodiscard]] bool is_localhost(std::string_view host) noexcept;

/// An IPv4 or IPv6 address without a port or a scope. IPv4-mapped IPv6 (::ffff:1.2.3.4) becomes IPv4 as soon as it is
/// parsed, so that nobody can get past a check by writing an address that way (core/doc/design.md §9).
class IpAddress {
 public:
  IpAddress() = default;  ///< 0.0.0.0
  explicit IpAddress(const std::array<std::uint8_t, 4>& bytes) noexcept;
  explicit IpAddress(const std::array<std::uint8_t, 16>& bytes) noexcept;
  /// "127.0.0.1" in the dotted form with four numbers and no leading zeros, "::1" without brackets; no scope, no name.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] bool is_v4() const noexcept { return v4_; }
  /// In network order: 4 or 16.
  [[nodiscard]] std::span<const std::uint8_t> bytes() const noexcept { return {bytes_.data(), v4_ ? 4U : 16U}; }
  [[nodiscard]] unsigned bits() const noexcept { return v4_ ? 32 : 128; }

  [[nodiscard]] bool is_loopback() const noexcept;     ///< 127.0.0.0/8, ::1
  [[nodiscard]] bool is_link_local() const noexcept;   ///< 169.254.0.0/16, fe80::/10
  [[nodiscard]] bool is_unspecified() const noexcept;  ///< 0.0.0.0, ::
  [[nodiscard]] std::string text() const;              ///< as parse() takes it

  bool operator==(const IpAddress&) const = default;

 private:
  std::array<std::uint8_t, 16> bytes_{};  ///< of IPv4 the first four, the rest 0
  bool v4_ = true;
};

/// A range of addresses: all that begin with the same `prefix` bits as `base`.
struct Cidr {
  IpAddress base;
  unsigned prefix = 0;

  /// "10.0.0.0/8", "fe80::/10", or a single address. The prefix of an IPv4-mapped range has at least 96 bits, which are
  /// subtracted: "::ffff:10.0.0.0/104" is 10.0.0.0/8.
  [[nodiscard]] static std::optional<Cidr> parse(std::string_view text) noexcept;

  [[nodiscard]] bool contains(const IpAddress& address) const noexcept;
  /// Whether `base` has bits after the prefix, which mean nothing: "10.1.2.3/8".
  [[nodiscard]] bool has_stray_bits() const noexcept;
  [[nodiscard]] std::string text() const;  ///< as parse() takes it; a single address without its prefix

  bool operator==(const Cidr&) const = default;
};

[[nodiscard]] bool any_contains(const std::vector<Cidr>& ranges, const IpAddress& address) noexcept;

/// What is wrong with the path of a unix socket; "": nothing. It is absolute, that of a file, without control
/// characters, and fits into a sockaddr_un.
[[nodiscard]] std::string unix_path_problem(std::string_view path);

/// Where the configuration says to listen: an IP address with a port, of which 0 asks the kernel for one, or the path
/// of a unix socket.
class ListenAddress {
 public:
  ListenAddress(const IpAddress& ip, std::uint16_t port) noexcept : ip_(ip), port_(port) {}
  /// "127.0.0.1:3128", "[::1]:3128", "unix:/run/x.sock". Names are refused: what they mean may change. So are relative
  /// paths, for the same reason.
  [[nodiscard]] static std::optional<ListenAddress> parse(std::string_view text);

  [[nodiscard]] bool is_unix() const noexcept { return !path_.empty(); }
  /// Only this machine can connect to it.
  [[nodiscard]] bool is_local() const noexcept { return is_unix() || ip_.is_loopback(); }
  [[nodiscard]] const IpAddress& ip() const noexcept { return ip_; }  ///< 0.0.0.0 if is_unix()
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Lexically normal: "/run//a/../x.sock" and "/run/x.sock" are one. "" if it is an address.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  [[nodiscard]] std::string text() const;  ///< as parse() takes it

  bool operator==(const ListenAddress&) const = default;

 private:
  explicit ListenAddress(std::string path) noexcept : path_(std::move(path)) {}

  IpAddress ip_;
  std::uint16_t port_ = 0;
  std::string path_;
};

/// What stands before the path of a unix socket in a text.
inline constexpr std::string_view kUnixPrefix = "unix:";

}  // namespace keepwarm
