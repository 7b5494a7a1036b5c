#include "core/proxy/exchange.h"

#include <cassert>

#include "core/http/fields.h"
#include "core/proxy/error_reply.h"

namespace keepwarm::proxy {

using policy::AttemptEnd;
using policy::FailureKind;
using policy::NextStep;
using pool::CloseReason;

std::size_t Exchange::start(Downstream& downstream, const ClientFacts& client, const http::RequestHead& head,
                            const Route& route, std::string_view body_start) {
  reset(downstream, client);
  move(ExchangeEvent::Started);
  origin_.scheme = route.target.scheme;
  origin_.port = route.target.port;
  http::normalize_host(route.target.host, origin_.host);
  host_ = pool::HostRef(context_.pool.host(origin_));
  if (context_.access.enabled()) remember_for_log(head, route);
  write_head(head, route);
  request_body_.start(route.framing, static_cast<std::size_t>(context_.settings->max_header_size));

  std::size_t taken = 0;
  if (!request_body_.ended() && !body_start.empty()) {
    taken = request_bytes(body_start);
    if (state_ == ExchangeState::Over) return taken;
  } else if (!request_body_.ended()) {
    downstream_->client_stream().path().acknowledge_now();
  }
  if (const auto refused = refused_for_parent()) {
    fail(refused->kind, refused->text, CloseReason::Unused);
    return taken;
  }
  if (pool::Lease bound = downstream_->take_bound_connection(*host_)) {
    on_bound_connection_ = true;
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
  const auto refused = context_.pool.refuse_for_parent(target, client_.local);
  if (!refused) return std::nullopt;
  return explain(*refused);
}

void Exchange::reset(Downstream& downstream, const ClientFacts& client) {
  state_ = ExchangeState::Ready;
  downstream_ = &downstream;
  client_ = client;
  outgoing_.clear();
  held_whole_ = true;
  client_paused_ = false;
  is_retry_ = false;
  response_begun_ = false;
  awaiting_ack_ = false;
  interims_ = 0;
  upstream_blocked_ = false;
  upstream_write_failed_ = false;
  head_buffer_.clear();
  head_scan_ = {};
  hint_ = {};
  arrival_ = {};
  server_may_persist_ = false;
  keep_client_ = false;
  head_sent_ = false;
  client_blocked_ = false;
  surplus_ = false;
  bound_auth_ = false;
  on_bound_connection_ = false;
  reached_upstream_ = false;
  upstream_path_ = {};
  status_ = 0;
  retries_ = 0;
  drained_ = 0;
  unsent_mark_ = 0;
  log_text_.clear();
  for (std::size_t& part : log_parts_) part = 0;
  times_ = {};
  started_at_ = net::Loop::event_time();
  sent_at_ = {};
}

void Exchange::move(ExchangeEvent event) {
  const std::optional<ExchangeState> to = next(state_, event);
  assert(to && "an event that the table of states does not allow");
  if (to) state_ = *to;
}

void Exchange::arm(Duration after) {
  context_.deadlines.arm(*this, net::Loop::event_time() + after);
}

// ---- Leasing ----

void Exchange::checkout(bool fresh_only) {
  on_bound_connection_ = false;
  host_->checkout(waiter_, {.replayable = may_be_replayed(), .fresh_only = fresh_only, .local_client = client_.local},
                  net::Loop::event_time());
}

void Exchange::on_lease(pool::Lease lease, const pool::OpeningTimes& times) {
  move(ExchangeEvent::Leased);
  lease_ = std::move(lease);
  const pool::Connection& connection = lease_.connection();
  times_ = times;
  reused_ = connection.reused();
  trusted_ = !reused_ || connection.trusted();
  idle_age_ = reused_ ? net::Loop::event_time() - connection.idle_since() : Duration::zero();
  reached_upstream_ = true;
  upstream_address_ = connection.address();
  upstream_path_ = host_->hop().unix_path;
  requests_on_connection_ = connection.served() + 1;
  lease_.stream().set_events(*this);
  send_outgoing();
}

void Exchange::on_checkout_failed(const pool::CheckoutFailure& failure) {
  const ExplainedFailure explained = explain(failure);
  fail(explained.kind, explained.text, CloseReason::Unused, explained.parameters);
}

// ---- Attempts ----

policy::AttemptView Exchange::attempt_view(const Ended& ended) const noexcept {
  // That a head came is what RequestTimeoutAnswer says; an interim one before it counts.
  const bool begun = ended.end == AttemptEnd::RequestTimeoutAnswer ? interims_ > 0 : response_begun_;
  return {.idempotent = idempotent_,
          .held_whole = held_whole_,
          .retry_allowed = host_->settings().retry,
          .reused = reused_,
          .response_begun = begun,
          .is_retry = is_retry_,
          .resend_undelivered = host_->settings().retry_undelivered,
          .delivery = ended.delivery};
}

/// An end of the attempt that has just been seen, with what the socket says about it: so before it is closed.
Exchange::Ended Exchange::ended_now(AttemptEnd end, policy::Ending ending) {
  // Read anew: what has passed since the event began must not look like a short round trip.
  Ended ended{.end = end, .at = net::Loop::now()};
  if (!reused_) return ended;  // nothing depends on it
  const auto sent = lease_.stream().path().send_state();
  if (!sent) return ended;
  ended.delivery =
      policy::delivery({.ending = sent->peer_ended ? policy::Ending::End : ending,
                        .acknowledged = sent->acknowledged > written_before_ ? sent->acknowledged - written_before_ : 0,
                        .until_end = ended.at - first_sent_at_,
                        .least_round_trip = sent->min_round_trip,
                        .variation = std::chrono::microseconds(sent->round_trip.variation_us)});
  return ended;
}

ExplainedFailure Exchange::why_closed() {
  if (const net::TlsFailure* tls = lease_.stream().tls_failure()) return explain(*tls);
  return {FailureKind::ConnectionTerminated, "closed the connection before it answered"};
}

void Exchange::attempt_ended(const Ended& ended, CloseReason otherwise) {
  const policy::AttemptView view = attempt_view(ended);
  const bool stale = policy::is_stale_failure(ended.end, view);
  const bool silent = ended.end == AttemptEnd::Unacknowledged;
  ExplainedFailure closed = why_closed();
  if (stale) add_delivery(closed, ended.delivery);
  const TimePoint idle_since = lease_.connection().idle_since();
  if (stale) ++context_.stats.stale_failures;
  // Else the kernel would go on sending what is said to be undelivered, or is sent elsewhere.
  if (silent || ended.delivery == policy::Delivery::NotDelivered) lease_.stream().reset_on_close();
  const bool timed_out = ended.end == AttemptEnd::RequestTimeoutAnswer && reused_;
  if ((stale || timed_out) && ended.delivery != policy::Delivery::MayBeExecuted) lease_.was_closed_idle(ended.at);
  lease_.close(stale ? CloseReason::StaleFailure : otherwise);
  if (stale || silent || timed_out) host_->close_idle_since(idle_since, idle_age_, net::Loop::event_time());

  const NextStep step = policy::next_step(ended.end, view);
  if (step == NextStep::RetryOnFresh) {
    is_retry_ = true;
    ++retries_;
    ++context_.stats.retries;
  }
  if (step == NextStep::RetryOnFresh || step == NextStep::AnotherConnection) return try_again();
  fail(closed.kind, closed.text, otherwise, closed.parameters);
}

void Exchange::try_again() {
  move(ExchangeEvent::Retried);
  net::DeadlineClock::disarm(*this);
  response_begun_ = false;
  awaiting_ack_ = false;
  interims_ = 0;
  upstream_blocked_ = false;
  upstream_write_failed_ = false;
  head_buffer_.clear();
  head_scan_ = {};
  checkout(true);
}

// ---- Ends ----

void Exchange::client_drained() {
  if (!client_blocked_) return;
  client_blocked_ = false;
  if (lease_) lease_.stream().resume_reading();
}

void Exchange::client_left(EndedBy ended) {
  waiter_.withdraw();
  lease_.close(ended == EndedBy::Shutdown ? CloseReason::Shutdown : CloseReason::ClientLeft);
  if (state_ != ExchangeState::Draining) log(ended, {});  // else its answer is out, and it was logged then
  move(ExchangeEvent::ClientLeft);
  release();
}

void Exchange::client_gone() {
  Downstream* downstream = downstream_;
  client_left(EndedBy::Client);
  downstream->exchange_over(AfterExchange::Reset);
}

void Exchange::fail(FailureKind kind, std::string_view what, CloseReason reason, std::string_view parameters) {
  if (state_ == ExchangeState::Draining) return over(ExchangeEvent::Failed, AfterExchange::CloseLingering);
  waiter_.withdraw();
  lease_.close(reason);
  const std::string_view error = policy::answer_for(kind).proxy_status_error;
  if (head_sent_) {
    log(reason == CloseReason::ResponseTimeout ? EndedBy::Timeout : EndedBy::Origin, error);
    return over(ExchangeEvent::Failed, cut_looks_whole() ? AfterExchange::Reset : AfterExchange::Cut);
  }
  const bool keep = client_may_persist_ && request_body_.ended() && !context_.draining;
  status_ = policy::answer_for(kind).status;
  const std::string explanation =
      kind == FailureKind::BadRequest ? std::string(what) : where() + ": " + std::string(what);
  const std::string_view answer = context_.own_answer({kind, explanation, keep, answers_head_, parameters});
  const net::WriteResult result = net::write_all(downstream_->client_stream(), answer);
  log(EndedBy::Ourselves, error);
  const bool sent = result != net::WriteResult::Failed;
  over(ExchangeEvent::Failed, keep && sent ? AfterExchange::Continue : AfterExchange::CloseLingering);
}

void Exchange::over(ExchangeEvent event, AfterExchange after) {
  move(event);
  if (client_paused_) resume_client();
  release()->exchange_over(after);
}

Downstream* Exchange::release() {
  net::DeadlineClock::disarm(*this);
  host_.reset();
  context_.owner.retire_exchange(this);
  return std::exchange(downstream_, nullptr);
}

void Exchange::trim(std::size_t kept) {
  if (outgoing_.capacity() > kept) std::string().swap(outgoing_);
  if (head_buffer_.capacity() > kept) std::string().swap(head_buffer_);
}

bool Exchange::bytes_moved() {
  const std::size_t upstream = lease_ ? lease_.stream().unacknowledged_bytes() : 0;
  const std::size_t unsent = downstream_->client_stream().unacknowledged_bytes() + upstream;
  return std::exchange(unsent_mark_, unsent) != unsent;
}

void Exchange::on_deadline(TimePoint now) {
  if (std::exchange(awaiting_ack_, false) && state_ == ExchangeState::AwaitingHead) {
    return look_for_acknowledgement(now);
  }
  if (state_ == ExchangeState::Draining) return over(ExchangeEvent::Failed, AfterExchange::CloseLingering);
  const bool waits_for_answer = state_ == ExchangeState::AwaitingHead && request_body_.ended();
  // A slow reader empties a queue without an event of ours: look before calling it stalled.
  if (!waits_for_answer && bytes_moved()) return arm(host_->settings().stall_timeout);
  if (waits_for_answer || state_ == ExchangeState::Relaying || upstream_blocked_) {
    return fail(FailureKind::ResponseTimeout, "did not answer in time", CloseReason::ResponseTimeout);
  }
  fail(FailureKind::ClientTooSlow, "the request body did not come in time", CloseReason::ClientLeft);
}

// ---- Log ----

std::string Exchange::where() const {
  return host_and_port(origin_.host, origin_.port);
}

void Exchange::log(EndedBy ended, std::string_view error) {
  ++context_.stats.exchanges;
  if (!context_.access.enabled()) return;
  const std::string_view text = log_text_;
  const TimePoint now = net::Loop::event_time();
  AccessRecord record;
  record.client = client_.address;
  record.method = text.substr(0, log_parts_[0]);
  record.scheme = name_of(origin_.scheme);
  record.host_and_port = text.substr(log_parts_[0], log_parts_[1]);
  record.path = text.substr(log_parts_[0] + log_parts_[1], log_parts_[2]);
  record.status = status_;
  record.bytes_received = request_body_.data_bytes();
  record.bytes_sent = head_sent_ ? response_body_.data_bytes() : 0;
  record.upstream = reached_upstream_ ? &upstream_address_ : nullptr;
  record.upstream_path = upstream_path_;
  record.reused = reached_upstream_ && reused_;
  record.requests_on_connection = reached_upstream_ ? requests_on_connection_ : 0;
  record.idle = reached_upstream_ ? idle_age_ : Duration::zero();
  record.trusted = reached_upstream_ && trusted_;
  if (reached_upstream_) record.expected_idle = host_->expected_idle();
  record.retries = retries_;
  record.dns = times_.dns;
  record.connect = times_.connect;
  record.tls = times_.tls;
  if (response_begun_ && sent_at_ != TimePoint{}) record.first_byte = arrival_.first_byte - sent_at_;
  record.total = now - started_at_;
  record.ended = ended;
  record.error = error;
  context_.access.write(record);
}

}  // namespace keepwarm::proxy
