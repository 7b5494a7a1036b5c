#include "daemon/probe/connection.h"

#include <utility>

#include "core/http/persistence.h"
#include "core/proxy/failure_text.h"
#include "daemon/probe/plan.h"
#include "daemon/probe/report.h"

namespace keepwarm::daemon {
namespace {

constexpr const char* kNoHttp = "sent no valid HTTP: ";
/// How many interim responses one read may bring.

bool is_request_timeout(std::string_view bytes) noexcept {
  return bytes.starts_with("HTTP/1.1 408") || bytes.starts_with("HTTP/1.0 408");
}

}  // namespace

ProbeConnection::ProbeConnection(pool::DialContext& context, const ProbeTarget& target, std::vector<Duration> plan,
                                 ProbeEvents& events)
    : context_(context), target_(target), plan_(std::move(plan)), events_(events), timer_(context.loop, [this] {
        time_is_up();
      }) {}

void ProbeConnection::start() {
  constexpr bool kLocal = true;  // who probes is the operator
  dialer_.emplace(context_,
                  pool::DialRequest{.hop = target_.hop, .local_client = kLocal, .timeout = target_.connect_timeout},
                  *this);
  dialer_->start();
}

void ProbeConnection::on_dial_failed(const pool::DialFailure& failure) {
  fail(proxy::explain(failure).text);
}

void ProbeConnection::on_dialed(pool::Dialed dialed) {
  opening_ = dialed.times;
  stream_ = std::move(dialed.stream);
  stream_->set_events(*this);
  stream_->resume_reading();
  dialer_.reset();
  send_request();
}

// ---- A request and its response ----

void ProbeConnection::use_again() {
  idle_before_ = idle_for(net::Loop::now());
  ++plan_index_;
  send_request();
}

void ProbeConnection::send_request() {
  state_ = State::AwaitingResponse;
  request_sent_at_ = net::Loop::now();
  head_seen_ = false;
  head_bytes_.clear();
  scan_ = {};
  if (net::write_all(*stream_, target_.request) == net::WriteResult::Failed) {
    return ended_while_asked();
  }
  const bool may_be_lost = answers_ > 0 && target_.hop.unix_path.empty();
  timer_.arm(may_be_lost ? kUnacknowledgedLimit : target_.answer_limit);
}

/// The next use is due, or a response is late.
void ProbeConnection::time_is_up() {
  if (state_ == State::Idle) return use_again();
  if (state_ != State::AwaitingResponse) return;
  const Duration waited = net::Loop::now() - request_sent_at_;
  if (answers_ > 0 && stream_->unacknowledged_bytes() > 0) return silent();
  if (waited < target_.answer_limit) return timer_.arm(target_.answer_limit - waited);
  answers_ > 0 ? silent() : fail("sent no whole answer within " + in_seconds(target_.answer_limit));
}

void ProbeConnection::on_bytes(std::string_view bytes) {
  if (state_ == State::Idle) {
    return server_ended(is_request_timeout(bytes) ? CloseKind::RequestTimeout : CloseKind::StrayBytes);
  }
  last_byte_ = net::Loop::event_time();
  head_seen_ ? read_body(bytes) : read_head(bytes);
}

void ProbeConnection::read_head(std::string_view bytes) {
  head_bytes_ += bytes;
  http::ResponseHead head;
  while (true) {
    const http::HeadProgress progress = parser_.parse_response(head_bytes_, scan_, context_.head_limits, head);
    if (progress == http::HeadProgress::Incomplete) return;
    if (progress == http::HeadProgress::Broken) return fail(kNoHttp + std::string(describe(parser_.fault())));
    if (head.status >= 200 || head.status == 101) break;
    const std::size_t largest = context_.head_limits.max_size;
    if (!interims_.take(net::Loop::event_time(), head.size, largest)) return fail("sent interim responses without end");
    head_bytes_.erase(0, head.size);
    scan_ = {};
  }
  const auto framing = http::response_framing(head, false);
  if (!framing) return fail(kNoHttp + std::string(describe(framing.failure())));
  answer_ = {head.status, http::keep_alive_hint(head.fields), http::server_may_persist(head, *framing)};
  if (answer_.hint.timeout == Duration::zero() || answer_.hint.max == std::uint64_t{0}) answer_.persists = false;
  head_seen_ = true;
  body_.start(*framing, context_.head_limits.max_size, http::SectionOf::Response);
  read_body(std::string_view(head_bytes_).substr(head.size));
}

void ProbeConnection::read_body(std::string_view bytes) {
  std::vector<std::string_view> data;
  const proxy::BodyReader::ReadResult result = body_.read(bytes, data);
  if (result.progress == proxy::BodyReader::Progress::Broken) {
    return fail("sent a broken answer: " + std::string(describe(result.fault)));
  }
  if (!body_.ended()) return;
  if (result.consumed < bytes.size()) return fail("sent more than an answer");
  response_ended();
}

void ProbeConnection::response_ended() {
  if (answers_++ == 0) measured_ = stream_->path().send_state();
  timer_.disarm();
  state_ = State::Idle;
  if (!answer_.persists) {
    over();
  } else if (next_use() > Duration::zero()) {
    timer_.arm(next_use());
  }
  events_.on_answered(*this, idle_before_);
}

// ---- Ends ----

void ProbeConnection::on_end() {
  if (state_ == State::AwaitingResponse && head_seen_ && body_.framing().kind == http::BodyFraming::Kind::UntilClose) {
    return response_ended();
  }
  server_ended(CloseKind::Fin);
}

void ProbeConnection::on_broken(int) {
  // TLS calls an end without its close_notify broken; here it is a close like any other.
  const auto sent = stream_->path().send_state();
  server_ended(sent && sent->peer_ended ? CloseKind::Fin : CloseKind::Rst);
}

void ProbeConnection::server_ended(CloseKind kind) {
  if (state_ != State::Idle) return ended_while_asked();
  const IdleClose close{net::Loop::event_time() - last_byte_, kind};
  over();
  events_.on_closed(*this, close);
}

void ProbeConnection::ended_while_asked() {
  if (answers_ == 0 || head_seen_ || !head_bytes_.empty()) return fail("closed the connection without a whole answer");
  over();
  events_.on_refused(*this, idle_before_);
}

void ProbeConnection::silent() {
  over();
  events_.on_silent(*this, idle_before_);
}

void ProbeConnection::fail(const std::string& why) {
  over();
  events_.on_failed(*this, why);
}

void ProbeConnection::over() {
  state_ = State::Over;
  timer_.disarm();
  dialer_.reset();
  stream_.reset();
}

}  // namespace keepwarm::daemon
