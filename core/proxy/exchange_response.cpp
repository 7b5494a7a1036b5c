// The response on its way to the client.

#include <cerrno>
#include <chrono>

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

using namespace std::chrono_literals;

/// If no more than this of a request is still to come when it has been answered, that is read and the client's
/// connection kept.
constexpr std::uint64_t kWorthDraining = 256 * 1024;
// For the rest of such a request: the answer has said that the connection persists.
constexpr Duration kDrainTime = 10s;

/// Does authentication of the connection, which a response offers, work all the way to the origin? To the next hop it
/// does: the connection is bound to the client. If that is a parent, it must have said so itself.
bool session_auth_works(const http::ResponseHead& head, const policy::NextHop& hop) noexcept {
  if (head.status != 401 || !http::offers_connection_bound_auth(head.fields)) return false;
  return !hop.absolute_form() || http::supports_session_auth(head.fields);
}

/// Why no other request may follow on the connection, by the head of its response.
std::optional<CloseReason> closed_by(const http::ResponseHead& head, const http::BodyFraming& framing) noexcept {
  if (http::server_may_persist(head, framing)) return std::nullopt;
  return http::last_chunk_may_follow(head) ? CloseReason::ProtocolError : CloseReason::ServerSaidClose;
}

policy::CloseKind kind_of(int error) noexcept {
  return error == -ECONNRESET || error == -EPIPE ? policy::CloseKind::Reset : policy::CloseKind::Silent;
}

}  // namespace

// ---- Events ----

void Exchange::on_bytes(std::string_view bytes) {
  policy::Arrival& arrival = attempt_.arrival;
  arrival.last_byte = net::Loop::event_time();
  if (state_ == ExchangeState::Relaying) {
    await_progress();
    return relay({}, bytes);
  }
  if (!attempt_.response_begun()) arrival.first_byte = arrival.last_byte;
  read_head(bytes);
}

void Exchange::on_end() {
  if (state_ == ExchangeState::AwaitingHead) {
    if (!attempt_.response_begun()) {
      return attempt_ended(attempt_result(AttemptOutcome::ClosedAfterWrite, policy::CloseKind::End),
                           CloseReason::CutResponse);
    }
    return fail(FailureKind::ResponseIncomplete, "closed the connection within the head of its answer",
                CloseReason::CutResponse);
  }
  if (!body_.connection_ended()) {
    return fail(FailureKind::ResponseIncomplete, "cut its answer short", CloseReason::CutResponse);
  }
  relay({}, {});
}

void Exchange::on_broken(int error) {
  if (state_ == ExchangeState::AwaitingHead && !attempt_.response_begun()) {
    return attempt_ended(attempt_result(AttemptOutcome::ClosedAfterWrite, kind_of(error)), CloseReason::CutResponse);
  }
  fail(FailureKind::ResponseIncomplete, "reset the connection within its answer", CloseReason::CutResponse);
}

// ---- The head ----

void Exchange::read_head(std::string_view bytes) {
  http::HeadParser& parser = context_.scratch.parser;
  head_reader_.feed(bytes);
  while (true) {
    http::ResponseHead head;
    switch (head_reader_.next(parser, context_.mode.head_limits(), head)) {
      case http::HeadProgress::Incomplete: return;
      case http::HeadProgress::Broken: {
        const http::Fault fault = parser.fault();
        const bool size = fault == http::Fault::HeadTooLarge || fault == http::Fault::TooManyFields;
        return fail(size ? FailureKind::ResponseHeadTooLarge : FailureKind::BadResponse,
                    "sent what is not valid HTTP: " + std::string(describe(fault)), CloseReason::ProtocolError);
      }
      case http::HeadProgress::Complete: break;
    }
    const bool interim = head.status < 200 && head.status != 101;
    if (!interim) return final_head(head, head_reader_.rest());
    if (!relay_interim(head)) return;
  }
}

/// Passes an interim response on. False: the exchange is over.
bool Exchange::relay_interim(const http::ResponseHead& head) {
  const std::size_t largest = context_.mode.head_limits().max_size;
  if (!attempt_.interims.take(net::Loop::event_time(), head.size, largest)) {
    fail(FailureKind::BadResponse, "sent too many interim responses", CloseReason::ProtocolError);
    return false;
  }
  if (outgoing_.ended()) await(Awaited::Response, net::Loop::event_time() + host_->settings().response_timeout);
  if (request_.version == http::Version::Http10) return true;
  std::string& out = context_.scratch.head_out;
  out.clear();
  http::write_interim_head(out, head, via(), strips_secure());
  const net::WriteResult result = net::write_all(downstream_->client_stream(), out);
  if (result == net::WriteResult::Failed) {
    client_gone();
    return false;
  }
  if (result == net::WriteResult::Queued) wait_for_client();
  return true;
}

