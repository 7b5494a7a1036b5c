#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/origin.h"
#include "core/policy/settings.h"

/// Where the upstream connections of a host lead, and what is spoken on them: the keys `upgrade`, `connect_to`,
/// `parent` and `tls`. Pure: the origin of a request and its host's settings go in, a value comes out. A new way to
/// reach an origin begins here (.github/CONTRIBUTING.md has the steps).
namespace keepwarm::policy {

/// The TLS settings of one host, [host."…".tls].
struct TlsTerms {
  bool verify = true;
  std::string ca_file;
  std::string client_certificate;
  std::string client_key;
  std::string server_name;      ///< for SNI and verification, never empty
  std::uint64_t file_mark = 0;  ///< HostSettings::tls_file_mark

  bool operator==(const TlsTerms&) const = default;
};

struct NextHop {
  /// Who chose the address that is connected to.
  enum class Via : std::uint8_t {
    Client,     ///< the request's own host
    ConnectTo,  ///< the operator, by connect_to
    Parent      ///< the operator, by parent
  };
  Via via = Via::Client;
  /// What is at the other end: the origin after `upgrade`; or the parent itself if it is sent whole URLs.
  Origin origin;
  std::string host;  ///< what is connected to; empty: unix_path is
  std::uint16_t port = 0;
  std::string unix_path;
  std::string credentials;      ///< for the parent; empty: none
  bool parent_tunnel = false;   ///< a CONNECT at the parent comes first
  std::optional<TlsTerms> tls;  ///< nullopt: plain

  /// Requests go to the parent with their whole URL (RFC 9112 §3.2.2).
  [[nodiscard]] bool absolute_form() const noexcept { return via == Via::Parent && !parent_tunnel; }
  bool operator==(const NextHop&) const = default;
};

/// For requests: `asked` is the origin as the client named it.
[[nodiscard]] NextHop next_hop(const OriginView& asked, const HostSettings& settings);

/// For a client's CONNECT: bytes are passed on as they are, through a tunnel of the parent if there is one.
[[nodiscard]] NextHop tunnel_hop(const OriginView& destination, const HostSettings& settings);

}  // namespace keepwarm::policy
