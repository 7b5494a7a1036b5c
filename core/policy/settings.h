#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/clock.h"
#include "core/base/ip.h"
#include "core/base/resolver_mode.h"
#include "core/policy/configured_hop.h"

/// The settings as plain values, already validated; their defaults are here, what they mean is in config/keys.cpp.
/// Durations of 0 mean "no limit" only where said. (.github/CONTRIBUTING.md says how to add a key.)
namespace keepwarm::policy {

using namespace std::chrono_literals;

enum class UnsafeReuse : std::uint8_t { Never, Trusted, Always };
enum class UpgradeCookies : std::uint8_t { Keep, StripSecure };

/// What holds for one host: the tables [host.*] laid over each other (policy/host_table.h).
struct HostSettings {
  bool reuse = true;
  Duration idle_timeout = 60s;
  Duration idle_margin = 1s;
  bool server_hint = true;
  bool learn = true;
  Duration assumed_idle_timeout = 5s;
  UnsafeReuse unsafe_reuse = UnsafeReuse::Trusted;
  std::uint32_t keep_warm = 0;
  Duration keep_warm_for = 10min;
  std::uint32_t max_connections = 64;
  std::uint32_t max_idle = 64;
  std::uint32_t max_requests = 0;  ///< for each connection; 0: no limit
  Duration max_lifetime = 1h;      ///< 0: no limit
  Duration queue_timeout = 10s;
  Duration connect_timeout = 5s;
  Duration response_timeout = 5min;
  Duration stall_timeout = 5min;
  Duration tunnel_timeout = 1h;  ///< 0: no limit
  bool retry = true;
  std::uint64_t retry_body_size = 65536;
  std::vector<std::string> retry_methods = {"GET",    "HEAD",     "OPTIONS", "TRACE", "PUT",
                                            "DELETE", "PROPFIND", "REPORT",  "SEARCH"};
  bool retry_undelivered = false;
  bool retry_idempotency_key = false;
  bool upgrade = false;
  UpgradeCookies upgrade_cookies = UpgradeCookies::Keep;
  bool intercept = false;
  std::optional<ConnectTo> connect_to;  ///< nullopt: to the origin itself
  std::optional<ParentProxy> parent;    ///< nullopt: none
  bool tls_verify = true;
  std::string tls_ca_file;
  std::string tls_client_certificate;
  std::string tls_client_key;
  std::string tls_server_name;
  /// Of what is in the files that the keys above name, and in the system's authorities: no key, but one that differs
  /// when they do (HostTable::set_file_marks()), so that connections which rest on other files are not used any more.
  std::uint64_t tls_file_mark = 0;

  bool operator==(const HostSettings&) const = default;
};

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 0;

  [[nodiscard]] bool contains(std::uint16_t port) const noexcept { return first <= port && port <= last; }
  bool operator==(const PortRange&) const = default;
};

enum class BadPorts : std::uint8_t { Refuse, Allow };
enum class ProxyStatusMode : std::uint8_t { Off, Errors, Always };
/// On which requests and responses Via is sent: none, all but those of intercepted tunnels, all.
enum class Via : std::uint8_t { Omit, Add, Always };
enum class ClientHalfClose : std::uint8_t { Auto, Honour, Abort };

/// 127.0.0.1:3128 and [::1]:3128
[[nodiscard]] std::vector<ListenAddress> default_listen();

/// [proxy]: what holds for the daemon as a whole.
struct ProxySettings {
  std::vector<ListenAddress> listen = default_listen();
  bool listen_is_default = true;  ///< then an entry whose address family is missing is skipped with a warning
  std::uint32_t workers = 1;
  std::vector<Cidr> allow_clients;
  std::vector<PortRange> connect_ports = {{443, 443}};
  std::uint32_t max_clients = 10000;
  std::vector<Cidr> deny_destinations;
  bool deny_destinations_set = false;  ///< set explicitly, be it to []
  BadPorts bad_ports = BadPorts::Refuse;
  ProxyStatusMode proxy_status = ProxyStatusMode::Errors;
  Via via = Via::Add;
  Duration client_idle_timeout = 60s;
  Duration client_header_timeout = 10s;
  std::uint64_t max_header_size = 65536;
  ClientHalfClose client_half_close = ClientHalfClose::Auto;
  Duration shutdown_grace = 10s;

  bool operator==(const ProxySettings&) const = default;
};

/// [intercept]: HTTPS that clients send through tunnels, and the local CA that it takes.
struct InterceptSettings {
  /// What becomes of a client that has refused our certificate, when its like comes again.
  enum class Refused : std::uint8_t { Fail, Tunnel };

  std::string ca;                     ///< the folder; "": as config::ca_folder() says
  std::string key;                    ///< the file with an issuer's key; "": each is in its folder
  std::vector<ListenAddress> listen;  ///< whose clients are intercepted; empty: those of all
  Refused refused = Refused::Fail;
  bool log_paths = false;

  bool operator==(const InterceptSettings&) const = default;
};

/// [dns]
struct DnsSettings {
  Duration ttl = 30s;
  Duration negative_ttl = 1s;
  Duration min_ttl = 1s;
  Duration dns_timeout = 15s;
  ResolverMode resolver = ResolverMode::Auto;

  bool operator==(const DnsSettings&) const = default;
};

}  // namespace keepwarm::policy