void Exchange::final_head(const http::ResponseHead& head, std::string_view rest) {
  if (head.status == 101) return switch_protocols(head, rest);
  const auto framing = http::response_framing(head, request_.is_head);
  if (!framing) {
    return fail(FailureKind::BadResponse, "sent what is not valid HTTP: " + std::string(describe(framing.failure())),
                CloseReason::ProtocolError);
  }
  if (head.status == 407 && host_->hop().absolute_form()) {
    // Meant for us: the client has no credentials for the parent, and is not asked for any.
    const ExplainedFailure why = explain_407(http::challenge_schemes(head.fields, http::FieldId::ProxyAuthenticate));
    return fail(why.kind, why.text, CloseReason::ProtocolError, {.rule = why.rule});
  }
  if (head.status == 408 && discard_408(head, *framing)) return;
  begin_response(head, *framing, rest);
}

/// Whether a 408 is dropped, and the request sent again. False: the client gets it.
bool Exchange::discard_408(const http::ResponseHead& head, const http::BodyFraming& framing) {
  // Only a server that closes shows by its 408 that it reads no request any more.
  const bool closes = !http::server_may_persist(head, framing);
  const AttemptResult result = attempt_result(AttemptOutcome::RequestTimeoutAnswer,
                                              closes ? policy::CloseKind::Answer408 : policy::CloseKind::Silent);
  if (policy::next_step(result.outcome, attempt_view(result)) == policy::NextStep::RetryOnFresh) {
    attempt_ended(result, CloseReason::RequestTimeout408);
    return true;
  }
  if (!upstream_.reused()) return false;
  if (result.delivery == policy::Delivery::NotDelivered) lease_.was_closed_idle(result.at);
  host_->close_idle_since(lease_.connection().idle_since(), upstream_.idle, net::Loop::event_time());
  return false;
}

void Exchange::switch_protocols(const http::ResponseHead& head, std::string_view rest) {
  if (!outgoing_.ended() || upgrade_offer_.empty() || !http::upgrade_was_offered(upgrade_offer_, head.fields)) {
    return fail(FailureKind::UpgradeFailed, "switched to a protocol that nobody asked for", CloseReason::ProtocolError);
  }
  response_.status = head.status;
  http::ForwardedResponse how;
  how.via = via();
  how.date = context_.scratch.date.now();
  how.upgrade = true;
  how.strip_secure = strips_secure();
  std::string& out = context_.scratch.head_out;
  out.clear();
  http::write_response_head(out, head, how);
  if (net::write_all(downstream_->client_stream(), out) == net::WriteResult::Failed) {
    return client_gone();
  }
  log(ExchangeOutcome::Completed, {});
  if (!move(ExchangeEvent::Upgraded)) return;
  DeadlineWheel::disarm(*this);
  std::unique_ptr<net::Stream> upstream = lease_.detach();
  const Duration timeout = host_->settings().tunnel_timeout;
  std::string name = where();
  release()->upgraded(std::move(upstream), std::move(name), rest, timeout);
}

/// What becomes of the client's connection: its answer says so, hence it is decided before that goes out.
AfterExchange Exchange::after_response() const noexcept {
  if (request_.persistence == ClientPersistence::No) return AfterExchange::Close;
  // A client that did not say close may be sending its next request already.
  constexpr AfterExchange kClose = AfterExchange::CloseLingering;
  if (context_.mode.draining || body_.cut_looks_whole()) return kClose;
  if (outgoing_.ended()) return AfterExchange::Continue;
  // Answered early.
  const BodyReader& body = outgoing_.body();
  if (request_.persistence == ClientPersistence::OnceBodyBegan && body.data_bytes() == 0) return kClose;
  const std::optional<std::uint64_t> remaining = body.remaining();
  return remaining && *remaining <= kWorthDraining ? AfterExchange::Continue : kClose;
}

