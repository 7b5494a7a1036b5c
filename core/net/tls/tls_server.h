#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/net/tcp_stream.h"
#include "core/net/tls/leaf_cache.h"
#include "core/net/tls/local_ca.h"
#include "core/net/tls/openssl_handles.h"
#include "core/net/tls/tls_client.h"
#include "core/net/tls/tls_session.h"
#include "core/net/tls/tls_stream.h"

struct ssl_ctx_st;

namespace keepwarm::net {

/// The server's side of TLS for the clients of one engine whose requests are intercepted: shows them certificates of
/// the local CA, made for the host that each asked for. TLS 1.3, and TLS 1.2 with ECDHE-ECDSA and AES-GCM or ChaCha20;
/// groups X25519 and P-256; HTTP/1.1 by ALPN if that is offered. Clients are not asked for certificates. Nothing
/// outlives a connection: there are no tickets and no session cache (a handshake over loopback costs less than they
/// would), and no early data and no renegotiation either.
///
/// Not thread-safe; must outlive nothing that it made.
class TlsServer {
 public:
  using WallClock = std::function<std::chrono::system_clock::time_point()>;

  /// Shares loop and buffers of `client`, which must outlive it.
  explicit TlsServer(TlsClient& client, WallClock clock = std::chrono::system_clock::now);
  ~TlsServer();
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  /// From here on leaves are issued by `ca`; nullptr: none are. Those of the CA before, and their key, are forgotten.
  /// Connections go on as they are.
  void set_ca(std::shared_ptr<const LocalCa> ca);

  /// Takes over the connection of a client and the bytes that have come on it (its hello, and perhaps more, at most
  /// Loop::kReadBufferSize), and answers with a leaf for `host` (Origin::host) by a generation of the CA that may name
  /// it. Exactly one of the two events follows, never inside this call, unless the stream is destroyed before; it has
  /// no time limit of its own. `events` must outlive the stream until then. nullptr: there is no CA, or no leaf could
  /// be made; `transport` is as it was.
  [[nodiscard]] std::unique_ptr<TlsStream> accept(std::unique_ptr<TcpStream>& transport, std::string_view received,
                                                  std::string_view host, std::size_t generation,
                                                  TlsHandshakeEvents& events);

 private:
  [[nodiscard]] SslHandle prepare(std::string_view host, std::size_t generation);
  [[nodiscard]] ssl_ctx_st* context(std::size_t generation);

  TlsClient& client_;
  WallClock clock_;
  std::shared_ptr<const LocalCa> ca_;
  std::optional<LeafCache> leaves_;
  std::vector<ContextHandle> contexts_;  ///< by generation, with the key of `leaves_`; made when they are needed
};

}  // namespace keepwarm::net
