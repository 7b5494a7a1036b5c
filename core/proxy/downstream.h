#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/net/stream.h"
#include "core/pool/lease.h"
#include "core/pool/pool.h"
#include "core/proxy/connect_cost.h"

/// The client's side of an exchange: what an Exchange calls, and a ClientSession is.
namespace keepwarm::proxy {

/// What becomes of the client's connection when an exchange is over.
enum class AfterExchange : std::uint8_t {
  Continue,        ///< the next request may come
  Close,           ///< both messages are whole: close when the answer has gone out
  CloseLingering,  ///< the client may still be sending: lingering close (RFC 9112 §9.6)
  Cut,             ///< the answer is incomplete, and its framing shows it
  Reset,           ///< the answer is incomplete, and only RST can show it
};

/// What a ClientSession is to its exchange, which it outlives.
class Downstream {
 public:
  [[nodiscard]] virtual net::Stream& client_stream() noexcept = 0;

  /// Before a request goes out that has waited: whether the client, whose FIN came or may have come unheard, is still
  /// there for the answer. False: the request must not begin.
  [[nodiscard]] virtual bool client_awaits_answer() = 0;

  /// Nothing is read from the client for now, so that its end would not be heard.
  virtual void client_paused() = 0;

  /// The last call of an exchange; it must not touch itself afterwards.
  virtual void exchange_over(AfterExchange after) = 0;
  /// Instead of exchange_over(): the 101 has been written, and both streams are a tunnel now. `early` came behind the
  /// head.
  virtual void upgraded(std::unique_ptr<net::Stream> upstream, std::string upstream_name, std::string_view early,
                        Duration tunnel_timeout) = 0;

  /// Connection-bound authentication (core/doc/design.md §6.10): an upstream connection that serves this client only.
  virtual void bind_connection(pool::HostRef host, pool::Lease lease) = 0;
  /// The one bound to this client for `host`; empty if there is none.
  [[nodiscard]] virtual pool::Lease take_bound_connection(const pool::HostPool& host) = 0;

  /// Of the CONNECT before this request: for the first request after it, else zero.
  [[nodiscard]] virtual ConnectCost take_connect_cost() noexcept { return {}; }

 protected:
  ~Downstream() = default;
};

}  // namespace keepwarm::proxy