void Exchange::begin_response(const http::ResponseHead& head, const http::BodyFraming& framing, std::string_view rest) {
  if (!move(ExchangeEvent::HeadReceived)) return;
  const policy::ProxySettings& settings = *context_.mode.settings;
  body_.start(framing, request_.version, static_cast<std::size_t>(settings.max_header_size));
  response_.status = head.status;
  response_.hint = http::keep_alive_hint(head.fields);
  response_.after = after_response();
  response_.close_upstream = closed_by(head, framing);
  if (request_.asks_bound_auth || http::offers_connection_bound_auth(head.fields)) attempt_.bound = true;

  std::string status;
  if (settings.proxy_status == policy::ProxyStatusMode::Always) status = proxy_status();
  http::ForwardedResponse how;
  how.framing = body_.client_framing();
  how.keeps_length_field = request_.is_head || head.status == 304;
  how.via = via();
  how.keep_alive = response_.after == AfterExchange::Continue;
  how.keep_alive_timeout = settings.client_idle_timeout;
  how.date = context_.scratch.date.now();
  how.proxy_status = status;
  how.strip_secure = strips_secure();
  how.session_auth = attempt_.bound && session_auth_works(head, host_->hop());
  std::string& out = context_.scratch.head_out;
  out.clear();
  http::write_response_head(out, head, how);
  await_progress();
  relay(out, rest);
}

/// Did the client ask for http://, so that it would drop cookies that came with Secure over an upgraded connection?
bool Exchange::strips_secure() const noexcept {
  return host_->settings().upgrade_cookies == policy::UpgradeCookies::StripSecure && origin_.scheme == Scheme::Http &&
         host_->hop().tls;
}

std::string Exchange::proxy_status() const {
  const auto ms = [](Duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
  };
  std::string text = "keepwarm; reused=";
  text += upstream_.reused() ? "?1" : "?0";
  if (upstream_.reused()) text += "; idle-ms=" + ms(upstream_.idle) + "; saved-ms=" + ms(host_->opening_cost());
  text += "; retries=" + std::to_string(progress_.retries);
  return text;
}

// ---- The body ----

void Exchange::relay(std::string_view head_text, std::string_view bytes) {
  ScratchBuffers& scratch = context_.scratch;
  const BodyReader::ReadResult read = body_.lay_out(head_text, bytes, scratch.data, scratch.writer);
  net::Stream& client = downstream_->client_stream();
  const bool nothing = scratch.writer.empty();
  const net::WriteResult written = nothing ? net::WriteResult::Done : client.write(scratch.writer.pieces());
  if (written == net::WriteResult::Failed) return client_gone();
  if (read.progress == BodyReader::Progress::Broken) {
    return fail(FailureKind::BadResponse, describe(read.fault), CloseReason::ProtocolError);
  }
  if (read.progress == BodyReader::Progress::Ended) return response_ended(read.consumed < bytes.size());
  if (written == net::WriteResult::Queued) wait_for_client();
}

void Exchange::wait_for_client() {
  attempt_.paused = true;
  attempt_.arrival.last_pause = net::Loop::event_time();
  lease_.stream().pause_reading();
}

/// `surplus`: bytes followed that belong to no response.
void Exchange::response_ended(bool surplus) {
  if (outgoing_.ended()) return complete(surplus);
  lease_.close(CloseReason::RequestUnfinished);
  log(ExchangeOutcome::Completed, {});
  if (!move(ExchangeEvent::ResponseEnded)) return;
  if (response_.after != AfterExchange::Continue) {
    return over(ExchangeEvent::Abandoned, AfterExchange::CloseLingering);
  }
  await(Awaited::RestOfRequest, net::Loop::event_time() + kDrainTime);
  if (progress_.client_paused) resume_client();
}

std::optional<CloseReason> Exchange::why_close_upstream(bool surplus) const {
  if (response_.close_upstream) return response_.close_upstream;
  if (surplus) return CloseReason::StrayBytes;
  if (attempt_.writing != UpstreamWriting::Open) return CloseReason::RequestUnfinished;
  return std::nullopt;
}

void Exchange::complete(bool surplus) {
  if (attempt_.paused) lease_.stream().resume_reading();  // an interim response is still on its way to the client
  attempt_.arrival.body_bytes = body_.data_bytes();
  const pool::GiveBack how{policy::idle_since(attempt_.arrival), response_.hint};
  bool kept_bound = false;
  if (const auto reason = why_close_upstream(surplus)) {
    lease_.close(*reason);
  } else if (attempt_.bound) {
    if (request_.asks_bound_auth) lease_.connection().authenticated = true;
    kept_bound = lease_.keep_bound(how);
  } else {
    lease_.give_back(how);
  }
  log(ExchangeOutcome::Completed, {});
  if (kept_bound) downstream_->bind_connection(std::move(host_), std::move(lease_));
  over(ExchangeEvent::MessagesEnded, response_.after);
}

}  // namespace keepwarm::proxy
