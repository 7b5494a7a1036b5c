#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/slab.h"
#include "core/http/head.h"
#include "core/policy/failure.h"
#include "core/policy/replay.h"
#include "core/pool/pool.h"
#include "core/proxy/access_entry.h"
#include "core/proxy/client_facts.h"
#include "core/proxy/downstream.h"
#include "core/proxy/exchange_table.h"
#include "core/proxy/exchange_values.h"
#include "core/proxy/failure_text.h"
#include "core/proxy/outgoing_request.h"
#include "core/proxy/proxy_context.h"
#include "core/proxy/relayed_body.h"
#include "core/proxy/response_head_reader.h"
#include "core/proxy/router.h"

/// One request and its response, from the head that a client sent to the line in the access log.
namespace keepwarm::proxy {

/// Takes a lease, sends the request, relays the response, and makes another attempt where policy/replay.h says so. It
/// joins the parts that do this, and decides nothing that a part or a policy can decide: OutgoingRequest is what goes
/// upstream, ResponseHeadReader and RelayedBody are what comes back, exchange_table.h says what may follow what. It
/// owns its Waiter (its place in the queue of a HostPool) and its Lease.
///
/// Owned by the ExchangeStore and lent to one session at a time. It is started again in place, so that the steady state
/// allocates nothing.
class Exchange final : public net::StreamEvents,
                       public pool::CheckoutEvents,
                       public Deadline,
                       public Slabbed<Exchange> {
 public:
  explicit Exchange(ProxyContext& context) : context_(context), waiter_(*this) {}

  /// Begins a request whose route is Forward. `body_start`: what has come of its body (and perhaps of further
  /// requests). Returns how many of those bytes belong to this request. The exchange may be over when this returns.
  /// `downstream` and `client` must outlive the exchange.
  [[nodiscard]] std::size_t start(Downstream& downstream, const ClientFacts& client, const http::RequestHead& head,
                                  const Route& route, std::string_view body_start);

  // What happens downstream:
  /// Further bytes from the client. Returns how many belong to this request.
  [[nodiscard]] std::size_t request_bytes(std::string_view bytes);
  [[nodiscard]] bool request_ended() const noexcept { return outgoing_.ended(); }
  void client_drained();
  /// Has an answer begun whose framing cannot show that it was cut?
  [[nodiscard]] bool cut_looks_whole() const noexcept { return answering() && body_.cut_looks_whole(); }
  /// The client is gone: the upstream connection closes at once. No call back follows.
  void client_left(ExchangeOutcome outcome);

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

  /// How an attempt ended that gave no answer for the client.
  struct AttemptResult {
    policy::AttemptOutcome outcome{};
    policy::Delivery delivery = policy::Delivery::MayBeExecuted;
    TimePoint at{};  ///< when the end was seen
  };

  // exchange.cpp: the life of an exchange
  void begin(Downstream& downstream, const ClientFacts& client);
  /// False: the table has no such event. That is a bug of ours; the exchange is over then, and nothing else is to be
  /// done with it.
  [[nodiscard]] bool move(ExchangeEvent event);
  void end_after_bug(ExchangeEvent event);
  void checkout(bool fresh_only);
  [[nodiscard]] bool may_be_replayed() const noexcept;
  [[nodiscard]] policy::AttemptView attempt_view(const AttemptResult& result) const noexcept;
  [[nodiscard]] AttemptResult attempt_result(policy::AttemptOutcome outcome, policy::CloseKind kind);
  void attempt_ended(const AttemptResult& result, pool::CloseReason otherwise);
  void try_again();
  [[nodiscard]] std::optional<ExplainedFailure> refused_for_parent() const;
  [[nodiscard]] bool client_has_left();
  [[nodiscard]] ExplainedFailure why_closed();
  void fail(policy::FailureKind kind, std::string_view what, pool::CloseReason reason,
            const FailureDetails& details = {});
  void fail_to_answer(policy::FailureKind kind, std::string_view what, const FailureDetails& details);
  void client_gone(AfterExchange after = AfterExchange::Reset);
  void over(ExchangeEvent event, AfterExchange after);
  Downstream* release();
  void count_savings(const ConnectCost& paid) noexcept;
  void log(ExchangeOutcome outcome, const FailureNote& failure, std::uint64_t own_body = 0);
  [[nodiscard]] Delivered delivered() const noexcept;
  void waited(const pool::OpeningTimes& times) noexcept;
  [[nodiscard]] std::string where() const;
  void await(Awaited what, TimePoint until);
  void await_progress();
  [[nodiscard]] bool bytes_moved();
  /// The response is on its way to the client, or has gone out.
  [[nodiscard]] bool answering() const noexcept {
    return state_ == ExchangeState::Relaying || state_ == ExchangeState::Draining;
  }

  [[nodiscard]] std::string_view via() const noexcept {
    return client_->intercepted ? context_.mode.via_intercepted() : context_.mode.via();
  }

  // exchange_request.cpp: the request on its way upstream
  [[nodiscard]] std::string_view host_field(const http::Target& target) const noexcept;
  void remember_for_log(const http::RequestHead& head, const Route& route);
  void read_facts(const http::RequestHead& head, const Route& route);
  void write_head(const http::RequestHead& head, const Route& route);
  void hold_if_useful() noexcept;
  void take_body();
  void hold_body();
  void send_body();
  void send_outgoing();
  void written_upstream(net::WriteResult result);
  void request_sent();
  void await_body();
  void check_acknowledgement(TimePoint now);
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
  [[nodiscard]] AfterExchange after_response() const noexcept;
  [[nodiscard]] bool strips_secure() const noexcept;
  [[nodiscard]] std::string proxy_status() const;
  void relay(std::string_view head_text, std::string_view bytes);
  void wait_for_client();
  void response_ended(bool surplus);
  void complete(bool surplus);
  [[nodiscard]] std::optional<pool::CloseReason> why_close_upstream(bool surplus) const;

  ProxyContext& context_;
  Downstream* downstream_ = nullptr;
  const ClientFacts* client_ = nullptr;
  Origin origin_;
  pool::HostRef host_;
  pool::Waiter waiter_;
  pool::Lease lease_;
  ExchangeState state_ = ExchangeState::Ready;

  Request request_;
  OutgoingRequest outgoing_;
  std::string upgrade_offer_;  ///< protocols that the client offers; empty: none
  KeptRequestName name_;       ///< empty unless there is an access log
  Attempt attempt_;
  UpstreamUse upstream_;  ///< stays that of the last attempt until there is another connection
  ResponseHeadReader head_reader_;
  Response response_;
  RelayedBody body_;
  Progress progress_;
  Timing timing_;
};

}  // namespace keepwarm::proxy
