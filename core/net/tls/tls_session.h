#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/net/tls/openssl_handles.h"
#include "core/net/tls/tls_failure.h"
#include "core/net/tls/tls_failure_text.h"
#include "core/net/tls/tls_renegotiation.h"
#include "core/net/tls/tls_tickets.h"
#include "core/net/tls/tls_wire.h"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;
struct x509_store_ctx_st;

namespace keepwarm::net {

class TlsContext;

/// One TLS connection without a socket, mostly as a client: ciphertext in, plaintext and ciphertext out. What is to be
/// sent is found in TlsWire::outgoing() after each call. Stays where it is, since callbacks of OpenSSL find it through
/// the wire.
///
///   Handshaking ──▶ Open ──▶ Ended             (close_notify of the peer)
///        │           ▲  └──▶ Failed
///        ├──▶ AwaitingVerdict ──▶ Failed       (an alert: our certificate is refused)
///        └──▶ Failed
///
/// AwaitingVerdict (of a client): in TLS 1.3 the client has finished before the server judges the client's certificate
/// (RFC 8446 §4.4.2.4), so a handshake in which one was demanded is over only when something follows it.
class TlsSession {
 public:
  enum class State : std::uint8_t { Handshaking, AwaitingVerdict, Open, Ended, Failed };

  /// Writes the ClientHello, with the newest of `tickets` (which may be null) if there is one. `server_name` is the
  /// name or address that the certificate must be for; a name is sent to the server too (SNI, RFC 6066 §3). Fails at
  /// once if it is neither.
  TlsSession(TlsWire& wire, const TlsContext& context, std::string_view server_name,
             std::shared_ptr<TlsTickets> tickets);

  /// As a server. `accepting` has all that it needs for a handshake; that of TlsServer says what is not done here: it
  /// asks for no certificate, and keeps no sessions. Writes nothing before the client's hello is fed.
  TlsSession(TlsWire& wire, SslHandle accepting);

  /// A session without a wire, and so of no thread.
  struct Detached {
    SslHandle ssl;
  };
  /// One that was detached from another wire: Open.
  TlsSession(TlsWire& wire, Detached detached, std::shared_ptr<TlsTickets> tickets);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;

  [[nodiscard]] State state() const noexcept { return state_; }

  struct Fed {
    std::string_view plaintext;  ///< valid until the next call for any session of the wire
    std::size_t left;            ///< so much of the end of the ciphertext was not taken, and is to be fed again
  };
  /// Takes ciphertext, at most Loop::kReadBufferSize of it, and returns the plaintext that it holds. It stops when it
  /// is later than `until`. What comes after an end or a failure is ignored.
  [[nodiscard]] Fed feed(std::string_view ciphertext, TimePoint until = TimePoint::max());
  /// Takes ciphertext that came while the connection was idle, and so must hold no plaintext. False: it held some, the
  /// session is not open, or it is later than `until`.
  [[nodiscard]] bool feed_while_idle(std::string_view ciphertext, TimePoint until = TimePoint::max());
  /// Whether no record has come only in part, and no handshake is under way.
  [[nodiscard]] bool between_records() const noexcept;

  /// Nothing came for so long that the server has accepted our certificate. Only in AwaitingVerdict.
  void assume_accepted() noexcept { state_ = State::Open; }

  /// Encrypts `pieces`, in as few records as may be. Open or Ended only; false: OpenSSL failed.
  [[nodiscard]] bool write(std::span<const std::string_view> pieces);
  /// Plaintext of write() that waits for the end of a handshake that the server has begun.
  [[nodiscard]] std::size_t unsent_bytes() const noexcept { return renegotiation_ ? renegotiation_->unsent.size() : 0; }
  /// Writes close_notify: nothing is written after it.
  void close() noexcept;

  /// Gives up the connection, for a wire of another thread. Open only; afterwards only good for being destroyed.
  [[nodiscard]] Detached detach() noexcept;

  /// After the handshake: was a kept session resumed; "TLSv1.3".
  [[nodiscard]] bool resumed() const noexcept;
  [[nodiscard]] std::string_view protocol() const noexcept;

  /// As a client: the server has asked for a certificate, in the handshake or later.
  [[nodiscard]] bool certificate_requested() const noexcept { return certificate_requested_; }
  /// Or it had done so before on the connection whose session was resumed: it does not ask again then.
  [[nodiscard]] bool certificate_ever_requested() const noexcept;
  /// Why it Failed; nullptr else.
  [[nodiscard]] const TlsFailure* failure() const noexcept { return failure_.get(); }

  /// Sets the callbacks by which OpenSSL reports to the sessions that are made of `context`.
  static void set_callbacks(ssl_ctx_st* context, bool verify);

 private:
  static int on_verified(int accepted, x509_store_ctx_st* verification);
  static int on_certificate_request(ssl_st* ssl, void*);
  static int on_new_session(ssl_st* ssl, ssl_session_st* session);

  [[nodiscard]] TlsPeer peer() const noexcept;
  [[nodiscard]] bool name_server(std::string_view name, bool verify);
  void shake_hands();
  void complete_handshake();
  void free_chains() noexcept;
  [[nodiscard]] std::size_t read(std::span<char> space);
  void allow_late_request();
  [[nodiscard]] bool follow_renegotiation();
  void read_failed(int error);
  void count_empty_message();
  [[nodiscard]] bool check_protocol();
  [[nodiscard]] bool write_record(std::string_view plaintext);
  void keep(ssl_session_st* session);
  void fail(TlsFailure failure);
  void fail_by_queue();

  TlsWire& wire_;
  ssl_st* ssl_;
  std::shared_ptr<TlsTickets> tickets_;
  std::unique_ptr<TlsFailure> failure_;
  std::unique_ptr<Renegotiation> renegotiation_;  ///< if we have a certificate to show
  State state_ = State::Handshaking;
  std::uint8_t empty_messages_ = 0;  ///< since data last came
  bool certificate_requested_ = false;
  bool heard_after_handshake_ = false;
};

}  // namespace keepwarm::net
