#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "core/net/after_turn.h"
#include "core/net/next_turn.h"
#include "core/net/stream.h"
#include "core/net/tcp_stream.h"
#include "core/net/timer.h"
#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_failure.h"
#include "core/net/tls/tls_session.h"
#include "core/net/tls/tls_tickets.h"

namespace keepwarm::net {

/// How a handshake ends. The stream may be destroyed, or given to another user, inside either.
class TlsHandshakeEvents {
 public:
  /// The server is who it should be, and nothing was refused; or the client has finished. The events of the stream are
  /// to be set now; as with any stream, reading is off until resume_reading().
  virtual void on_secured() = 0;
  /// The stream is only good for being destroyed. `failure` is valid during the call.
  virtual void on_handshake_failed(const TlsFailure& failure) = 0;

 protected:
  ~TlsHandshakeEvents() = default;
};

/// TLS over a TcpStream, as a client, or as a server by TlsServer. To what Stream says:
/// - on_end() means close_notify, and only that. A transport that ends without it has been cut: on_broken(-ECONNRESET),
///   for an attacker can do that (RFC 8446 §6.1). What breaks TLS itself is on_broken(-EPROTO) and tls_failure().
/// - All plaintext of one read of the transport comes with one on_bytes(), so a pause leaves nothing in OpenSSL. Only
///   what would take longer than the stream's share of a turn is put aside, as it came, and goes on in the next one.
/// - What TLS has to answer by itself is bounded: a peer that has it answer and does not read is broken off.
/// - Bytes that are queued or unacknowledged are counted as ciphertext.
/// - Destroying it sends close_notify, unless bytes are still queued, or reset_on_close() or mark_cut() was called.
class TlsStream final : public Stream, private StreamEvents {
 public:
  /// Takes over a connected transport and begins the handshake at once. Exactly one of the two events follows, never
  /// inside start(), unless the stream is destroyed before. `server_name`: the name or IP literal (without brackets) to
  /// verify; a name is sent as SNI. It has no time limit of its own: the owner has one. `tickets` may be null; `client`
  /// and `events` must outlive the stream, the latter until its event.
  [[nodiscard]] static std::unique_ptr<TlsStream> start(TlsClient& client, const TlsContext& context,
                                                        std::unique_ptr<TcpStream> transport,
                                                        std::string_view server_name,
                                                        std::shared_ptr<TlsTickets> tickets,
                                                        TlsHandshakeEvents& events);
  /// Takes over a client's connection, and `received`, the bytes that have come on it, at most Loop::kReadBufferSize
  /// of them. Else as start(), with on_secured() when the client has finished. `accepting`: see TlsSession.
  [[nodiscard]] static std::unique_ptr<TlsStream> accept(TlsClient& client, SslHandle accepting,
                                                         std::unique_ptr<TcpStream> transport,
                                                         std::string_view received, TlsHandshakeEvents& events);
  ~TlsStream() override;
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  /// From on_secured() on: was a kept session resumed; "TLSv1.3".
  [[nodiscard]] bool resumed() const noexcept { return session_.resumed(); }
  [[nodiscard]] std::string_view protocol() const noexcept { return session_.protocol(); }
  /// As a client: whether the server has asked for a certificate, though it may go on without one; on this connection,
  /// or on that whose session was resumed.
  [[nodiscard]] bool certificate_requested() const noexcept { return session_.certificate_ever_requested(); }

  void set_events(StreamEvents& events) noexcept override;
  [[nodiscard]] WriteResult write(std::span<const std::string_view> pieces) override;
  [[nodiscard]] std::size_t queued_bytes() const noexcept override;
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept override;
  void pause_reading() noexcept override;
  void resume_reading() noexcept override;
  void finish_writing() noexcept override;
  void reset_on_close() noexcept override;
  void mark_cut() noexcept override;
  [[nodiscard]] bool check_idle_alive() noexcept override;
  [[nodiscard]] bool check_idle_alive_cached(TimePoint since) noexcept override;
  [[nodiscard]] TcpPath& path() noexcept override;
  [[nodiscard]] std::unique_ptr<DetachedStream> detach() override;
  [[nodiscard]] const TlsFailure* tls_failure() const noexcept override;

 private:
  enum class Phase : std::uint8_t {
    Handshaking,
    Secured,
    Ended,  ///< on_end() was reported
    Over,   ///< on_broken() or on_handshake_failed() was reported
  };

  TlsStream(TlsClient& client, const TlsContext& context, std::unique_ptr<TcpStream> transport,
            std::string_view server_name, std::shared_ptr<TlsTickets> tickets, TlsHandshakeEvents& events);

  TlsStream(TlsClient& client, SslHandle accepting, std::unique_ptr<TcpStream> transport, std::string_view received,
            TlsHandshakeEvents& events);

  class Detached;
  /// One that comes from another loop.
  TlsStream(TlsClient& client, TlsSession::Detached session, std::shared_ptr<TlsTickets> tickets,
            std::unique_ptr<TcpStream> transport);

  // Of the transport:
  void on_bytes(std::string_view ciphertext) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override;

  /// Ciphertext for which there was no time.
  struct Rest final : Continuation {
    Rest(TlsStream& of, std::string_view bytes) : stream(of), ciphertext(bytes) {}
    void go_on() override {
      Loop::begin_event();
      stream.take_rest();
    }

    TlsStream& stream;
    std::string ciphertext;
  };

  WriteResult flush();
  [[nodiscard]] std::string_view decrypt(std::string_view ciphertext);
  void react(std::string_view plaintext);
  void take_rest();
  void want_input();
  [[nodiscard]] bool settle_handshake();
  void await_verdict();
  void fail_handshake(const TlsFailure& failure);
  void deliver(std::string_view plaintext);
  void deliver_later();
  void report_end();
  void report_broken(int error);
  [[nodiscard]] bool listening() const noexcept { return reading_ && events_ != nullptr; }
  [[nodiscard]] bool session_is_over() const noexcept;

  TlsClient& client_;
  TlsSession session_;
  std::unique_ptr<TcpStream> transport_;
  TlsHandshakeEvents* handshake_events_ = nullptr;
  StreamEvents* events_ = nullptr;
  bool* destroyed_ = nullptr;          // set for the frame that is in an event
  std::unique_ptr<std::string> held_;  // plaintext that came before the user read
  std::unique_ptr<Rest> rest_;         // while there is one, nothing is read from the transport
  std::unique_ptr<AfterTurn> later_;   // once what was held back is to be reported
  std::unique_ptr<Timer> verdict_;     // while AwaitingVerdict
  TimePoint started_;
  std::size_t owed_ = 0;  // bytes of our own answers that were queued since the queue was empty
  Phase phase_ = Phase::Handshaking;
  bool reading_ = false;
  bool drain_is_awaited_ = false;
  bool writing_failed_ = false;
  bool finished_ = false;
  bool reset_ = false;
  bool cut_ = false;
};

}  // namespace keepwarm::net
