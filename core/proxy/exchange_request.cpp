// The request on its way upstream: kept while it may have to be sent again, streamed beyond that.

#include <algorithm>

#include "core/http/fields.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "core/net/loop.h"
#include "core/proxy/exchange.h"

namespace keepwarm::proxy {

using policy::AttemptOutcome;
using policy::FailureKind;
using pool::CloseReason;

namespace {

/// What a client may still send of a request that has been answered, before its connection is closed.
constexpr std::uint64_t kDrainLimit = 256 * 1024;

}  // namespace

void Exchange::remember_for_log(const http::RequestHead& head, const Route& route) {
  const bool hidden = client_->intercepted && !context_.interception.log_paths();
  name_.assign(head.method, where(),
               hidden ? kHiddenPath : forwarded_target(head, route.target, context_.scratch.target));
}

std::string_view Exchange::host_field(const http::Target& target) const noexcept {
  // `upgrade` takes port 80 to 443, and both are their scheme's default.
  const bool to_other_port =
      host_->hop().tls && target.scheme == Scheme::Http && target.port == default_port(Scheme::Http);
  return to_other_port ? authority_without_port(target) : target.authority;
}

void Exchange::read_facts(const http::RequestHead& head, const Route& route) {
  const bool has_key = head.fields.has(http::FieldId::IdempotencyKey);
  const bool expects_continue = head.fields.has(http::FieldId::Expect) && head.version != http::Version::Http10;
  request_ = {.version = head.version,
              .persistence = expects_continue ? ClientPersistence::OnceBodyBegan : ClientPersistence::Yes,
              .idempotent = policy::is_idempotent(host_->settings(), head.method, has_key),
              .is_head = head.method == "HEAD",
              .asks_bound_auth = http::asks_connection_bound_auth(head.fields)};
  if (!http::client_may_persist(head)) request_.persistence = ClientPersistence::No;
  upgrade_offer_.clear();
  if (route.upgrade) http::append_upgrade_protocols(head.fields, upgrade_offer_);
}

void Exchange::write_head(const http::RequestHead& head, const Route& route) {
  std::string& target = context_.scratch.target;
  http::ForwardedRequest how;
  how.method = head.method;
  how.target = host_->hop().absolute_form() ? target_for_parent(head, route.target, target)
                                            : forwarded_target(head, route.target, target);
  how.host = host_field(route.target);
  how.via = via();
  how.proxy_authorization = host_->proxy_authorization();
  how.framing = route.framing;
  how.keep_alive = host_->settings().reuse;
  how.upgrade = route.upgrade;
  how.drop_expect = head.version == http::Version::Http10;
  how.max_forwards = route.max_forwards;
  http::write_request_head(outgoing_.begin_head(), head, how);
  outgoing_.begin_body(route.framing, static_cast<std::size_t>(context_.mode.settings->max_header_size));
}

void Exchange::hold_if_useful() noexcept {
  const policy::HostSettings& settings = host_->settings();
  const bool may_be_sent_again = request_.idempotent || (upstream_.reused() && settings.retry_undelivered);
  outgoing_.hold_only_if(may_be_sent_again, settings.retry_body_size);
}

// ---- The body ----

std::size_t Exchange::request_bytes(std::string_view bytes) {
  ScratchBuffers& scratch = context_.scratch;
  scratch.data.clear();
  const BodyReader::ReadResult result = outgoing_.read(bytes, scratch.data);
  if (result.progress == BodyReader::Progress::Broken) {
    const bool too_large = result.fault == http::Fault::TrailersTooLarge;
    fail(too_large ? FailureKind::HeadTooLarge : FailureKind::BadRequest, describe(result.fault),
         CloseReason::ClientLeft, {.rule = too_large ? std::string_view("max_header_size") : std::string_view()});
    return bytes.size();
  }
  if (state_ == ExchangeState::Draining) {
    drain_body(result.consumed, result.progress == BodyReader::Progress::Ended);
  } else if (result.consumed > 0) {
    take_body();
  }
  return result.consumed;
}

void Exchange::take_body() {
  outgoing_.lay_out(context_.scratch.writer, context_.scratch.data);
  if (state_ == ExchangeState::Leasing) return hold_body();
  send_body();
}

void Exchange::hold_body() {
  outgoing_.hold(context_.scratch.writer);
  if (outgoing_.held_body() >= host_->settings().retry_body_size && !outgoing_.ended()) pause_client();
}

void Exchange::send_body() {
  const BodyWriter& writer = context_.scratch.writer;
  if (outgoing_.whole()) hold_if_useful();
  if (outgoing_.whole()) {
    outgoing_.hold(writer);
    hold_if_useful();
  }
  if (attempt_.writing != UpstreamWriting::Failed && !writer.empty()) {
    written_upstream(lease_.stream().write(writer.pieces()));
  }
  if (outgoing_.ended()) return request_sent();
  await_progress();
}

void Exchange::send_outgoing() {
  attempt_.written_before = lease_.stream().path().written_bytes();
  attempt_.first_sent_at = net::Loop::event_time();
  const net::WriteResult result = net::write_all(lease_.stream(), outgoing_.text());
  if (result == net::WriteResult::Failed) {
    return attempt_ended({.outcome = AttemptOutcome::ClosedBeforeWrite, .at = attempt_.first_sent_at},
                         CloseReason::ClosedBeforeWrite);
  }
  written_upstream(result);
  lease_.connection().request_sent(attempt_.first_sent_at);
  hold_if_useful();
  if (outgoing_.ended()) return request_sent();
  await_body();
  if (progress_.client_paused && attempt_.writing == UpstreamWriting::Open) resume_client();
}

void Exchange::written_upstream(net::WriteResult result) {
  if (result == net::WriteResult::Queued) {
    attempt_.writing = UpstreamWriting::Blocked;
    if (!outgoing_.ended()) pause_client();
  }
  if (result == net::WriteResult::Failed) attempt_.writing = UpstreamWriting::Failed;
}

void Exchange::on_drained() {
  if (attempt_.writing == UpstreamWriting::Blocked) attempt_.writing = UpstreamWriting::Open;
  if (progress_.client_paused) resume_client();
}

void Exchange::request_sent() {
  timing_.sent_at = net::Loop::event_time();
  if (state_ != ExchangeState::AwaitingHead) return;
  const Duration limit = host_->settings().response_timeout;
  // A fresh connection need not be checked: its peer has just answered.
  if (upstream_.reused() && limit > policy::kShortestSilence) {
    return await(Awaited::Acknowledgement, timing_.sent_at + policy::kShortestSilence);
  }
  await(Awaited::Response, timing_.sent_at + limit);
}

/// The head is on its way, and the client is to send the body. If it waits for "100 Continue" first, nothing but a
/// missing acknowledgement shows that nobody is there to say it.
void Exchange::await_body() {
  const bool may_be_silent = upstream_.reused() && outgoing_.whole();
  if (!may_be_silent || host_->settings().stall_timeout <= policy::kShortestSilence) return await_progress();
  await(Awaited::Acknowledgement, attempt_.first_sent_at + policy::kShortestSilence);
}

/// The request has been on its way for some time on a reused connection: has the peer's kernel taken any of it?
void Exchange::check_acknowledgement(TimePoint now) {
  const policy::HostSettings& settings = host_->settings();
  const bool all_sent = outgoing_.ended();
  const Awaited next = all_sent ? Awaited::Response : Awaited::Progress;
  const TimePoint sent_at = all_sent ? timing_.sent_at : attempt_.first_sent_at;
  const TimePoint next_due = sent_at + (all_sent ? settings.response_timeout : settings.stall_timeout);
  const auto sent = attempt_.response_begun() ? std::nullopt : lease_.stream().path().send_state();
  if (!sent || sent->acknowledged > attempt_.written_before) return await(next, next_due);

  const TimePoint silent_from = sent_at + policy::silence_limit(sent->round_trip.bound());
  if (now < silent_from) {
    const bool before_next = silent_from < next_due;
    return before_next ? await(Awaited::Acknowledgement, silent_from) : await(next, next_due);
  }
  const AttemptResult result{.outcome = AttemptOutcome::Unacknowledged, .at = now};
  if (policy::next_step(result.outcome, attempt_view(result)) == policy::NextStep::RetryOnFresh) {
    return attempt_ended(result, CloseReason::Unacknowledged);
  }
  // Only now that the peer seems silent: on a healthy connection keepalive would then take as long to find a dead peer.
  lease_.stream().path().limit_unacknowledged(settings.stall_timeout);
  await(next, next_due);
}

void Exchange::drain_body(std::size_t bytes, bool ended) {
  progress_.drained += static_cast<std::uint32_t>(bytes);  // one event brings far less than 4 GiB
  if (ended) return over(ExchangeEvent::RequestEnded, AfterExchange::Continue);
  if (progress_.drained > kDrainLimit) over(ExchangeEvent::Abandoned, AfterExchange::CloseLingering);
}

void Exchange::pause_client() {
  progress_.client_paused = true;
  downstream_->client_stream().pause_reading();
  downstream_->client_paused();
}

void Exchange::resume_client() {
  progress_.client_paused = false;
  downstream_->client_stream().resume_reading();
}

}  // namespace keepwarm::proxy
