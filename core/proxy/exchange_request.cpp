// The request on its way upstream: kept while it may have to be sent again, streamed beyond that.

#include <algorithm>

#include "core/http/fields.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "core/proxy/exchange.h"

namespace keepwarm::proxy {

using policy::AttemptEnd;
using policy::FailureKind;
using pool::CloseReason;

namespace {

/// What a client may still send of a request that has been answered, before its connection is closed.
constexpr std::uint64_t kDrainLimit = 256 * 1024;

}  // namespace

void Exchange::remember_for_log(const http::RequestHead& head, const Route& route) {
  log_text_.assign(head.method);
  log_parts_[0] = head.method.size();
  log_text_ += where();
  log_parts_[1] = log_text_.size() - log_parts_[0];
  log_text_ += forwarded_target(head, route.target, context_.host_scratch);
  log_parts_[2] = log_text_.size() - log_parts_[0] - log_parts_[1];
}

std::string_view Exchange::host_field(const http::Target& target) const noexcept {
  // `upgrade` takes port 80 to 443, and both are their scheme's default.
  const bool to_other_port =
      host_->hop().tls && target.scheme == Scheme::Http && target.port == default_port(Scheme::Http);
  return to_other_port ? authority_without_port(target) : target.authority;
}

void Exchange::write_head(const http::RequestHead& head, const Route& route) {
  const policy::HostSettings& settings = host_->settings();
  client_is_http10_ = head.version == http::Version::Http10;
  client_may_persist_ = http::client_may_persist(head);
  answers_head_ = head.method == "HEAD";
  expects_continue_ = head.fields.has(http::FieldId::Expect) && !client_is_http10_;
  idempotent_ = policy::is_idempotent(settings, head.method, head.fields.has(http::FieldId::IdempotencyKey));
  asked_bound_auth_ = http::asks_connection_bound_auth(head.fields);
  upgrade_offer_.clear();
  if (route.upgrade) http::append_upgrade_protocols(head.fields, upgrade_offer_);

  http::ForwardedRequest how;
  how.method = head.method;
  how.target = host_->hop().absolute_form() ? target_for_parent(head, route.target, context_.host_scratch)
                                            : forwarded_target(head, route.target, context_.host_scratch);
  how.host = host_field(route.target);
  how.via = context_.via();
  how.proxy_authorization = host_->proxy_authorization();
  how.framing = route.framing;
  how.keep_alive = settings.reuse;
  how.upgrade = route.upgrade;
  how.drop_expect = client_is_http10_;
  how.max_forwards = route.max_forwards;
  http::write_request_head(outgoing_, head, how);
  head_size_ = outgoing_.size();
}

bool Exchange::may_be_replayed() const noexcept {
  if (!idempotent_ || !held_whole_ || !host_->settings().retry) return false;
  const std::uint64_t held = outgoing_.size() - head_size_;
  const std::optional<std::uint64_t> remaining = request_body_.remaining();
  return remaining && held + *remaining <= host_->settings().retry_body_size;
}

bool Exchange::worth_holding() const noexcept {
  const std::uint64_t held = outgoing_.size() - head_size_;
  const bool may_be_sent_again = idempotent_ || (reused_ && host_->settings().retry_undelivered);
  return may_be_sent_again && held + request_body_.remaining().value_or(0) <= host_->settings().retry_body_size;
}

// ---- The body ----

std::size_t Exchange::request_bytes(std::string_view bytes) {
  context_.data.clear();
  const BodyReader::Step step = request_body_.read(bytes, context_.data);
  if (step.progress == BodyReader::Progress::Broken) {
    const auto kind = step.fault == http::Fault::TrailersTooLarge ? FailureKind::HeadTooLarge : FailureKind::BadRequest;
    fail(kind, describe(step.fault), CloseReason::ClientLeft);
    return bytes.size();
  }
  const bool ended = step.progress == BodyReader::Progress::Ended;
  if (state_ == ExchangeState::Draining) {
    drain_body(step.consumed, ended);
  } else if (step.consumed > 0) {
    take_body(ended);
  }
  return step.consumed;
}

void Exchange::take_body(bool ended) {
  BodyWriter& writer = context_.writer;
  writer.begin({});
  writer.add_data(request_body_.framing(), context_.data);
  if (ended) writer.add_end(request_body_.framing(), request_body_.trailers());
  if (state_ == ExchangeState::Leasing) return hold_body();
  send_body();
}

void Exchange::hold_body() {
  context_.writer.copy_to(outgoing_);
  if (outgoing_.size() - head_size_ >= host_->settings().retry_body_size && !request_body_.ended()) pause_client();
}

void Exchange::send_body() {
  const BodyWriter& writer = context_.writer;
  if (held_whole_) {
    writer.copy_to(outgoing_);
    held_whole_ = worth_holding();
  }
  if (!upstream_write_failed_ && !writer.empty()) written_upstream(lease_.stream().write(writer.pieces()));
  if (request_body_.ended()) return request_sent();
  arm(host_->settings().stall_timeout);
}

void Exchange::send_outgoing() {
  written_before_ = lease_.stream().path().written_bytes();
  first_sent_at_ = net::Loop::event_time();
  const net::WriteResult result = net::write_all(lease_.stream(), outgoing_);
  if (result == net::WriteResult::Failed) {
    return attempt_ended({.end = AttemptEnd::ClosedBeforeWrite, .at = first_sent_at_}, CloseReason::ClosedBeforeWrite);
  }
  written_upstream(result);
  held_whole_ = worth_holding();
  if (request_body_.ended()) return request_sent();
  arm(host_->settings().stall_timeout);
  if (client_paused_ && !upstream_blocked_) resume_client();
}

void Exchange::written_upstream(net::WriteResult result) {
  if (result == net::WriteResult::Queued) {
    upstream_blocked_ = true;
    if (!request_body_.ended()) pause_client();
  }
  // A failed write is no end yet: the answer that explains it (413, say) may be waiting to be read.
  if (result == net::WriteResult::Failed) upstream_write_failed_ = true;
}

void Exchange::on_drained() {
  upstream_blocked_ = false;
  if (client_paused_) resume_client();
}

void Exchange::request_sent() {
  sent_at_ = net::Loop::event_time();
  if (state_ != ExchangeState::AwaitingHead) return;
  const Duration limit = host_->settings().response_timeout;
  // A fresh connection has just shown that somebody listens.
  awaiting_ack_ = reused_ && limit > policy::kShortestSilence;
  context_.deadlines.arm(*this, sent_at_ + (awaiting_ack_ ? policy::kShortestSilence : limit));
}

/// The request has been on its way for some time on a reused connection: has the peer's kernel taken any of it?
void Exchange::look_for_acknowledgement(TimePoint now) {
  const policy::HostSettings& settings = host_->settings();
  const TimePoint response_due = sent_at_ + settings.response_timeout;
  const auto sent = response_begun_ ? std::nullopt : lease_.stream().path().send_state();
  if (!sent || sent->acknowledged > written_before_) return context_.deadlines.arm(*this, response_due);

  const TimePoint silent_from = sent_at_ + policy::silence_limit(sent->round_trip.bound());
  if (now < silent_from) {
    awaiting_ack_ = silent_from < response_due;
    return context_.deadlines.arm(*this, std::min(silent_from, response_due));
  }
  const Ended ended{.end = AttemptEnd::Unacknowledged, .at = now};
  if (policy::next_step(ended.end, attempt_view(ended)) == policy::NextStep::RetryOnFresh) {
    return attempt_ended(ended, CloseReason::Unacknowledged);
  }
  // Not before: on a connection that is well it would make keepalive wait as long.
  lease_.stream().path().limit_unacknowledged(settings.stall_timeout);
  context_.deadlines.arm(*this, response_due);
}

void Exchange::drain_body(std::size_t bytes, bool ended) {
  drained_ += bytes;
  if (ended) return over(ExchangeEvent::RequestEnded, AfterExchange::Continue);
  if (drained_ > kDrainLimit) over(ExchangeEvent::Failed, AfterExchange::CloseLingering);
}

void Exchange::pause_client() {
  client_paused_ = true;
  downstream_->client_stream().pause_reading();
}

void Exchange::resume_client() {
  client_paused_ = false;
  downstream_->client_stream().resume_reading();
}

}  // namespace keepwarm::proxy
