#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/deadline_wheel.h"
#include "core/base/slab.h"
#include "core/http/head_parser.h"
#include "core/net/stream.h"
#include "core/policy/failure.h"
#include "core/proxy/bound_connection.h"
#include "core/proxy/connect_request.h"
#include "core/proxy/downstream.h"
#include "core/proxy/exchange.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/tunnel.h"

namespace keepwarm::proxy {

/// One client connection: reads request heads, has exchanges carry out one request after the other, and ends the
/// connection in the way that the client will understand. Owned by the engine.
///
///   AwaitingHead ⇄ InExchange;  AwaitingHead ─CONNECT─▶ Tunnelling;  InExchange ─101─▶ Tunnelling
///   from each ─▶ Flushing (what was answered goes out) ─▶ Lingering (RFC 9112 §9.6) ─▶ Closed
class ClientSession final : public net::StreamEvents,
                            public Downstream,
                            public ConnectRequestEvents,
                            public TunnelEvents,
                            public Deadline,
                            public Slabbed<ClientSession> {
 public:
  ClientSession(ProxyContext& context, const ClientFacts& facts);
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  /// Takes the connection over and begins to read.
  void start(std::unique_ptr<net::Stream> stream);
  /// Instead of serving: answers at once and closes (too many clients, a client that is not allowed).
  void reject(std::unique_ptr<net::Stream> stream, policy::FailureKind kind, std::string_view explanation);

  /// Shutting down: closes at once if no request is under way, else after it.
  void drain();
  /// Time is up: closes whatever is under way.
  void abort();

  std::uint32_t index = 0;  ///< in the engine's list of sessions; the engine's alone

 private:
  enum class State : std::uint8_t { AwaitingHead, InExchange, Tunnelling, Flushing, Lingering, Closed };

  /// What a connection has become by a 101.
  struct Upgraded {
    std::string to;  ///< "host:port"
    Tunnel tunnel;
  };

  // Stream events
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override;
  // Downstream
  [[nodiscard]] net::Stream& client_stream() noexcept override { return *stream_; }
  void exchange_over(AfterExchange after) override;
  void upgraded(std::unique_ptr<net::Stream> upstream, std::string upstream_name, std::string_view early,
                Duration tunnel_timeout) override;
  void bind_connection(pool::HostRef host, pool::Lease lease) override;
  [[nodiscard]] pool::Lease take_bound_connection(const pool::HostPool& host) override;
  // CONNECT and tunnels
  void on_connect_refused(policy::FailureKind kind, std::string_view explanation) override;
  void on_connect_ended(EndedBy ended) override;
  void on_tunnel_ended(EndedBy ended) override;
  // Time
  void on_deadline(TimePoint now) override;

  void read_requests(std::string_view input);
  [[nodiscard]] std::string_view read_request(std::string_view input);
  [[nodiscard]] std::string_view begin_request(const http::RequestHead& head, std::string_view rest);
  void exchange_bytes(std::string_view bytes);
  [[nodiscard]] bool waits_to_read() const noexcept;
  void begin_tunnel(const http::RequestHead& head, const http::Target& target, std::string_view early);
  void await_head();
  void keep_for_later(std::string_view bytes);
  void answer_max_forwards(const http::RequestHead& head, const Route& route);
  [[nodiscard]] bool may_keep(const http::RequestHead& head, const Route& route) const noexcept;
  void refuse_request(const http::RequestHead& head, const Route& route);
  void refuse_head(http::Fault fault);
  void refuse(policy::FailureKind kind, std::string_view explanation);
  void answered(std::string_view response, bool keep);
  void log_own_answer(std::string_view method, const http::Target& target, std::uint16_t status,
                      std::string_view error);
  void close_after_flush(bool lingering);
  void linger(std::string_view bytes);
  void flushed();
  void cut(EndedBy ended);
  void close();

  // In the order of their alignment, for there are thousands of sessions.
  std::uint32_t drained_ = 0;  ///< while lingering
  State state_ = State::AwaitingHead;
  bool reading_requests_ = false;  ///< read_requests() is on the stack
  bool client_ended_ = false;      ///< its FIN came
  bool head_begun_ = false;
  bool has_asked_ = false;  ///< a whole request head came
  bool lingering_ = false;  ///< what Flushing leads to
  ClientFacts facts_;
  http::HeadScan head_scan_;
  ProxyContext& context_;
  std::unique_ptr<net::Stream> stream_;
  Exchange* exchange_ = nullptr;  ///< lent by the owner of sessions
  std::string pending_;           ///< bytes that no request has claimed yet
  std::size_t unsent_mark_ = 0;   ///< what was not acknowledged when the deadline last came
  std::unique_ptr<ConnectRequest> connect_;
  std::unique_ptr<Upgraded> upgraded_;
  std::unique_ptr<BoundConnection> bound_;
};

}  // namespace keepwarm::proxy
