#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/origin.h"
#include "core/net/stream.h"
#include "core/net/tls/client_hello.h"
#include "core/net/tls/local_ca.h"
#include "core/net/tls/tls_server.h"
#include "core/policy/intercept_memory.h"
#include "core/policy/interception.h"
#include "core/policy/settings.h"
#include "core/pool/dial_failure.h"

/// What one engine knows of interception: who may be intercepted, what was found out of servers and clients, and what
/// the log is told of them.
namespace keepwarm::proxy {

/// A client's hello that is answered with a certificate of ours.
struct InterceptedHello {
  std::size_t generation = 0;          ///< of the local CA, that signs
  std::uint64_t shape = 0;             ///< net::ClientHello::shape
  std::optional<std::uint32_t> uid{};  ///< of the client's process, if it is on this machine
};

/// Counters since the start.
struct InterceptionStats {
  std::uint64_t intercepted = 0;  ///< CONNECTs that led to a handshake with us
  std::uint64_t refusals = 0;     ///< of a certificate of ours, by clients
  /// To hosts with `intercept = true`; [None]: to all others.
  std::array<std::uint64_t, policy::kTunnelReasonCount> tunnels{};
};

/// Joins policy (core/policy/interception.h, intercept_memory.h) with the local CA and the server's side of TLS. Owned
/// by the engine.
class Interception {
 public:
  /// References must outlive it.
  Interception(Log& log, net::TlsClient& tls) : log_(log), server_(tls) {}

  /// The configuration in force. What was found out of servers and clients is forgotten.
  void configure(const policy::InterceptSettings& settings, std::shared_ptr<const net::LocalCa> ca);

  /// Before anything is opened for a CONNECT to `destination`, whose host has `intercept = true`: what is against it.
  [[nodiscard]] policy::TunnelReason look_at(const Origin& destination, net::Stream& client, TimePoint now);
  /// After the client's hello: what is against answering it. None: `answer` says how.
  [[nodiscard]] policy::TunnelReason judge(const net::ClientHello& hello, const Origin& destination,
                                           net::Stream& client, InterceptedHello& answer, TimePoint now);
  /// Makes the client's connection, of which `received` has come, one of TLS, with a certificate for `host`. nullptr:
  /// there is none, and `transport` is as it was.
  [[nodiscard]] std::unique_ptr<net::TlsStream> accept(std::unique_ptr<net::TcpStream>& transport,
                                                       std::string_view received, std::string_view host,
                                                       const InterceptedHello& hello, net::TlsHandshakeEvents& events) {
    return server_.accept(transport, received, host, hello.generation, events);
  }

  // ---- What is found out of servers ----

  /// It is reached, and its certificate is good.
  void server_is_fit(const Origin& server);
  /// It asks for a certificate of the client, and we have none.
  void server_wants_certificate(const Origin& server, TimePoint now);
  /// No TLS connection to it could be made. Returns the reason: None if it was not the fault of TLS, so that a tunnel
  /// would fail as well.
  policy::TunnelReason server_failed(const Origin& server, const pool::DialFailure& failure, TimePoint now);

  // ---- What is found out of clients ----

  /// `how`: the alert that it sent, "unknown_ca", or that it left without one.
  void client_refused(std::string_view host, const InterceptedHello& hello, std::string_view how, TimePoint now);

  InterceptionStats stats{};

  [[nodiscard]] bool log_paths() const noexcept { return settings_.log_paths; }

 private:
  void add_verdict(const Origin& server, policy::TunnelReason reason, std::string_view why, TimePoint now);
  [[nodiscard]] std::optional<std::size_t> generation_for(std::string_view host) const;
  [[nodiscard]] bool came_over_our_listener(net::Stream& client) const;

  Log& log_;
  net::TlsServer server_;
  policy::InterceptSettings settings_;
  std::shared_ptr<const net::LocalCa> ca_;
  policy::InterceptVerdicts verdicts_;
  policy::ClientRefusals refusals_;
};

/// How a client refused our certificate that just went.
inline constexpr std::string_view kLeftWithoutAlert = "closed the connection";

/// The name of the alert by which a client says that it does not want our certificate, "unknown_ca"; "": the failure is
/// another one.
[[nodiscard]] std::string_view refusal_in(const net::TlsFailure& failure) noexcept;

}  // namespace keepwarm::proxy
