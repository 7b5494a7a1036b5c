#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/policy/idle_terms.h"
#include "core/proxy/access_record.h"
#include "core/proxy/connect_cost.h"
#include "core/proxy/own_answer.h"

/// From what an exchange, a CONNECT or an answer of our own knows of itself to the line in the access log: the one
/// place where an AccessRecord is filled.
namespace keepwarm::proxy {

/// Method and URL of a request. Views of whoever has them.
struct RequestName {
  std::string_view method{};
  std::string_view host_and_port{};
  std::string_view scheme{};
  std::string_view path{};
};

/// Stands for the path of an intercepted request, which no log shows unless it is to (`intercept.log_paths`).
inline constexpr std::string_view kHiddenPath = "/...";

/// A RequestName that owns its text, for as long as a request takes. It is used again in place, so that it allocates
/// nothing in the long run.
class KeptRequestName {
 public:
  void clear() noexcept { text_.clear(); }
  void assign(std::string_view method, std::string_view host_and_port, std::string_view path);
  /// Without a scheme. Valid until the next assign() or clear().
  [[nodiscard]] RequestName view() const noexcept;

 private:
  std::string text_;  ///< the three, one behind the other
  std::size_t method_size_ = 0;
  std::size_t authority_size_ = 0;
};

/// How far the upstream connection that a request went out on could be trusted to be open still.
enum class ConnectionTrust : std::uint8_t {
  NotPooled,  ///< a tunnel's
  Fresh,      ///< opened for this request
  Trusted,    ///< reused; idle for so short a time that any request could go on it
  Untrusted   ///< reused; only for what can be sent again
};

/// The upstream connection that a request was sent on: the last one, if there were several.
struct UpstreamUse {
  net::SocketAddress address{};
  std::string_view unix_path{};
  std::uint32_t requests = 0;  ///< on this connection, this one included; 0: no connection was reached
  ConnectionTrust trust = ConnectionTrust::NotPooled;
  Duration idle{};  ///< how long a reused one had been idle

  [[nodiscard]] bool reached() const noexcept { return requests > 0; }
  [[nodiscard]] bool reused() const noexcept { return trust >= ConnectionTrust::Trusted; }
};

/// How long the parts of a request took; zero for what did not happen.
struct AccessTimes {
  Duration queue{};
  Duration dns{};
  Duration connect{};
  Duration tls{};
  Duration first_byte{};
  Duration total{};
  Duration client_tls{};
};

/// Of a request that was answered without an upstream connection: what its CONNECT has cost.
[[nodiscard]] AccessTimes access_times(const ConnectCost& cost) noexcept;

/// What became of a request.
struct AccessResult {
  std::uint16_t status = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::uint32_t retries = 0;
  ExchangeOutcome outcome = ExchangeOutcome::Completed;
  Delivered delivered = Delivered::No;
  FailureNote failure{};
  std::optional<policy::ExpectedIdle> expected_idle{};  ///< of the server, now that the request is over
  Road road = Road::Proxy;
  std::string_view why{};  ///< AccessRecord::why
};

/// Of an answer of our own. `sent`: the client was there to be told.
[[nodiscard]] AccessResult result_of(const OwnAnswer& answer, bool sent, std::span<const net::SocketAddress> tried);

/// The record points into what it is made from, which must outlive it.
[[nodiscard]] AccessRecord access_record(const net::SocketAddress& client, const RequestName& request,
                                         const UpstreamUse& upstream, const AccessTimes& times,
                                         const AccessResult& result) noexcept;

}  // namespace keepwarm::proxy
