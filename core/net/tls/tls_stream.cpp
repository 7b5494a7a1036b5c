#include "core/net/tls/tls_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include "core/net/tls/tls_failure_text.h"

namespace keepwarm::net {

namespace {

using State = TlsSession::State;

// How long a server that asked for a client certificate may take to refuse it, beyond what the handshake took.
constexpr Duration kShortestVerdict = std::chrono::milliseconds(50);

// More than any server sends while a connection is idle: a few tickets.
constexpr std::size_t kMaxIdleBytes = std::size_t{64} * 1024;

/// Answers of TLS to what the server sent (alerts, keys, certificates) that wait because it does not read.
constexpr std::size_t kMaxOwed = std::size_t{64} * 1024;

/// Made before an event is reported: tells afterwards whether the stream was destroyed inside it.
class Alive {
 public:
  explicit Alive(bool*& destroyed) noexcept : slot_(&destroyed) { destroyed = &gone_; }
  ~Alive() {
    if (!gone_) *slot_ = nullptr;
  }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  explicit operator bool() const noexcept { return !gone_; }

 private:
  bool** slot_;
  bool gone_ = false;
};

}  // namespace

std::unique_ptr<TlsStream> TlsStream::start(TlsClient& client, const TlsContext& context,
                                            std::unique_ptr<TcpStream> transport, std::string_view server_name,
                                            std::shared_ptr<TlsTickets> tickets, TlsHandshakeEvents& events) {
  return std::unique_ptr<TlsStream>(
      new TlsStream(client, context, std::move(transport), server_name, std::move(tickets), events));
}

TlsStream::TlsStream(TlsClient& client, const TlsContext& context, std::unique_ptr<TcpStream> transport,
                     std::string_view server_name, std::shared_ptr<TlsTickets> tickets, TlsHandshakeEvents& events)
    : client_(client),
      session_(client.wire(), context, server_name, std::move(tickets)),
      transport_(std::move(transport)),
      handshake_events_(&events),
      started_(Loop::now()) {
  transport_->set_events(*this);
  flush();  // if it cannot be sent, reading tells
  if (session_.state() == State::Failed) {
    deliver_later();
  } else {
    transport_->resume_reading();
  }
}

std::unique_ptr<TlsStream> TlsStream::accept(TlsClient& client, SslHandle accepting,
                                             std::unique_ptr<TcpStream> transport, std::string_view received,
                                             TlsHandshakeEvents& events) {
  return std::unique_ptr<TlsStream>(
      new TlsStream(client, std::move(accepting), std::move(transport), received, events));
}

TlsStream::TlsStream(TlsClient& client, SslHandle accepting, std::unique_ptr<TcpStream> transport,
                     std::string_view received, TlsHandshakeEvents& events)
    : client_(client),
      session_(client.wire(), std::move(accepting)),
      transport_(std::move(transport)),
      handshake_events_(&events),
      started_(Loop::now()) {
  transport_->set_events(*this);
  // There is no plaintext before the client has answered.
  if (!received.empty()) static_cast<void>(decrypt(received));
  if (session_.state() == State::Failed) {
    deliver_later();
  } else if (!rest_) {
    transport_->resume_reading();
  }
}

TlsStream::~TlsStream() {
  if (destroyed_ != nullptr) *destroyed_ = true;
  const bool healthy = phase_ == Phase::Secured || phase_ == Phase::Ended;
  if (!healthy || reset_ || cut_ || finished_ || writing_failed_ || queued_bytes() > 0) return;
  session_.close();
  flush();
}

WriteResult TlsStream::flush() {
  constexpr std::size_t kKept = std::size_t{1} << 20U;
  std::string& outgoing = client_.wire().outgoing();
  if (outgoing.empty()) return WriteResult::Done;
  const WriteResult result = writing_failed_ ? WriteResult::Failed : write_all(*transport_, outgoing);
  outgoing.clear();
  if (outgoing.capacity() > kKept) outgoing.shrink_to_fit();
  writing_failed_ = result == WriteResult::Failed;
  return result;
}

void TlsStream::on_bytes(std::string_view ciphertext) {
  react(decrypt(ciphertext));
}

/// Returns the plaintext. What there is no time for becomes the rest.
std::string_view TlsStream::decrypt(std::string_view ciphertext) {
  const bool held_back = session_.unsent_bytes() > 0;
  const TlsSession::Fed fed = session_.feed(ciphertext, Loop::event_time() + Loop::kShare);
  const std::size_t answers = held_back ? 0 : client_.wire().outgoing().size();
  if (flush() == WriteResult::Queued) owed_ += answers;
  if (fed.left > 0) {
    transport_->pause_reading();
    rest_ = std::make_unique<Rest>(*this, ciphertext.substr(ciphertext.size() - fed.left));
    client_.loop().go_on_next_turn(*rest_);
  }
  return fed.plaintext;
}

void TlsStream::react(std::string_view plaintext) {
  if (owed_ > kMaxOwed && phase_ == Phase::Secured) return report_broken(-ENOBUFS);
  if (phase_ == Phase::Handshaking && !settle_handshake()) return;
  if (drain_is_awaited_ && queued_bytes() == 0) {  // what a renegotiation had held back has gone out
    const Alive alive(destroyed_);
    on_drained();
    if (!alive) return;
  }
  deliver(plaintext);
}

void TlsStream::take_rest() {
  const bool wanted = phase_ == Phase::Handshaking || (phase_ == Phase::Secured && listening());
  if (!wanted) return;  // resume_reading() has it go on, or nobody needs it any more
  const auto rest = std::move(rest_);
  const std::string_view plaintext = decrypt(rest->ciphertext);
  if (!rest_) transport_->resume_reading();
  react(plaintext);
}

/// Reads on, from the rest first.
void TlsStream::want_input() {
  if (!rest_) return transport_->resume_reading();
  client_.loop().go_on_next_turn(*rest_);
}

/// Reports how the handshake ended, if it has. true: it went well, and the stream is still there.
bool TlsStream::settle_handshake() {
  switch (session_.state()) {
    case State::Handshaking: return false;
    case State::AwaitingVerdict: await_verdict(); return false;
    case State::Failed: fail_handshake(TlsFailure(*session_.failure())); return false;
    case State::Ended:
    case State::Open: break;
  }
  phase_ = Phase::Secured;
  verdict_.reset();
  client_.handshake_over();
  const Alive alive(destroyed_);
  handshake_events_->on_secured();
  if (!alive) return false;
  if (!reading_) transport_->pause_reading();
  return true;
}

void TlsStream::await_verdict() {
  if (verdict_) return;
  verdict_ = std::make_unique<Timer>(client_.loop(), [this] {
    session_.assume_accepted();
    if (settle_handshake()) deliver({});
  });
  verdict_->arm(std::max(2 * (Loop::now() - started_), kShortestVerdict));
}

void TlsStream::fail_handshake(const TlsFailure& failure) {
  phase_ = Phase::Over;
  verdict_.reset();
  client_.handshake_over();
  transport_->pause_reading();
  handshake_events_->on_handshake_failed(failure);
}

/// Reports what has come, or keeps it while nobody listens.
void TlsStream::deliver(std::string_view plaintext) {
  if (!listening()) {
    if (plaintext.empty()) return;
    if (!held_) held_ = std::make_unique<std::string>();
    held_->append(plaintext);
    return;
  }
  if (!plaintext.empty()) {
    const Alive alive(destroyed_);
    events_->on_bytes(plaintext);
    if (!alive) return;
  }
  if (listening()) report_end();
}

bool TlsStream::session_is_over() const noexcept {
  return session_.state() == State::Ended || session_.state() == State::Failed;
}

/// Reports that TLS has ended, if it has.
void TlsStream::report_end() {
  if (phase_ != Phase::Secured || !session_is_over()) return;
  if (session_.state() == State::Failed) return report_broken(-EPROTO);
  phase_ = Phase::Ended;
  transport_->pause_reading();  // what follows close_notify means nothing
  events_->on_end();
}

void TlsStream::report_broken(int error) {
  phase_ = Phase::Over;
  transport_->pause_reading();
  if (events_ != nullptr) events_->on_broken(error);
}

/// Reports what is held back, outside of any event.
void TlsStream::deliver_later() {
  if (!later_) {
    later_ = std::make_unique<AfterTurn>(client_.loop(), [this] {
      if (phase_ == Phase::Handshaking) return static_cast<void>(settle_handshake());
      if (phase_ != Phase::Secured || !listening()) return;
      if (!session_is_over()) want_input();
      const auto held = std::move(held_);
      deliver(held ? std::string_view(*held) : std::string_view());
    });
  }
  later_->request();
}

void TlsStream::on_end() {
  switch (phase_) {
    case Phase::Handshaking: return fail_handshake(closed_failure(0, session_.certificate_requested()));
    case Phase::Secured: return report_broken(-ECONNRESET);
    case Phase::Ended:
    case Phase::Over: return;
  }
}

void TlsStream::on_broken(int error) {
  switch (phase_) {
    case Phase::Handshaking: return fail_handshake(closed_failure(error, session_.certificate_requested()));
    case Phase::Secured:
    case Phase::Ended: return report_broken(error);
    case Phase::Over: return;
  }
}

void TlsStream::on_drained() {
  owed_ = 0;
  if (session_.unsent_bytes() > 0) return;
  if (!std::exchange(drain_is_awaited_, false)) return;  // it was something that TLS sent for itself
  if (events_ != nullptr && phase_ != Phase::Over) events_->on_drained();
}

void TlsStream::set_events(StreamEvents& events) noexcept {
  events_ = &events;
}

WriteResult TlsStream::write(std::span<const std::string_view> pieces) {
  const bool open = phase_ == Phase::Secured || phase_ == Phase::Ended;
  if (!open || writing_failed_ || session_.state() == State::Failed) return WriteResult::Failed;
  const bool encrypted = session_.write(pieces);
  const WriteResult flushed = flush();
  if (!encrypted) writing_failed_ = true;
  if (writing_failed_) return WriteResult::Failed;
  const WriteResult result = session_.unsent_bytes() > 0 ? WriteResult::Queued : flushed;
  drain_is_awaited_ = result == WriteResult::Queued;
  return result;
}

std::size_t TlsStream::queued_bytes() const noexcept {
  return transport_->queued_bytes() + session_.unsent_bytes();
}

std::size_t TlsStream::unacknowledged_bytes() const noexcept {
  return transport_->unacknowledged_bytes();
}

void TlsStream::pause_reading() noexcept {
  reading_ = false;
  transport_->pause_reading();
}

void TlsStream::resume_reading() noexcept {
  if (reading_) return;
  reading_ = true;
  if (phase_ != Phase::Secured) return;
  if (held_ || session_is_over()) return deliver_later();
  want_input();
}

void TlsStream::finish_writing() noexcept {
  if (finished_ || phase_ == Phase::Handshaking || phase_ == Phase::Over) return;
  finished_ = true;
  if (!cut_) session_.close();
  flush();
  transport_->finish_writing();
}

void TlsStream::mark_cut() noexcept {
  cut_ = true;
}

void TlsStream::reset_on_close() noexcept {
  reset_ = true;
  transport_->reset_on_close();
}

bool TlsStream::check_idle_alive() noexcept {
  if (phase_ != Phase::Secured || session_.state() != State::Open || held_ || rest_) return false;
  // Not the loop's buffer: it may be in use up the stack.
  std::array<char, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): only what was read is used
  std::size_t total = 0;
  while (total < kMaxIdleBytes) {
    const ssize_t count = transport_->read_now(buffer);
    if (count == -EAGAIN) return session_.between_records();
    if (count <= 0) return false;
    total += static_cast<std::size_t>(count);
    const bool still_idle =
        session_.feed_while_idle({buffer.data(), static_cast<std::size_t>(count)}, Loop::now() + Loop::kShare);
    flush();
    if (!still_idle || writing_failed_) return false;
  }
  return false;
}

bool TlsStream::check_idle_alive_cached(TimePoint since) noexcept {
  const bool undisturbed =
      phase_ == Phase::Secured && session_.state() == State::Open && !held_ && !rest_ && session_.between_records();
  return (undisturbed && transport_->check_idle_alive_cached(since)) || check_idle_alive();
}

TcpPath& TlsStream::path() noexcept {
  return transport_->path();
}

const TlsFailure* TlsStream::tls_failure() const noexcept {
  return session_.failure();
}

}  // namespace keepwarm::net
