#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/http/head_parser.h"
#include "core/net/tcp_stream.h"
#include "core/policy/interim_budget.h"

namespace keepwarm::pool {

/// The value of Proxy-Authorization for "user:password" (RFC 7617); empty for empty.
[[nodiscard]] std::string basic_authorization(std::string_view credentials);

class ParentTunnelEvents {
 public:
  /// The tunnel is there. `early`: what the other end has sent already. The tunnel object may be destroyed inside.
  virtual void on_tunnel_open(std::unique_ptr<net::TcpStream> stream, std::string early) = 0;
  /// `status`: the parent's answer; 0: it closed the connection, or sent what is not HTTP. `schemes`: of
  /// authentication, that a 407 offers (http::challenge_schemes()). May destroy it, too.
  virtual void on_tunnel_refused(std::uint16_t status, std::string schemes) = 0;

 protected:
  ~ParentTunnelEvents() = default;
};

/// Asks a parent proxy for a tunnel (CONNECT, RFC 9110 §9.3.6) on a connection to it. No time limit of its own. Exactly
/// one event, never inside start(), unless destroyed before.
class ParentTunnel final : private net::StreamEvents {
 public:
  ParentTunnel(std::unique_ptr<net::TcpStream> stream, const http::HeadLimits& limits, ParentTunnelEvents& events);
  ~ParentTunnel() = default;
  ParentTunnel(const ParentTunnel&) = delete;
  ParentTunnel& operator=(const ParentTunnel&) = delete;

  /// `authority`: "host:port" of the destination. `authorization`: value of Proxy-Authorization; empty: none. `via`:
  /// value of Via, by which proxies that are each other's parents see the loop; empty: none.
  void start(std::string_view authority, std::string_view authorization, std::string_view via);

 private:
  void on_bytes(std::string_view bytes) override;
  void on_end() override { refuse(0); }
  void on_broken(int) override { refuse(0); }
  void on_drained() override {}

  void refuse(std::uint16_t status, std::string schemes = {});

  std::unique_ptr<net::TcpStream> stream_;
  http::HeadLimits limits_;
  ParentTunnelEvents& events_;
  http::HeadParser parser_;
  http::HeadScan scan_;
  std::string received_;
  policy::InterimBudget interims_;
};

}  // namespace keepwarm::pool
