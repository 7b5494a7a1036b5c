#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Where the configuration says to connect instead of to the origin itself: the values of the keys `connect_to` and
/// `parent`. They are parsed once, when the configuration is read. Two values are equal if they lead to the same place,
/// however they were written.
namespace keepwarm::policy {

/// `connect_to`: "10.0.0.5:8443", "[::1]:8443", "name:8443", or "unix:/run/app.sock".
struct ConnectTo {
  std::string host;  ///< lower case, without brackets; empty: unix_path
  std::uint16_t port = 0;
  std::string unix_path;
  std::string shown;  ///< as it was written

  bool operator==(const ConnectTo& other) const noexcept {
    return host == other.host && port == other.port && unix_path == other.unix_path;
  }
};
/// nullopt: `text` is neither a host with a port nor the path of a unix socket.
[[nodiscard]] std::optional<ConnectTo> parse_connect_to(std::string_view text);

/// `parent`: "http://proxy.corp:3128", perhaps with "user:password@" before the host.
struct ParentProxy {
  std::string host;  ///< lower case, without brackets
  std::uint16_t port = 80;
  std::string credentials;  ///< "user:password" with percent-encoding undone; empty: none
  std::string shown;        ///< as it was written, but without_credentials()

  bool operator==(const ParentProxy& other) const noexcept {
    return host == other.host && port == other.port && credentials == other.credentials;
  }
};
/// nullopt: another scheme, a path, or no URL at all.
[[nodiscard]] std::optional<ParentProxy> parse_parent(std::string_view url);

/// The URL as people may see it: "***" instead of its user name and password.
[[nodiscard]] std::string without_credentials(std::string_view url);

}  // namespace keepwarm::policy
