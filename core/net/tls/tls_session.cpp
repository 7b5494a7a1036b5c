#include "core/net/tls/tls_session.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <new>
#include <utility>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/base/ip.h"
#include "core/net/tls/tls_context.h"
#include "core/net/tls/tls_failure_text.h"
#include "core/net/tls/tls_kept_session.h"

namespace keepwarm::net {

namespace {

constexpr std::string_view kProtocol = "http/1.1";
/// In a row; one that OpenSSL answers (a key update) counts twice. Servers send some tickets at once, and anything else
/// a few times a day.
constexpr std::uint8_t kMaxEmptyMessages = 32;

}  // namespace

void TlsSession::set_callbacks(ssl_ctx_st* context, bool verify) {
  if (verify) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, on_verified);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  }
  SSL_CTX_set_cert_cb(context, on_certificate_request, nullptr);
  SSL_CTX_sess_set_new_cb(context, on_new_session);
}

TlsSession::TlsSession(TlsWire& wire, const TlsContext& context, std::string_view server_name,
                       std::shared_ptr<TlsTickets> tickets)
    : wire_(wire), ssl_(SSL_new(context.ssl())), tickets_(std::move(tickets)) {
  const TlsWire::Operation operation(wire_, *this, {});
  if (ssl_ == nullptr || !wire.attach(ssl_)) throw std::bad_alloc();
  if (!name_server(server_name, context.settings().verify)) {
    fail({.text = "the name of the server cannot be one of TLS"});
    return;
  }
  SSL_set_connect_state(ssl_);
  if (const auto ticket = tickets_ ? tickets_->take() : std::nullopt) resume_session(ssl_, *ticket);
  shake_hands();
}

TlsSession::TlsSession(TlsWire& wire, Detached detached, std::shared_ptr<TlsTickets> tickets)
    : wire_(wire),
      ssl_(detached.ssl.release()),
      tickets_(std::move(tickets)),
      state_(State::Open),
      heard_after_handshake_(true) {
  if (!wire.attach(ssl_)) throw std::bad_alloc();
  allow_late_request();
}

TlsSession::TlsSession(TlsWire& wire, SslHandle accepting) : wire_(wire), ssl_(accepting.release()) {
  if (!wire.attach(ssl_)) throw std::bad_alloc();
  SSL_set_accept_state(ssl_);
}

TlsSession::Detached TlsSession::detach() noexcept {
  SSL_set_bio(ssl_, nullptr, nullptr);  // frees our BIO: the session does not point to this wire any more
  tickets_.reset();
  state_ = State::Ended;
  return {SslHandle(std::exchange(ssl_, nullptr))};
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

bool TlsSession::name_server(std::string_view name, bool verify) {
  // With an empty name OpenSSL would check nothing, and a name with a NUL would reach the server cut off there.
  if (name.empty() || name.find('\0') != std::string_view::npos) return false;
  const std::string text(name);
  const bool address = IpAddress::parse(name).has_value();
  if (!address && SSL_set_tlsext_host_name(ssl_, text.c_str()) != 1) return false;
  if (!verify) return true;
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_);
  if (address) return X509_VERIFY_PARAM_set1_ip_asc(param, text.c_str()) == 1;
  // A common name is no name of a host (RFC 9110 §4.3.4).
  X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  return X509_VERIFY_PARAM_set1_host(param, name.data(), name.size()) == 1;
}

TlsSession::Fed TlsSession::feed(std::string_view ciphertext, TimePoint until) {
  const TlsWire::Operation operation(wire_, *this, ciphertext, until);
  if (state_ == State::Handshaking) shake_hands();
  const std::span<char> space = wire_.plaintext();
  const std::size_t size = read(space);
  const bool over = state_ == State::Ended || state_ == State::Failed;
  return {{space.data(), size}, over ? 0 : wire_.unread()};
}

bool TlsSession::feed_while_idle(std::string_view ciphertext, TimePoint until) {
  const TlsWire::Operation operation(wire_, *this, ciphertext, until);
  char byte = 0;
  return read({&byte, 1}) == 0 && state_ == State::Open && wire_.unread() == 0;
}

bool TlsSession::between_records() const noexcept {
  // OpenSSL counts no record as pending of which it has just the header.
  return SSL_has_pending(ssl_) == 0 && SSL_in_init(ssl_) == 0 && std::string_view(SSL_rstate_string(ssl_)) == "RH";
}

