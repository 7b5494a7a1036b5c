#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/slab.h"
#include "core/http/head.h"
#include "core/net/address.h"
#include "core/policy/failure.h"
#include "core/policy/idle_terms.h"
#include "core/policy/replay.h"
#include "core/pool/pool.h"
#include "core/proxy/body_reader.h"
#include "core/proxy/downstream.h"
#include "core/proxy/exchange_table.h"
#include "core/proxy/failure_text.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/router.h"

namespace keepwarm::proxy {

/// Who asks.
struct ClientFacts {
  net::SocketAddress address;
  bool local = true;  ///< came over loopback
};

/// One request and its response, with its attempts: takes a lease, sends the request, relays the response, and sends
/// again where policy/replay.h says so. Owned by the engine's free list and lent to one session at a time; it is armed
/// again in place, so the steady state allocates nothing.
///
/// The request as it goes upstream is kept in `outgoing_`: until it is leased a connection, and after that as long as
/// it may have to be sent again.
class Exchange final : public net::StreamEvents,
                       public pool::CheckoutEvents,
                       public Deadline,
                       public Slabbed<Exchange> {
 public:
  explicit Exchange(ProxyContext& context) : context_(context), waiter_(*this) {}

  /// Begins a request whose route is Forward. `body_start`: what has come of its body (and perhaps of further
  /// requests). Returns how many of those bytes belong to this request. The exchange may be over when this returns.
  [[nodiscard]] std::size_t start(Downstream& downstream, const ClientFacts& client, const http::RequestHead& head,
                                  const Route& route, std::string_view body_start);

  // What happens downstream:
  /// Further bytes from the client. Returns how many belong to this request.
  [[nodiscard]] std::size_t request_bytes(std::string_view bytes);
  [[nodiscard]] bool request_ended() const noexcept { return request_body_.ended(); }
  void client_drained();
  /// Has an answer begun whose framing cannot show that it was cut?
  [[nodiscard]] bool cut_looks_whole() const noexcept {
    return head_sent_ && client_framing_.kind == http::BodyFraming::Kind::UntilClose;
  }
  /// The client is gone: the upstream connection closes at once. No call back follows.
  void client_left(EndedBy ended);

  /// After the turn in which it was retired: gives buffers of more than `kept` bytes back. Not before, as what was read
  /// may lie in them.
  void trim(std::size_t kept);

  std::size_t index = 0;  ///< in the store of exchanges; the store's alone

 private:
  // Upstream events
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override;
  // Pool events
  void on_lease(pool::Lease lease, const pool::OpeningTimes& times) override;
  void on_checkout_failed(const pool::CheckoutFailure& failure) override;
  // Time
  void on_deadline(TimePoint now) override;

  /// An attempt that ended without an answer for the client.
  struct Ended {
    policy::AttemptEnd end{};
    policy::Delivery delivery = policy::Delivery::MayBeExecuted;
    TimePoint at{};  ///< when the end was seen
  };

  // exchange.cpp: the life of an exchange
  void reset(Downstream& downstream, const ClientFacts& client);
  void move(ExchangeEvent event);
  void checkout(bool fresh_only);
  [[nodiscard]] policy::AttemptView attempt_view(const Ended& ended) const noexcept;
  [[nodiscard]] Ended ended_now(policy::AttemptEnd end, policy::Ending ending);
  void attempt_ended(const Ended& ended, pool::CloseReason otherwise);
  void try_again();
  [[nodiscard]] std::optional<ExplainedFailure> refused_for_parent() const;
  [[nodiscard]] ExplainedFailure why_closed();
  void fail(policy::FailureKind kind, std::string_view what, pool::CloseReason reason,
            std::string_view parameters = {});
  void client_gone();
  void over(ExchangeEvent event, AfterExchange after);
  Downstream* release();
  void log(EndedBy ended, std::string_view error);
  [[nodiscard]] std::string where() const;
  void arm(Duration after);
  [[nodiscard]] bool bytes_moved();

  // exchange_request.cpp: the request on its way upstream
  [[nodiscard]] std::string_view host_field(const http::Target& target) const noexcept;
  void remember_for_log(const http::RequestHead& head, const Route& route);
  void write_head(const http::RequestHead& head, const Route& route);
  [[nodiscard]] bool may_be_replayed() const noexcept;
  [[nodiscard]] bool worth_holding() const noexcept;
  void take_body(bool ended);
  void hold_body();
  void send_body();
  void send_outgoing();
  void written_upstream(net::WriteResult result);
  void request_sent();
  void look_for_acknowledgement(TimePoint now);
  void drain_body(std::size_t bytes, bool ended);
  void pause_client();
  void resume_client();

  // exchange_response.cpp: the response on its way to the client
  void read_head(std::string_view bytes);
  [[nodiscard]] bool relay_interim(const http::ResponseHead& head);
  void final_head(const http::ResponseHead& head, std::string_view rest);
  [[nodiscard]] bool discard_408(const http::ResponseHead& head, const http::BodyFraming& framing);
  void switch_protocols(const http::ResponseHead& head, std::string_view rest);
  void begin_response(const http::ResponseHead& head, const http::BodyFraming& framing, std::string_view rest);
  [[nodiscard]] http::BodyFraming framing_for_client(const http::BodyFraming& framing) const noexcept;
  [[nodiscard]] bool may_keep_client() const noexcept;
  [[nodiscard]] std::string proxy_status() const;
  void relay(std::string_view head_text, std::string_view bytes);
  void wait_for_client();
  void response_ended(bool surplus);
  void complete();
  [[nodiscard]] std::optional<pool::CloseReason> why_close_upstream() const;

  ProxyContext& context_;
  Downstream* downstream_ = nullptr;
  ClientFacts client_;
  Origin origin_;  ///< as the client named it; host_ may serve several
  pool::HostRef host_;
  pool::Waiter waiter_;
  pool::Lease lease_;
  ExchangeState state_ = ExchangeState::Ready;

  // The request
  std::string outgoing_;
  std::size_t head_size_ = 0;  ///< of the head in outgoing_
  BodyReader request_body_;
  std::string upgrade_offer_;  ///< protocols that the client offers; empty: none
  bool idempotent_ = false;
  bool held_whole_ = false;    ///< outgoing_ is all that was taken from the client
  bool answers_head_ = false;  ///< the method is HEAD
  bool client_is_http10_ = false;
  bool client_may_persist_ = false;
  bool expects_continue_ = false;
  bool asked_bound_auth_ = false;
  bool client_paused_ = false;

  // The attempt
  bool is_retry_ = false;
  bool reused_ = false;
  bool trusted_ = false;
  bool upstream_blocked_ = false;
  bool upstream_write_failed_ = false;
  bool response_begun_ = false;
  bool awaiting_ack_ = false;  ///< the deadline is a look whether the request was acknowledged
  std::uint8_t interims_ = 0;
  std::uint64_t written_before_ = 0;  ///< TcpPath::written_bytes() before the request
  TimePoint first_sent_at_{};         ///< not later than its first byte was written
  std::string head_buffer_;           ///< a response head that came in pieces
  http::HeadScan head_scan_;

  // The response
  BodyReader response_body_;
  http::BodyFraming client_framing_;
  http::KeepAliveHint hint_;
  policy::Arrival arrival_;
  bool server_may_persist_ = false;
  bool keep_client_ = false;
  bool head_sent_ = false;
  bool client_blocked_ = false;
  bool surplus_ = false;
  bool bound_auth_ = false;           ///< NTLM or Negotiate is under way
  bool on_bound_connection_ = false;  ///< was bound to this client before: stays so for good

  // For the log and Proxy-Status
  std::string log_text_;  ///< method, scheme, authority, path: see remember_for_log()
  std::size_t log_parts_[3] = {};
  net::SocketAddress upstream_address_;
  std::string_view upstream_path_;  ///< of a unix socket: a part of what host_ holds
  bool reached_upstream_ = false;
  std::uint16_t status_ = 0;
  std::uint32_t retries_ = 0;
  std::uint32_t requests_on_connection_ = 0;
  std::size_t unsent_mark_ = 0;
  std::uint64_t drained_ = 0;
  Duration idle_age_{};
  pool::OpeningTimes times_;
  TimePoint started_at_{};
  TimePoint sent_at_{};
};

}  // namespace keepwarm::proxy
