#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/policy/idle_terms.h"

/// What the access log says of one request, and where such records go.
namespace keepwarm::proxy {

/// Who or what ended an exchange.
enum class ExchangeOutcome : std::uint8_t {
  Completed,  ///< both messages ended by their framing
  Ourselves,  ///< answered by keepwarm
  Client,     ///< the client left
  Origin,     ///< the response was cut
  Timeout,    ///< response_timeout or stall_timeout after the response had begun
  Shutdown,
};
[[nodiscard]] std::string_view describe(ExchangeOutcome ended) noexcept;

/// Whether a request reached its server, as far as that can be known.
enum class Delivered : std::uint8_t {
  No,     ///< certainly not: it may be sent again
  Maybe,  ///< it was sent, at least in part, and nothing came back
  Yes     ///< an answer came
};
[[nodiscard]] std::string_view describe(Delivered delivered) noexcept;

/// By which way a request came, and went on.
enum class Road : std::uint8_t {
  Proxy,     ///< in the clear, to us as a proxy
  Tunnel,    ///< CONNECT, byte for byte
  Intercept  ///< in a tunnel that we answer in the place of its server
};
[[nodiscard]] std::string_view describe(Road road) noexcept;

/// Why an exchange failed, in words and names; all empty for one that did not.
struct FailureNote {
  std::string_view error{};                     ///< Proxy-Status error token
  std::string_view reason{};                    ///< in the words of the client's answer, if it got one
  std::string_view rule{};                      ///< the setting that refused it, or whose limit was passed
  std::span<const net::SocketAddress> tried{};  ///< what was connected to, in vain
};

/// One exchange, as the access log shows it (core/doc/design.md §8). Views are valid during the call only.
struct AccessRecord {
  net::SocketAddress client;
  std::string_view method;
  std::string_view host_and_port;                ///< of the target; empty if the request was not understood
  std::string_view scheme;                       ///< "http", "https", as the client asked; empty for CONNECT
  std::string_view path;                         ///< with the query, which may hold secrets
  std::uint16_t status = 0;                      ///< 0: the client got none
  std::uint64_t bytes_received = 0;              ///< request body from the client (tunnels: all bytes)
  std::uint64_t bytes_sent = 0;                  ///< response body to the client (tunnels: all bytes)
  const net::SocketAddress* upstream = nullptr;  ///< nullptr: none was reached
  std::string_view upstream_path;                ///< of a unix socket, in place of its address's text; else empty
  bool reused = false;
  std::uint32_t requests_on_connection = 0;  ///< this one included
  Duration idle{};                           ///< of a reused connection: for how long it had been idle
  bool trusted = false;                      ///< fresh, or idle for so short a time that any request could go on it
  std::optional<policy::ExpectedIdle>
      expected_idle{};  ///< of the server, after this exchange; nullopt: none was reached
  std::uint32_t retries = 0;
  Duration queue{};  ///< waited for a connection or for room to open one
  Duration dns{};
  Duration connect{};
  Duration tls{};
  Duration first_byte{};  ///< from the last request byte to the first response byte; 0 if none came
  Duration total{};
  ExchangeOutcome ended = ExchangeOutcome::Completed;
  Delivered delivered = Delivered::No;
  FailureNote failure{};
  Road road = Road::Proxy;
  Duration client_tls{};   ///< the client's handshake, of the first request after it
  std::string_view why{};  ///< why a CONNECT that might be intercepted became a tunnel; empty: it did not
};

/// Where the records go. Must not block.
class AccessSink {
 public:
  /// False: exchanges do not gather what only the log needs.
  [[nodiscard]] virtual bool enabled() const noexcept = 0;
  virtual void write(const AccessRecord& record) = 0;

 protected:
  ~AccessSink() = default;
};

}  // namespace keepwarm::proxy
