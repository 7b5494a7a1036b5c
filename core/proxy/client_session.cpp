#include "core/proxy/client_session.h"

#include <utility>

#include "core/http/fields.h"
#include "core/http/shown_request.h"
#include "core/net/loop.h"

namespace keepwarm::proxy {

using policy::FailureKind;

namespace {

using namespace std::chrono_literals;

/// Pipelined requests beyond this wait in the kernel.
constexpr std::size_t kMaxPending = 64 * 1024;
/// Pipelined requests that are answered at once, without an exchange, in a row: the others have their turn after these.
constexpr int kRequestsAtOnce = 64;
/// Lingering close: this much is drained, for this long (core/doc/design.md §5).
constexpr std::uint32_t kLingerBytes = 256 * 1024;
constexpr Duration kLingerTime = 2s;
/// A client that has connected shortly before we shut down is about to send a request: it has this long to do so.
constexpr Duration kFirstRequestTime = 250ms;

}  // namespace

ClientSession::ClientSession(ProxyContext& context, const ClientFacts& facts) : facts_(facts), context_(context) {}

ClientSession::~ClientSession() {
  if (state_ != State::Closed) cut(ExchangeOutcome::Shutdown);
}

void ClientSession::start(std::unique_ptr<net::Stream> stream) {
  stream_ = std::move(stream);
  stream_->set_events(*this);
  stream_->resume_reading();
  await_head();
}

void ClientSession::reject(std::unique_ptr<net::Stream> stream, FailureKind kind, std::string_view explanation,
                           std::string_view rule) {
  start(std::move(stream));
  answer(context_.own_answers.failure({.kind = kind, .explanation = explanation, .rule = rule}), {});
}

// ---- Reading requests ----

void ClientSession::on_bytes(std::string_view bytes) {
  switch (state_) {
    case State::AwaitingHead: return read_requests(bytes);
    case State::InExchange: return exchange_bytes(bytes);
    case State::Connecting: return connect_request().client_bytes(bytes);
    case State::Handshaking:
    case State::Tunnelling:
    case State::Upgraded: return;  // others get these events
    case State::Flushing: return stream_->pause_reading();
    case State::Lingering: return linger(bytes);
    case State::Closed: return;
  }
}

void ClientSession::exchange_bytes(std::string_view bytes) {
  if (!exchange_->request_ended()) bytes.remove_prefix(exchange_->request_bytes(bytes));
  if (bytes.empty()) return;
  if (state_ == State::InExchange) return keep_for_later(bytes);
  on_bytes(bytes);  // the exchange ended inside
}

void ClientSession::keep_for_later(std::string_view bytes) {
  pending_.append(bytes);
  wait_or_read_on();
}

void ClientSession::wait_or_read_on() {
  // A head that is not whole yet must be read on: its own limit bounds it.
  const bool must_wait = state_ == State::InExchange || resting_ || stream_->queued_bytes() > 0;
  if (!must_wait) return stream_->resume_reading();
  if (pending_.size() < kMaxPending) return;
  stream_->pause_reading();
  if (state_ == State::InExchange) client_paused();
}

void ClientSession::read_requests(std::string_view input) {
  if (reading_requests_) return;  // exchange_over() inside a request that read_request() began: the loop below goes on
  reading_requests_ = true;
  std::string earlier;
  if (!pending_.empty()) {
    earlier = std::exchange(pending_, {});
    earlier.append(input);
    input = earlier;
    stream_->resume_reading();  // it may be paused for so much, and the request that begins with it may need more
  }
  if (std::exchange(resting_, false)) await_head();
  for (int begun = 0; state_ == State::AwaitingHead && !input.empty() && stream_->queued_bytes() == 0; ++begun) {
    if (begun == kRequestsAtOnce) {
      resting_ = true;
      context_.deadlines.arm(*this, net::Loop::event_time());
      break;
    }
    const std::string_view rest = read_request(input);
    if (rest.data() == input.data() && rest.size() == input.size()) break;
    input = rest;
  }
  reading_requests_ = false;
  if (state_ != State::AwaitingHead && state_ != State::InExchange) return;
  if (!input.empty()) keep_unclaimed(input, earlier);
  if (state_ == State::AwaitingHead && facts_.ended && !waits_to_read()) close_after_flush(false);
}

/// Keeps `input`, which may be all of `earlier`: then that is moved, so that a head which comes byte by byte is not
/// copied each time.
void ClientSession::keep_unclaimed(std::string_view input, std::string& earlier) {
  if (input.size() != earlier.size() || !pending_.empty()) return keep_for_later(input);
  pending_ = std::move(earlier);
  wait_or_read_on();
}

bool ClientSession::waits_to_read() const noexcept {
  return !pending_.empty() && (resting_ || stream_->queued_bytes() > 0);
}

std::string_view ClientSession::read_request(std::string_view input) {
  http::RequestHead head;
  switch (context_.scratch.parser.parse_request(input, head_scan_, context_.mode.head_limits(), head)) {
    case http::HeadProgress::Incomplete:
      if (!head_begun_ && input != "\r" && input != "\r\n") {  // an empty line before a request is no head yet
        head_begun_ = true;
        context_.deadlines.arm(*this, net::Loop::event_time() + context_.mode.settings->client_header_timeout);
      }
      return input;
    case http::HeadProgress::Broken: refuse_head(context_.scratch.parser.fault(), input); return {};
    case http::HeadProgress::Complete: break;
  }
  head_scan_ = {};
  head_begun_ = false;
  DeadlineWheel::disarm(*this);
  return begin_request(head, input.substr(head.size));
}

void ClientSession::refuse_head(http::Fault fault, std::string_view input) {
  if (is_other_protocol(fault)) {
    // Without the port, so that the lines of a client that goes on trying are counted together.
    context_.log.write(LogLevel::Warn, facts_.address.host_text() + ": " + std::string(describe(fault)));
  }
  answer_to_half(context_.own_answers.malformed_head(fault), input);
}

std::string_view ClientSession::begin_request(const http::RequestHead& head, std::string_view rest) {
  has_asked_ = true;
  if (facts_.ended && !client_awaits_answer()) {  // pipelined behind an answer that it did not wait for
    close();
    return {};
  }
  const Route route = this->route(head);
  switch (route.kind) {
    case Route::Kind::Forward: {
      state_ = State::InExchange;
      exchange_ = context_.owner.take_exchange();
      Exchange& exchange = *exchange_;
      rest.remove_prefix(exchange.start(*this, facts_, head, route, rest));
      return rest;
    }
    case Route::Kind::Tunnel: begin_tunnel(head, route.target, rest); return {};
    case Route::Kind::AnswerOptions:
    case Route::Kind::AnswerTrace: answer_to(context_.own_answers.last_forward(head, route), head, route.target); break;
    case Route::Kind::Refuse: answer_to(context_.own_answers.refusal(head, route), head, route.target); break;
  }
  return state_ == State::AwaitingHead ? rest : std::string_view();
}

void ClientSession::await_head() {
  state_ = State::AwaitingHead;
  unsent_mark_ = 0;
  context_.deadlines.arm(*this, net::Loop::event_time() + context_.mode.settings->client_idle_timeout);
}

// ---- The exchange ----

void ClientSession::exchange_over(AfterExchange after) {
  exchange_ = nullptr;
  switch (after) {
    case AfterExchange::Continue:
      if (context_.mode.draining) return close_after_flush(true);
      await_head();
      if (reading_requests_) return;
      stream_->resume_reading();
      return read_requests({});
    case AfterExchange::Close: return close_after_flush(!pending_.empty());
    case AfterExchange::CloseLingering: return close_after_flush(true);
    case AfterExchange::Cut: stream_->mark_cut(); return close_after_flush(true);
    case AfterExchange::Reset: stream_->reset_on_close(); return close();
  }
}

void ClientSession::on_end() {
  facts_.ended = true;
  switch (state_) {
    case State::AwaitingHead:
      if (waits_to_read()) return;
      left_without_request();
      return close_after_flush(false);
    case State::InExchange:
      if (exchange_->request_ended()) return end_unless_awaited(policy::ClientCheck::AtEvent);
      cut(ExchangeOutcome::Client);
      return close();
    case State::Connecting: connect_request().client_ended(); return end_unless_awaited(policy::ClientCheck::AtEvent);
    case State::Handshaking:
    case State::Tunnelling:
    case State::Upgraded: return;  // others get these events
    case State::Flushing: lingering_ = false; return;
    case State::Lingering:
    case State::Closed: return close();
  }
}

/// Whether the client, whose FIN may have come, is still there to read an answer. If so, it may be looked at again
/// later.
bool ClientSession::check_client(policy::ClientCheck why) {
  const policy::ClientHalfClose rule = context_.mode.settings->client_half_close;
  PeerState client{.ended = facts_.ended};
  if (policy::must_ask_kernel(rule, facts_.ended)) client = stream_->path().peer_state();
  const policy::ClientVerdict verdict = policy::client_verdict(rule, client, why);
  // The session has no other deadline while a request is under way.
  if (verdict.check_again) context_.deadlines.arm(*this, net::Loop::event_time() + *verdict.check_again);
  return !verdict.left;
}

void ClientSession::client_paused() {
  if (!armed()) context_.deadlines.arm(*this, net::Loop::event_time() + policy::kCheckEach);
}

void ClientSession::end_unless_awaited(policy::ClientCheck why) {
  if (check_client(why)) return;
  cut(ExchangeOutcome::Client);
  close();
}

void ClientSession::on_broken(int) {
  if (state_ == State::AwaitingHead) left_without_request();
  cut(ExchangeOutcome::Client);
  close();
}

void ClientSession::cut(ExchangeOutcome outcome) {
  const State state = state_;
  const bool tunnels = state == State::Connecting || state == State::Handshaking || state == State::Tunnelling ||
                       state == State::Upgraded;
  // What the client got of an answer or a tunnel must not look like all there was.
  const bool looks_whole = tunnels || (exchange_ != nullptr && exchange_->cut_looks_whole());
  if (stream_ && looks_whole) stream_->reset_on_close();
  if (exchange_ != nullptr) std::exchange(exchange_, nullptr)->client_left(outcome);
  if (tunnels && state != State::Upgraded) connect_request().log_end(outcome);
  if (state == State::Upgraded) context_.pool.tunnel_ended(upgraded_tunnel().to);
}

void ClientSession::on_drained() {
  if (state_ == State::InExchange) return exchange_->client_drained();
  if (state_ == State::Flushing) return flushed();
  if (state_ == State::AwaitingHead && !pending_.empty()) read_requests({});
}

// ---- Connection-bound authentication ----

void ClientSession::bind_connection(pool::HostRef host, pool::Lease lease) {
  bound_ = std::make_unique<BoundConnection>(std::move(host), std::move(lease));
}

pool::Lease ClientSession::take_bound_connection(const pool::HostPool& host) {
  return bound_ ? bound_->take(host) : pool::Lease();
}

// ---- Answers of our own ----

void ClientSession::answer(const OwnAnswer& answer, const RequestName& name) {
  const bool sent = send_answer(answer);
  if (context_.access.enabled()) {
    AccessResult result = result_of(answer, sent, {});
    if (facts_.intercepted) result.road = Road::Intercept;
    context_.access.write(access_record(facts_.address, name, {}, access_times(take_connect_cost()), result));
  }
  after_answer(answer);
}

void ClientSession::answer_to(const OwnAnswer& own, const http::RequestHead& head, const http::Target& target) {
  if (!context_.access.enabled()) return answer(own, {});
  if (facts_.intercepted) return answer_inside(own, head.method);
  if (target.form == http::TargetForm::Absolute && !target.host.empty()) {
    const std::string authority = host_and_port(target.host, target.port);
    return answer(own, {.method = head.method,
                        .host_and_port = authority,
                        .scheme = name_of(target.scheme),
                        .path = target.path_and_query});
  }
  const std::string shown = http::shown_target(head.target);
  answer(own, {.method = head.method, .path = shown});
}

void ClientSession::answer_to_half(const OwnAnswer& own, std::string_view head) {
  has_asked_ = true;
  if (!context_.access.enabled()) return answer(own, {});
  if (facts_.intercepted) return answer_inside(own, {});
  const http::RequestWords words = http::request_words(head);
  const std::string shown = http::shown_target(words.target);
  answer(own, {.method = words.method, .path = shown});
}

/// False: the client is gone. If it goes later, that shows as the end of its stream.
bool ClientSession::send_answer(const OwnAnswer& answer) {
  return net::write_all(*stream_, answer.text) != net::WriteResult::Failed;
}

void ClientSession::after_answer(const OwnAnswer& answer) {
  if (!answer.keep_alive) return close_after_flush(true);
  await_head();
}

// ---- Ends ----

void ClientSession::close_after_flush(bool lingering) {
  DeadlineWheel::disarm(*this);
  bound_.reset();
  pending_.clear();
  stream_->set_events(*this);
  lingering_ = lingering && !facts_.ended;
  state_ = State::Flushing;
  if (stream_->queued_bytes() == 0) return flushed();
  context_.deadlines.arm(*this, net::Loop::event_time() + context_.mode.settings->client_idle_timeout);
}

void ClientSession::flushed() {
  if (!lingering_) return close();
  state_ = State::Lingering;
  stream_->finish_writing();
  stream_->resume_reading();
  context_.deadlines.arm(*this, net::Loop::event_time() + kLingerTime);
}

void ClientSession::linger(std::string_view bytes) {
  drained_ += static_cast<std::uint32_t>(bytes.size());
  if (drained_ > kLingerBytes) close();
}

void ClientSession::on_deadline(TimePoint now) {
  if (state_ == State::InExchange || state_ == State::Connecting) {
    return end_unless_awaited(policy::ClientCheck::ByClock);
  }
  if (state_ == State::Handshaking) {
    cut(ExchangeOutcome::Timeout);
    return close();
  }
  if (resting_) return read_requests({});
  if (context_.mode.draining && state_ == State::AwaitingHead && !head_begun_) {
    note_end(ExchangeOutcome::Shutdown);
    return close_after_flush(false);
  }
  // A slow reader empties the queue without an event of ours: it is not idle.
  const std::size_t before = std::exchange(unsent_mark_, stream_->unacknowledged_bytes());
  if (state_ != State::Lingering && !head_begun_ && unsent_mark_ != before) {
    return context_.deadlines.arm(*this, now + context_.mode.settings->client_idle_timeout);
  }
  if (state_ == State::AwaitingHead && head_begun_) {
    return answer_to_half(context_.own_answers.failure({.kind = FailureKind::ClientTooSlow,
                                                        .explanation = "the request head did not come in time",
                                                        .rule = "client_header_timeout"}),
                          pending_);
  }
  note_end(ExchangeOutcome::Timeout);
  close();
}

void ClientSession::drain() {
  if (state_ != State::AwaitingHead || head_begun_) return;
  if (!has_asked_) return context_.deadlines.arm(*this, net::Loop::event_time() + kFirstRequestTime);
  // To look into TLS is to take from it. What has come by now is read before the deadline is met.
  if (facts_.intercepted) return context_.deadlines.arm(*this, net::Loop::event_time());
  if (stream_->check_idle_alive()) close_after_flush(false);
}

void ClientSession::abort() {
  note_end(ExchangeOutcome::Shutdown);
  cut(ExchangeOutcome::Shutdown);
  close();
}

void ClientSession::close() {
  if (state_ == State::Closed) return;
  if (facts_.intercepted && !has_asked_) log_unused_interception();
  if (state_ == State::Connecting) connect_request().give_up();  // in this turn it might still be connected
  state_ = State::Closed;
  DeadlineWheel::disarm(*this);
  context_.owner.retire_session(*this);
}

}  // namespace keepwarm::proxy
