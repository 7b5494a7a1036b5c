#pragma once
#include <cstddef>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/types.h>

#include <openssl/ssl.h>

#include "tests/bench/tools/socket.h"

namespace keepwarm::bench {

/// What TLS connections to one name share. The certificate is not verified: these clients should cost little. Each
/// handshake is a full one, as that of a program that has just been started.
class TlsClients {
 public:
  /// `name`: what the hello asks for.
  explicit TlsClients(std::string name);

 private:
  friend class Channel;
  struct Free {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };

  std::unique_ptr<SSL_CTX, Free> context_;
  std::string name_;
};

/// A socket, with TLS over it from handshake() on. send() and receive() are as those of a non-blocking socket: -1 with
/// EAGAIN in errno when there is to wait.
class Channel {
 public:
  Channel() = default;
  explicit Channel(Fd fd) : fd_(std::move(fd)) {}

  [[nodiscard]] bool open() const noexcept { return fd_.open(); }
  [[nodiscard]] const Fd& fd() const noexcept { return fd_; }
  [[nodiscard]] bool secure() const noexcept { return tls_ != nullptr; }

  /// Begins the handshake, or goes on with it: 1 once it is done.
  int handshake(const TlsClients& clients);
  /// more: what follows may go in the same segment.
  ssize_t send(std::string_view bytes, bool more);
  ssize_t receive(char* buffer, std::size_t size);
  /// Closes the socket, after a close_notify if there is TLS.
  void reset() noexcept;

 private:
  struct Free {
    void operator()(SSL* tls) const noexcept { SSL_free(tls); }
  };

  int outcome(int returned);

  Fd fd_;
  std::unique_ptr<SSL, Free> tls_;
};

}  // namespace keepwarm::bench