void TlsSession::shake_hands() {
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return complete_handshake();
  if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) fail_by_queue();
}

/// False: the server has chosen a protocol that was not offered, and the session has failed.
bool TlsSession::check_protocol() {
  const unsigned char* selected = nullptr;
  unsigned int size = 0;
  SSL_get0_alpn_selected(ssl_, &selected, &size);  // early patch levels of OpenSSL 3.0 do not check it themselves
  const std::string_view protocol(reinterpret_cast<const char*>(selected), size);
  if (protocol.empty() || protocol == kProtocol) return true;
  fail(protocol_not_offered(protocol));
  return false;
}

void TlsSession::complete_handshake() {
  if (!check_protocol()) return;
  const bool is_1_3 = SSL_version(ssl_) >= TLS1_3_VERSION;
  // TLS 1.2 lets a session be resumed many times, and OpenSSL does not report a resumed session as a new one.
  if (!is_1_3 && resumed()) keep(SSL_get0_session(ssl_));
  free_chains();
  allow_late_request();
  SSL_set_mode(ssl_, SSL_MODE_RELEASE_BUFFERS);  // else an idle connection holds 33 KiB of them
  state_ = is_1_3 && certificate_requested_ ? State::AwaitingVerdict : State::Open;
}

/// The server may ask for our certificate, if we have one, though its handshake is over.
void TlsSession::allow_late_request() {
  if (peer() == TlsPeer::Server && SSL_get_certificate(ssl_) != nullptr)
    renegotiation_ = std::make_unique<Renegotiation>(ssl_);
}

/// False: the session has failed.
bool TlsSession::follow_renegotiation() {
  switch (renegotiation_->look()) {
    case Renegotiation::Step::UnderWay: return true;
    case Renegotiation::Step::ServerChanged:
      fail({.kind = TlsFailure::Kind::Certificate, .text = "the server has changed its certificate on the connection"});
      return false;
    case Renegotiation::Step::Ended:
      free_chains();
      if (!check_protocol()) return false;
      break;
    case Renegotiation::Step::None: break;
  }
  if (renegotiation_->unsent.empty()) return true;
  const std::string held = std::exchange(renegotiation_->unsent, {});
  if (write_record(held)) return true;
  fail_by_queue();
  return false;
}

/// The certificates have been judged and are not needed any more; parsed, those of intermediates would be a quarter of
/// what an idle connection costs.
void TlsSession::free_chains() noexcept {
  for (STACK_OF(X509) * chain : {SSL_get_peer_cert_chain(ssl_), SSL_get0_verified_chain(ssl_)}) {
    while (sk_X509_num(chain) > 0) X509_free(sk_X509_pop(chain));
  }
}

std::size_t TlsSession::read(std::span<char> space) {
  std::size_t size = 0;
  while (state_ == State::Open || state_ == State::AwaitingVerdict) {
    std::size_t count = 0;
    const int result = SSL_read_ex(ssl_, space.data() + size, space.size() - size, &count);
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(ssl_, result);
    if (renegotiation_ && error != SSL_ERROR_SSL && !follow_renegotiation()) break;
    size += count;
    if (heard_after_handshake_ || size > 0) state_ = State::Open;
    if (result == 1) {
      empty_messages_ = 0;
      if (renegotiation_) renegotiation_->data_came();
      if (size == space.size()) break;
      continue;
    }
    if (error != SSL_ERROR_WANT_READ) {
      read_failed(error);
    } else if (!wire_.starved()) {
      count_empty_message();
    } else {
      // A ticket makes OpenSSL allocate buffers for an answer that it does not send.
      if (between_records()) SSL_free_buffers(ssl_);
      break;
    }
  }
  return size;
}

void TlsSession::read_failed(int error) {
  if (error == SSL_ERROR_ZERO_RETURN) {
    state_ = State::Ended;
  } else {
    fail_by_queue();
  }
}

/// OpenSSL has taken a message that holds no data, and returned (it does without SSL_MODE_AUTO_RETRY): a ticket, or one
/// that only costs time, or an answer of ours, without end.
void TlsSession::count_empty_message() {
  if (++empty_messages_ > kMaxEmptyMessages) fail(too_many_empty_messages(peer()));
}

