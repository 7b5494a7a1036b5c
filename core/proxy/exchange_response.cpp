// The response on its way to the client.

#include <cerrno>
#include <chrono>

#include "core/http/fields.h"
#include "core/http/persistence.h"
#include "core/http/serializer.h"
#include "core/proxy/exchange.h"

namespace keepwarm::proxy {

using policy::AttemptEnd;
using policy::FailureKind;
using pool::CloseReason;

namespace {

using namespace std::chrono_literals;
using FramingKind = http::BodyFraming::Kind;

constexpr std::uint8_t kMaxInterims = 100;
/// How much of a request may be unsent when its answer comes, for its connection to be worth keeping.
constexpr std::uint64_t kWorthDraining = 256 * 1024;
constexpr Duration kDrainTime = 10s;  // the client was told that its connection stays

policy::Ending ending_of(int error) noexcept {
  return error == -ECONNRESET || error == -EPIPE ? policy::Ending::Reset : policy::Ending::Silent;
}

}  // namespace

// ---- Events ----

void Exchange::on_bytes(std::string_view bytes) {
  arrival_.last_byte = net::Loop::event_time();
  if (state_ == ExchangeState::Relaying) {
    context_.deadlines.arm(*this, arrival_.last_byte + host_->settings().stall_timeout);
    return relay({}, bytes);
  }
  if (!response_begun_) {
    response_begun_ = true;
    arrival_.first_byte = arrival_.last_byte;
  }
  read_head(bytes);
}

void Exchange::on_end() {
  if (state_ == ExchangeState::AwaitingHead) {
    if (!response_begun_) {
      return attempt_ended(ended_now(AttemptEnd::ClosedAfterWrite, policy::Ending::End), CloseReason::CutResponse);
    }
    return fail(FailureKind::ResponseIncomplete, "closed the connection within the head of its answer",
                CloseReason::CutResponse);
  }
  if (response_body_.framing().kind != FramingKind::UntilClose) {
    return fail(FailureKind::ResponseIncomplete, "cut its answer short", CloseReason::CutResponse);
  }
  response_body_.connection_ended();
  relay({}, {});
}

void Exchange::on_broken(int error) {
  if (state_ == ExchangeState::AwaitingHead && !response_begun_) {
    return attempt_ended(ended_now(AttemptEnd::ClosedAfterWrite, ending_of(error)), CloseReason::CutResponse);
  }
  fail(FailureKind::ResponseIncomplete, "reset the connection within its answer", CloseReason::CutResponse);
}

// ---- The head ----

void Exchange::read_head(std::string_view bytes) {
  const bool buffered = !head_buffer_.empty();
  std::string_view input = bytes;
  if (buffered) input = head_buffer_.append(bytes);
  while (true) {
    http::ResponseHead head;
    switch (context_.parser.parse_response(input, head_scan_, context_.head_limits(), head)) {
      case http::HeadProgress::Incomplete:
        if (buffered) {
          head_buffer_.erase(0, head_buffer_.size() - input.size());
        } else {
          head_buffer_.assign(input);
        }
        return;
      case http::HeadProgress::Broken: {
        const http::Fault fault = context_.parser.fault();
        const bool size = fault == http::Fault::HeadTooLarge || fault == http::Fault::TooManyFields;
        return fail(size ? FailureKind::ResponseHeadTooLarge : FailureKind::BadResponse,
                    "sent what is not valid HTTP: " + std::string(describe(fault)), CloseReason::ProtocolError);
      }
      case http::HeadProgress::Complete: break;
    }
    head_scan_ = {};
    input.remove_prefix(head.size);
    const bool interim = head.status < 200 && head.status != 101;
    if (!interim) return final_head(head, input);
    if (!relay_interim(head)) return;
    if (input.empty()) return head_buffer_.clear();
  }
}

bool Exchange::relay_interim(const http::ResponseHead& head) {
  if (++interims_ > kMaxInterims) {
    fail(FailureKind::BadResponse, "sent too many interim responses", CloseReason::ProtocolError);
    return false;
  }
  awaiting_ack_ = false;
  if (request_body_.ended()) arm(host_->settings().response_timeout);
  if (client_is_http10_) return true;
  std::string& out = context_.head_out;
  out.clear();
  http::write_interim_head(out, head, context_.via());
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
  const auto framing = http::response_framing(head, answers_head_);
  if (!framing) {
    return fail(FailureKind::BadResponse, "sent what is not valid HTTP: " + std::string(describe(framing.failure())),
                CloseReason::ProtocolError);
  }
  if (head.status == 407 && host_->hop().absolute_form()) {
    // Meant for us: the client has no credentials for the parent, and is not asked for any.
    return fail(FailureKind::Misconfigured,
                "the parent proxy wants other credentials than those of the key parent (407)",
                CloseReason::ProtocolError);
  }
  if (head.status == 408 && discard_408(head, *framing)) return;
  begin_response(head, *framing, rest);
}

/// false: it is passed on.
bool Exchange::discard_408(const http::ResponseHead& head, const http::BodyFraming& framing) {
  // Only who closes says by it that no request is read any more.
  const bool closes = !http::server_may_persist(head, framing);
  const Ended ended =
      ended_now(AttemptEnd::RequestTimeoutAnswer, closes ? policy::Ending::Answer408 : policy::Ending::Silent);
  if (policy::next_step(ended.end, attempt_view(ended)) == policy::NextStep::RetryOnFresh) {
    attempt_ended(ended, CloseReason::RequestTimeout408);
    return true;
  }
  if (!reused_) return false;
  if (ended.delivery == policy::Delivery::NotDelivered) lease_.was_closed_idle(ended.at);
  host_->close_idle_since(lease_.connection().idle_since(), idle_age_, net::Loop::event_time());
  return false;
}

void Exchange::switch_protocols(const http::ResponseHead& head, std::string_view rest) {
  if (!request_body_.ended() || upgrade_offer_.empty() || !http::upgrade_was_offered(upgrade_offer_, head.fields)) {
    return fail(FailureKind::UpgradeFailed, "switched to a protocol that nobody asked for", CloseReason::ProtocolError);
  }
  status_ = head.status;
  http::ForwardedResponse how;
  how.via = context_.via();
  how.date = context_.date.now();
  how.upgrade = true;
  std::string& out = context_.head_out;
  out.clear();
  http::write_response_head(out, head, how);
  if (net::write_all(downstream_->client_stream(), out) == net::WriteResult::Failed) {
    return client_gone();
  }
  log(EndedBy::Completed, {});
  move(ExchangeEvent::Upgraded);
  net::DeadlineClock::disarm(*this);
  std::unique_ptr<net::Stream> upstream = lease_.detach();
  const Duration timeout = host_->settings().tunnel_timeout;
  std::string name = where();
  release()->upgraded(std::move(upstream), std::move(name), rest, timeout);
}

http::BodyFraming Exchange::framing_for_client(const http::BodyFraming& framing) const noexcept {
  // A body that ends with the connection is chunked for an HTTP/1.1 client: then a cut shows, and its connection
  // persists.
  if (framing.kind == FramingKind::UntilClose && !client_is_http10_) return {FramingKind::Chunked, 0};
  if (framing.kind == FramingKind::Chunked && client_is_http10_) return {FramingKind::UntilClose, 0};
  return framing;
}

bool Exchange::may_keep_client() const noexcept {
  if (!client_may_persist_ || context_.draining || client_framing_.kind == FramingKind::UntilClose) return false;
  if (request_body_.ended()) return true;
  // Answered early. A client that waits for "100 Continue" may never send the body that it announced.
  if (expects_continue_ && request_body_.data_bytes() == 0) return false;
  const std::optional<std::uint64_t> remaining = request_body_.remaining();
  return remaining && *remaining <= kWorthDraining;
}

void Exchange::begin_response(const http::ResponseHead& head, const http::BodyFraming& framing, std::string_view rest) {
  move(ExchangeEvent::HeadReceived);
  status_ = head.status;
  hint_ = http::keep_alive_hint(head.fields);
  server_may_persist_ = http::server_may_persist(head, framing);
  bound_auth_ = asked_bound_auth_ || http::offers_connection_bound_auth(head.fields);
  response_body_.start(framing, static_cast<std::size_t>(context_.settings->max_header_size));
  client_framing_ = framing_for_client(framing);
  keep_client_ = may_keep_client();

  std::string status;
  if (context_.settings->proxy_status == policy::ProxyStatusMode::Always) status = proxy_status();
  http::ForwardedResponse how;
  how.framing = client_framing_;
  how.keeps_length_field = answers_head_ || head.status == 304;
  how.via = context_.via();
  how.keep_alive = keep_client_;
  how.keep_alive_timeout = context_.settings->client_idle_timeout;
  how.date = context_.date.now();
  how.proxy_status = status;
  std::string& out = context_.head_out;
  out.clear();
  http::write_response_head(out, head, how);
  head_sent_ = true;
  arm(host_->settings().stall_timeout);
  relay(out, rest);
}

std::string Exchange::proxy_status() const {
  const auto ms = [](Duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
  };
  std::string text = "keepwarm; reused=";
  text += reused_ ? "?1" : "?0";
  if (reused_) text += "; idle-ms=" + ms(idle_age_) + "; saved-ms=" + ms(host_->opening_cost());
  text += "; retries=" + std::to_string(retries_);
  return text;
}

// ---- The body ----

void Exchange::relay(std::string_view head_text, std::string_view bytes) {
  context_.data.clear();
  const BodyReader::Step step = response_body_.read(bytes, context_.data);
  const bool ended = step.progress == BodyReader::Progress::Ended;
  BodyWriter& writer = context_.writer;
  writer.begin(head_text);
  writer.add_data(client_framing_, context_.data);
  if (ended) writer.add_end(client_framing_, response_body_.trailers());
  net::Stream& client = downstream_->client_stream();
  const net::WriteResult result = writer.empty() ? net::WriteResult::Done : client.write(writer.pieces());
  if (result == net::WriteResult::Failed) {
    return client_gone();
  }
  if (step.progress == BodyReader::Progress::Broken) {
    return fail(FailureKind::BadResponse, describe(step.fault), CloseReason::ProtocolError);
  }
  if (ended) return response_ended(step.consumed < bytes.size());
  if (result == net::WriteResult::Queued) wait_for_client();
}

void Exchange::wait_for_client() {
  client_blocked_ = true;
  arrival_.last_pause = net::Loop::event_time();
  lease_.stream().pause_reading();
}

void Exchange::response_ended(bool surplus) {
  surplus_ = surplus;
  arrival_.body_bytes = response_body_.data_bytes();
  if (request_body_.ended()) return complete();
  lease_.close(CloseReason::RequestUnfinished);
  log(EndedBy::Completed, {});
  move(ExchangeEvent::ResponseEnded);
  if (!keep_client_) return over(ExchangeEvent::Failed, AfterExchange::CloseLingering);
  arm(kDrainTime);
  if (client_paused_) resume_client();
}

std::optional<CloseReason> Exchange::why_close_upstream() const {
  if (response_body_.framing().kind == FramingKind::UntilClose || !server_may_persist_) {
    return CloseReason::ServerSaidClose;
  }
  if (surplus_) return CloseReason::StrayBytes;
  if (upstream_blocked_ || upstream_write_failed_) return CloseReason::RequestUnfinished;
  return std::nullopt;
}

void Exchange::complete() {
  if (client_blocked_) lease_.stream().resume_reading();  // an interim response is still on its way to the client
  const pool::GiveBack how{policy::idle_since(arrival_), hint_};
  bool bound = false;
  if (const auto reason = why_close_upstream()) {
    lease_.close(*reason);
  } else if (!bound_auth_ && !on_bound_connection_) {
    lease_.give_back(how);
  } else {
    bound = lease_.keep_bound(how);
  }
  log(EndedBy::Completed, {});
  if (bound) downstream_->bind_connection(std::move(host_), std::move(lease_));
  // A client that did not say close may be sending its next request already.
  const AfterExchange closing = client_may_persist_ ? AfterExchange::CloseLingering : AfterExchange::Close;
  over(ExchangeEvent::MessagesEnded, keep_client_ ? AfterExchange::Continue : closing);
}

}  // namespace keepwarm::proxy
