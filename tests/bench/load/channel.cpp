#include "tests/bench/load/channel.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <sys/socket.h>

#include <openssl/err.h>

namespace keepwarm::bench {

TlsClients::TlsClients(std::string name) : context_(SSL_CTX_new(TLS_client_method())), name_(std::move(name)) {
  // A read or a write that has to wait is begun again, with what is left by then.
  SSL_CTX_set_mode(context_.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context_.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set1_groups_list(context_.get(), "X25519:P-256");
}

int Channel::handshake(const TlsClients& clients) {
  if (!tls_) {
    tls_.reset(SSL_new(clients.context_.get()));
    SSL_set_fd(tls_.get(), fd_.number());
    SSL_set_tlsext_host_name(tls_.get(), clients.name_.c_str());
    SSL_set_connect_state(tls_.get());
  }
  return outcome(SSL_do_handshake(tls_.get()));
}

ssize_t Channel::send(std::string_view bytes, bool more) {
  if (tls_)
    return outcome(SSL_write(tls_.get(), bytes.data(), static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX))));
  return ::send(fd_.number(), bytes.data(), bytes.size(), more ? MSG_MORE : 0);
}

ssize_t Channel::receive(char* buffer, std::size_t size) {
  if (tls_) return outcome(SSL_read(tls_.get(), buffer, static_cast<int>(std::min<std::size_t>(size, INT_MAX))));
  return ::recv(fd_.number(), buffer, size, 0);
}

void Channel::reset() noexcept {
  if (tls_ && SSL_is_init_finished(tls_.get()) == 1) SSL_shutdown(tls_.get());
  ERR_clear_error();
  tls_.reset();
  fd_.reset();
}

/// What a call of OpenSSL has come to, in the terms of a socket.
int Channel::outcome(int returned) {
  if (returned > 0) return returned;
  const int why = SSL_get_error(tls_.get(), returned);
  ERR_clear_error();
  if (why == SSL_ERROR_ZERO_RETURN) return 0;
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
    errno = EAGAIN;
  } else if (why == SSL_ERROR_SSL) {
    errno = EPROTO;
  }
  return -1;
}

}  // namespace keepwarm::bench