bool TlsSession::write(std::span<const std::string_view> pieces) {
  const TlsWire::Operation operation(wire_, *this, {});
  if (renegotiation_) renegotiation_->request_written();
  if (pieces.size() == 1) return write_record(pieces.front());
  const std::span<char> record = wire_.record();
  std::size_t gathered = 0;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      if (gathered == 0 && piece.size() >= record.size()) {
        const std::size_t whole = piece.size() - piece.size() % record.size();
        if (!write_record(piece.substr(0, whole))) return false;
        piece.remove_prefix(whole);
        continue;
      }
      const std::size_t count = std::min(piece.size(), record.size() - gathered);
      std::memcpy(record.data() + gathered, piece.data(), count);
      gathered += count;
      piece.remove_prefix(count);
      if (gathered < record.size()) break;
      if (!write_record({record.data(), gathered})) return false;
      gathered = 0;
    }
  }
  return gathered == 0 || write_record({record.data(), gathered});
}

/// Of more than a record, OpenSSL makes several. While a handshake is under way the plaintext is kept.
bool TlsSession::write_record(std::string_view plaintext) {
  std::size_t written = 0;
  const bool must_wait = unsent_bytes() > 0;
  if (!must_wait && SSL_write_ex(ssl_, plaintext.data(), plaintext.size(), &written) == 1) return true;
  if (!must_wait && (!renegotiation_ || SSL_get_error(ssl_, 0) != SSL_ERROR_WANT_READ)) return false;
  renegotiation_->unsent.append(plaintext);
  return true;
}

void TlsSession::close() noexcept {
  const TlsWire::Operation operation(wire_, *this, {});
  if (state_ != State::Failed) SSL_shutdown(ssl_);
}

TlsPeer TlsSession::peer() const noexcept {
  return SSL_is_server(ssl_) == 1 ? TlsPeer::Client : TlsPeer::Server;
}

bool TlsSession::certificate_ever_requested() const noexcept {
  return certificate_requested_ || (resumed() && was_certificate_requested(SSL_get0_session(ssl_)));
}

bool TlsSession::resumed() const noexcept {
  return SSL_session_reused(ssl_) == 1;
}

std::string_view TlsSession::protocol() const noexcept {
  return SSL_get_version(ssl_);
}

int TlsSession::on_verified(int accepted, x509_store_ctx_st* verification) {
  if (accepted == 1) return 1;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()));
  TlsWire::session_of(ssl).failure_ = std::make_unique<TlsFailure>(certificate_failure(verification));
  return 0;
}

/// OpenSSL asks for a certificate to send; the one of the context has been set already.
int TlsSession::on_certificate_request(ssl_st* ssl, void*) {
  TlsWire::session_of(ssl).certificate_requested_ = true;
  return 1;
}

int TlsSession::on_new_session(ssl_st* ssl, ssl_session_st* session) {
  TlsSession& self = TlsWire::session_of(ssl);
  self.heard_after_handshake_ = true;
  self.keep(session);
  return 0;  // no reference was taken
}

void TlsSession::keep(ssl_session_st* session) {
  if (!tickets_ || SSL_SESSION_is_resumable(session) != 1) return;
  std::string kept = kept_session(session, certificate_requested_);
  if (!kept.empty()) tickets_->put(std::move(kept));
}

void TlsSession::fail(TlsFailure failure) {
  state_ = State::Failed;
  failure_ = std::make_unique<TlsFailure>(std::move(failure));
}

void TlsSession::fail_by_queue() {
  const bool opening = SSL_get_state(ssl_) == TLS_ST_CW_CLNT_HELLO || SSL_get_state(ssl_) == TLS_ST_BEFORE;
  const TlsPhase phase = state_ != State::Handshaking ? TlsPhase::Established
                         : opening                    ? TlsPhase::Opening
                                                      : TlsPhase::Handshaking;
  if (failure_) {  // our verdict on the certificate says more than OpenSSL's
    state_ = State::Failed;
  } else {
    TlsFailure failure = queued_failure(peer(), phase);
    failure.certificate_requested = certificate_requested_;
    if (failure.kind == TlsFailure::Kind::Alert && certificate_requested_) {
      failure.text += ", after it had asked for a client certificate";
    }
    fail(std::move(failure));
  }
}

}  // namespace keepwarm::net
