#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

struct ssl_st;

namespace keepwarm::net {

/// Whether a server of TLS 1.2 may have a second handshake on an open connection, and what becomes of it. Servers that
/// want a client certificate for some of their resources only ask for it so, once they have read a request (Apache's
/// SSLVerifyClient in a <Location>). In TLS 1.3 there is a message for this (RFC 8446 §4.6.2), and no renegotiation: it
/// is under way while that message has come in part.
///
/// It may begin only between a request and its first answered byte, so never on an idle connection, at most three
/// times, and the server must show the same certificate as before. On a connection that resumed a session it has shown
/// none, and sessions are kept without it (TlsTickets): there any certificate will do that is verified as in a first
/// handshake. Part of a TlsSession that has a client certificate to show.
class Renegotiation {
 public:
  /// `ssl` must outlive it; its handshake is complete.
  explicit Renegotiation(ssl_st* ssl);

  void request_written() noexcept;  ///< the server may ask for one from here on
  void data_came() noexcept;        ///< and may not from here on

  enum class Step : std::uint8_t {
    None,
    UnderWay,
    Ended,         ///< just now: the connection goes on
    ServerChanged  ///< just now: with another certificate
  };
  /// To be asked after each call of OpenSSL that has read.
  [[nodiscard]] Step look() noexcept;

  std::string unsent;  ///< plaintext that can be encrypted only when it has ended

 private:
  using Digest = std::array<unsigned char, 32>;
  [[nodiscard]] Digest server_certificate() const noexcept;
  [[nodiscard]] long begun() const noexcept;

  ssl_st* ssl_;
  Digest server_;
  long seen_;
};

}  // namespace keepwarm::net
