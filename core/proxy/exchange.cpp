#include "core/proxy/exchange.h"

#include <algorithm>

#include "core/http/fields.h"
#include "core/net/loop.h"
#include "core/policy/client_end.h"

namespace keepwarm::proxy {

using policy::AttemptOutcome;
using policy::FailureKind;
using policy::NextStep;
using pool::CloseReason;

std::size_t Exchange::start(Downstream& downstream, const ClientFacts& client, const http::RequestHead& head,
                            const Route& route, std::string_view body_start) {
  begin(downstream, client);
  origin_.scheme = route.target.scheme;
  origin_.port = route.target.port;
  http::normalize_host(route.target.host, origin_.host);
  host_ = pool::HostRef(context_.pool.host(origin_));
  if (context_.access.enabled()) remember_for_log(head, route);
  read_facts(head, route);
  write_head(head, route);

  std::size_t taken = 0;
  if (!outgoing_.ended() && !body_start.empty()) {
    taken = request_bytes(body_start);
    if (state_ == ExchangeState::Over) return taken;
  }
  if (client_->ended && !outgoing_.ended()) {  // the FIN was read with the bytes of an earlier request
    client_gone(AfterExchange::Close);         // whose answer is to reach the client: no RST
    return taken;
  }
  if (!outgoing_.ended() && body_start.empty()) {
    downstream_->client_stream().path().acknowledge_now();
  }
  if (const auto refused = refused_for_parent()) {
    fail(refused->kind, refused->text, CloseReason::Unused, {.rule = refused->rule});
    return taken;
  }
  if (pool::Lease bound = downstream_->take_bound_connection(*host_)) {
    attempt_.bound = true;
    on_lease(std::move(bound), {});
  } else {
    checkout(false);
  }
  return taken;
}

std::optional<ExplainedFailure> Exchange::refused_for_parent() const {
  const policy::NextHop& hop = host_->hop();
  if (hop.via != policy::NextHop::Via::Parent) return std::nullopt;
  const OriginView target = hop.absolute_form() ? OriginView(origin_) : OriginView(hop.origin);
  const auto refused = context_.pool.refuse_for_parent(target, client_->local);
  if (!refused) return std::nullopt;
  return explain(*refused);
}

void Exchange::begin(Downstream& downstream, const ClientFacts& client) {
  downstream_ = &downstream;
  client_ = &client;
  state_ = *next(ExchangeState::Ready, ExchangeEvent::Started);
  attempt_ = {};
  upstream_ = {};
  response_ = {};
  progress_ = {};
  timing_ = {.started_at = net::Loop::event_time()};
  head_reader_.reset();
  name_.clear();
}

bool Exchange::move(ExchangeEvent event) {
  if (const std::optional<ExchangeState> to = next(state_, event)) {
    state_ = *to;
    return true;
  }
  end_after_bug(event);
  return false;
}

void Exchange::end_after_bug(ExchangeEvent event) {
  context_.log.write(LogLevel::Error, "bug in keepwarm: an exchange that is " + std::string(describe(state_)) +
                                          " met the event \"" + std::string(describe(event)) + "\"");
  if (state_ == ExchangeState::Ready || state_ == ExchangeState::Over) return;  // nobody waits for it
  fail(FailureKind::InternalError, "the request was given up because of an error in keepwarm itself",
       CloseReason::ProtocolError);
}

void Exchange::await(Awaited what, TimePoint until) {
  progress_.awaited = what;
  context_.deadlines.arm(*this, until);
}

void Exchange::await_progress() {
  await(Awaited::Progress, net::Loop::event_time() + host_->settings().stall_timeout);
}

// ---- Leasing ----

void Exchange::checkout(bool fresh_only) {
  timing_.asked_at = net::Loop::event_time();
  host_->checkout(waiter_, {.replayable = may_be_replayed(), .fresh_only = fresh_only, .local_client = client_->local},
                  timing_.asked_at);
}

/// The wait for a connection is over, of which opening it took `times`.
void Exchange::waited(const pool::OpeningTimes& times) noexcept {
  timing_.opening = times;
  if (timing_.asked_at == TimePoint{}) return;
  timing_.queue += std::max(net::Loop::event_time() - timing_.asked_at - times.total(), Duration::zero());
  timing_.asked_at = {};
}

bool Exchange::may_be_replayed() const noexcept {
  const policy::HostSettings& settings = host_->settings();
  return request_.idempotent && settings.retry && outgoing_.will_be_whole(settings.retry_body_size);
}

/// Asked before the request is begun. Costs nothing unless the client has shown an end, or may have without being
/// heard.
bool Exchange::client_has_left() {
  const TimePoint heard = std::max(timing_.started_at, net::Loop::heard_until());
  const bool unheard = progress_.client_paused || net::Loop::event_time() - heard >= policy::kUnheardFor;
  return (client_->ended || unheard) && !downstream_->client_awaits_answer();
}

void Exchange::on_lease(pool::Lease lease, const pool::OpeningTimes& times) {
  waited(times);
  if (client_has_left()) {
    lease_ = std::move(lease);
    return client_gone();
  }
  if (!move(ExchangeEvent::Leased)) return;
  lease_ = std::move(lease);
  const pool::Connection& connection = lease_.connection();
  upstream_.address = connection.address();
  upstream_.unix_path = host_->hop().unix_path;
  upstream_.requests = connection.served() + 1;
  if (connection.reused()) {
    upstream_.trust = connection.trusted() ? ConnectionTrust::Trusted : ConnectionTrust::Untrusted;
    upstream_.idle = net::Loop::event_time() - connection.idle_since();
  } else {
    upstream_.trust = ConnectionTrust::Fresh;
    upstream_.idle = Duration::zero();
  }
  lease_.stream().set_events(*this);
  send_outgoing();
}

void Exchange::on_checkout_failed(const pool::CheckoutFailure& failure) {
  const ExplainedFailure explained = explain(failure);
  waited(failure.dial.times);
  if (client_->intercepted && context_.interception.server_failed(origin_, failure.dial, net::Loop::event_time()) !=
                                  policy::TunnelReason::None) {
    request_.persistence = ClientPersistence::No;  // its next connection will be a tunnel
  }
  fail(explained.kind, explained.text, CloseReason::Unused,
       {.parameters = explained.parameters, .rule = explained.rule, .tried = failure.dial.tried});
}

// ---- Attempts ----

policy::AttemptView Exchange::attempt_view(const AttemptResult& result) const noexcept {
  // The 408 itself is not counted as the beginning of a response; an interim response before it is.
  const bool is_408 = result.outcome == AttemptOutcome::RequestTimeoutAnswer;
  const bool begun = is_408 ? attempt_.interims.any() : attempt_.response_begun();
  return {.idempotent = request_.idempotent,
          .held_whole = outgoing_.whole(),
          .retry_allowed = host_->settings().retry,
          .reused = upstream_.reused(),
          .response_begun = begun,
          .is_retry = progress_.retries > 0,
          .resend_undelivered = host_->settings().retry_undelivered,
          .delivery = result.delivery};
}

/// An end of the attempt that has just been seen, with what the socket says about it: so before it is closed.
Exchange::AttemptResult Exchange::attempt_result(AttemptOutcome outcome, policy::CloseKind kind) {
  AttemptResult result{.outcome = outcome, .at = net::Loop::event_time()};
  if (!upstream_.reused()) return result;  // nothing depends on it
  const auto sent = lease_.stream().path().send_state();
  if (!sent) return result;
  // What has passed since the event began must not look like a short round trip.
  result.at = sent->taken_at;
  const std::uint64_t before = attempt_.written_before;
  result.delivery = policy::delivery({.kind = sent->peer_ended ? policy::CloseKind::End : kind,
                                      .acknowledged = sent->acknowledged > before ? sent->acknowledged - before : 0,
                                      .until_end = result.at - attempt_.first_sent_at,
                                      .min_round_trip = sent->min_round_trip,
                                      .variation = std::chrono::microseconds(sent->round_trip.variation_us)});
  return result;
}

ExplainedFailure Exchange::why_closed() {
  if (const net::TlsFailure* tls = lease_.stream().tls_failure()) return explain(*tls);
  return {FailureKind::ConnectionTerminated, "closed the connection before it answered"};
}

void Exchange::attempt_ended(const AttemptResult& result, CloseReason otherwise) {
  const policy::AttemptView view = attempt_view(result);
  const bool stale = policy::is_stale_failure(result.outcome, view);
  const bool silent = result.outcome == AttemptOutcome::Unacknowledged;
  attempt_.undelivered =
      result.outcome == AttemptOutcome::ClosedBeforeWrite || result.delivery == policy::Delivery::NotDelivered;
  ExplainedFailure closed = why_closed();
  if (stale) add_delivery(closed, result.delivery);
  const TimePoint idle_since = lease_.connection().idle_since();
  if (stale) ++context_.stats.stale_failures;
  // RST, or the kernel would go on sending a request that we call undelivered, or that is sent on another connection.
  if (silent || result.delivery == policy::Delivery::NotDelivered) lease_.stream().reset_on_close();
  const bool timed_out = result.outcome == AttemptOutcome::RequestTimeoutAnswer && upstream_.reused();
  if ((stale || timed_out) && result.delivery != policy::Delivery::MayBeExecuted) lease_.was_closed_idle(result.at);
  lease_.close(stale ? CloseReason::StaleFailure : otherwise);
  if (stale || silent || timed_out) host_->close_idle_since(idle_since, upstream_.idle, net::Loop::event_time());

  const NextStep next_step = policy::next_step(result.outcome, view);
  if (next_step == NextStep::RetryOnFresh) {
    ++progress_.retries;
    ++context_.stats.retries;
  }
  if (next_step == NextStep::RetryOnFresh || next_step == NextStep::AnotherConnection) return try_again();
  fail(closed.kind, closed.text, otherwise, {.parameters = closed.parameters});
}

void Exchange::try_again() {
  if (!move(ExchangeEvent::Retried)) return;
  DeadlineWheel::disarm(*this);
  progress_.maybe_delivered = delivered() == Delivered::Maybe;
  attempt_ = {};
  head_reader_.reset();
  checkout(true);
}

// ---- Ends ----

void Exchange::client_drained() {
  if (!attempt_.paused) return;
  attempt_.paused = false;
  if (lease_) lease_.stream().resume_reading();
}

void Exchange::client_left(ExchangeOutcome outcome) {
  const bool connects = waiter_.waiting() && waiter_.source() != pool::Waiter::Source::None;
  if (waiter_.waiting()) waited({.connect = connects ? net::Loop::event_time() - timing_.asked_at : Duration::zero()});
  waiter_.withdraw();
  lease_.close(outcome == ExchangeOutcome::Shutdown ? CloseReason::Shutdown : CloseReason::ClientLeft);
  if (state_ != ExchangeState::Draining)
    log(outcome, {.reason = describe_cut(outcome)});  // else its answer is out, and it was logged then
  if (move(ExchangeEvent::ClientLeft)) release();
}

void Exchange::client_gone(AfterExchange after) {
  Downstream* downstream = downstream_;
  client_left(ExchangeOutcome::Client);
  downstream->exchange_over(after);
}

void Exchange::fail(FailureKind kind, std::string_view what, CloseReason reason, const FailureDetails& details) {
  // The client has its answer, and the origin's part is over: only the rest of the request is given up.
  if (state_ == ExchangeState::Draining) return over(ExchangeEvent::Abandoned, AfterExchange::CloseLingering);
  waiter_.withdraw();
  lease_.close(reason);
  context_.hosts.failed(origin_.host, origin_.port, kind, what, net::Loop::event_time());
  if (!answering()) return fail_to_answer(kind, what, details);
  const std::string explanation = where() + ": " + std::string(what);
  log(reason == CloseReason::ResponseTimeout ? ExchangeOutcome::Timeout : ExchangeOutcome::Origin,
      {.error = policy::answer_for(kind).proxy_status_error, .reason = explanation, .rule = details.rule});
  over(ExchangeEvent::Failed, cut_looks_whole() ? AfterExchange::Reset : AfterExchange::Cut);
}

void Exchange::fail_to_answer(FailureKind kind, std::string_view what, const FailureDetails& details) {
  const bool may_persist = request_.persistence != ClientPersistence::No;
  const bool keep = may_persist && outgoing_.ended() && !context_.mode.draining;
  const std::string explanation =
      kind == FailureKind::BadRequest ? std::string(what) : where() + ": " + std::string(what);
  const OwnAnswer answer =
      context_.own_answers.failure({kind, explanation, keep, request_.is_head, details.parameters, details.rule});
  const bool sent = net::write_all(downstream_->client_stream(), answer.text) != net::WriteResult::Failed;
  const AccessResult told = result_of(answer, sent, details.tried);
  response_.status = told.status;
  log(told.outcome, told.failure, told.bytes_sent);
  over(ExchangeEvent::Failed, keep && sent ? AfterExchange::Continue : AfterExchange::CloseLingering);
}

void Exchange::over(ExchangeEvent event, AfterExchange after) {
  if (!move(event)) return;
  if (progress_.client_paused) resume_client();
  release()->exchange_over(after);
}

Downstream* Exchange::release() {
  DeadlineWheel::disarm(*this);
  host_.reset();
  context_.owner.retire_exchange(this);
  return std::exchange(downstream_, nullptr);
}

void Exchange::trim(std::size_t kept) {
  outgoing_.trim(kept);
  head_reader_.trim(kept);
}

// ---- Time ----

bool Exchange::bytes_moved() {
  const std::size_t upstream = lease_ ? lease_.stream().unacknowledged_bytes() : 0;
  const std::size_t unsent = downstream_->client_stream().unacknowledged_bytes() + upstream;
  return std::exchange(progress_.unsent_mark, unsent) != unsent;
}

void Exchange::on_deadline(TimePoint now) {
  constexpr std::string_view kLate = "did not answer in time";
  switch (progress_.awaited) {
    case Awaited::Acknowledgement: return check_acknowledgement(now);
    case Awaited::Response:
      return fail(FailureKind::ResponseTimeout, kLate, CloseReason::ResponseTimeout, {.rule = "response_timeout"});
    case Awaited::RestOfRequest: return over(ExchangeEvent::Abandoned, AfterExchange::CloseLingering);
    case Awaited::Progress: break;
  }
  // A slow reader empties a queue without an event of ours: so check before calling it stalled.
  if (bytes_moved()) return await_progress();
  if (state_ == ExchangeState::Relaying || attempt_.writing == UpstreamWriting::Blocked) {
    return fail(FailureKind::ResponseTimeout, kLate, CloseReason::ResponseTimeout, {.rule = "stall_timeout"});
  }
  fail(FailureKind::ClientTooSlow, "the request body did not come in time", CloseReason::ClientLeft,
       {.rule = "stall_timeout"});
}

// ---- Log ----

std::string Exchange::where() const {
  return host_and_port(origin_.host, origin_.port);
}

Delivered Exchange::delivered() const noexcept {
  if (attempt_.response_begun()) return Delivered::Yes;
  const bool sent = attempt_.first_sent_at != TimePoint{} && !attempt_.undelivered;
  return sent || progress_.maybe_delivered ? Delivered::Maybe : Delivered::No;
}

/// `paid`: a connection that the client's own CONNECT had opened, and so waited for, has saved it nothing.
void Exchange::count_savings(const ConnectCost& paid) noexcept {
  if (upstream_.reused()) {
    if (paid.opening.total() > Duration::zero()) return;
    ++context_.stats.on_reused;
    context_.stats.saved += static_cast<std::uint64_t>(host_->opening_cost().count());
  } else if (progress_.retries > 0) {  // always on a fresh connection
    ++context_.stats.hidden_failures;
  }
}

void Exchange::log(ExchangeOutcome outcome, const FailureNote& failure, std::uint64_t own_body) {
  ++context_.stats.exchanges;
  const ConnectCost paid = client_->intercepted ? downstream_->take_connect_cost() : ConnectCost{};
  if (outcome == ExchangeOutcome::Completed) {
    context_.hosts.answered(origin_.host, origin_.port, net::Loop::event_time());
    count_savings(paid);
  }
  if (!context_.access.enabled()) return;
  RequestName name = name_.view();
  name.scheme = name_of(origin_.scheme);
  AccessTimes times{.queue = timing_.queue,
                    .dns = timing_.opening.dns + paid.opening.dns,
                    .connect = timing_.opening.connect + paid.opening.connect,
                    .tls = timing_.opening.tls + paid.opening.tls,
                    .client_tls = paid.handshake};
  if (attempt_.response_begun() && timing_.sent_at != TimePoint{}) {
    times.first_byte = attempt_.arrival.first_byte - timing_.sent_at;
  }
  times.total = net::Loop::event_time() - timing_.started_at;
  AccessResult result{.status = response_.status,
                      .bytes_received = outgoing_.body().data_bytes(),
                      .bytes_sent = answering() ? body_.data_bytes() : own_body,
                      .retries = progress_.retries,
                      .outcome = outcome,
                      .delivered = delivered(),
                      .failure = failure};
  if (client_->intercepted) result.road = Road::Intercept;
  if (!upstream_.reached()) upstream_.unix_path = host_->hop().unix_path;
  if (upstream_.reached()) result.expected_idle = host_->expected_idle();
  context_.access.write(access_record(client_->address, name, upstream_, times, result));
}

}  // namespace keepwarm::proxy
