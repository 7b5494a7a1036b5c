#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "core/net/tls/tls_server.h"
#include "core/net/tls/tls_stream.h"
#include "tests/unit/net/net_fixture.h"
#include "tests/unit/net/tls/ca_fixture.h"
#include "tests/unit/net/tls/tls_stream_fixture.h"

/// The client of an intercepted connection in tests: OpenSSL, in memory or on a socket; and TlsServer on the other end.
namespace keepwarm::net::test {

struct TlsClientOptions {
  X509* authority = nullptr;            ///< whom it trusts; nullptr: everybody
  std::string name = "server.example";  ///< sent, and verified
  bool send_name = true;
  int oldest = TLS1_2_VERSION;
  int newest = TLS1_3_VERSION;
  std::string alpn{};     ///< as on the wire; "": none
  std::string groups{};   ///< key share for the first one; "": OpenSSL's
  std::time_t at = 0;     ///< when it verifies; 0: now
  std::string ciphers{};  ///< of TLS 1.2; "": OpenSSL's
};

/// One client. What it is told and what it says passes through memory.
class TlsTestClient {
 public:
  explicit TlsTestClient(const TlsClientOptions& options) : context_(SSL_CTX_new(TLS_client_method())), ssl_(nullptr) {
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, options.oldest);
    SSL_CTX_set_max_proto_version(context, options.newest);
    if (options.authority != nullptr) {
      SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), options.authority);
    }
    if (!options.groups.empty()) REQUIRE(SSL_CTX_set1_groups_list(context, options.groups.c_str()) == 1);
    if (!options.ciphers.empty()) REQUIRE(SSL_CTX_set_cipher_list(context, options.ciphers.c_str()) == 1);
    ssl_.reset(SSL_new(context));
    SSL* const ssl = ssl_.get();
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    if (options.send_name) SSL_set_tlsext_host_name(ssl, options.name.c_str());
    if (options.at != 0) X509_VERIFY_PARAM_set_time(SSL_get0_param(ssl), options.at);
    if (options.authority != nullptr) SSL_set1_host(ssl, options.name.c_str());
    const auto* alpn = reinterpret_cast<const unsigned char*>(options.alpn.data());
    if (!options.alpn.empty()) SSL_set_alpn_protos(ssl, alpn, static_cast<unsigned int>(options.alpn.size()));
    SSL_set_info_callback(ssl, note_alert);
    SSL_set_app_data(ssl, this);
    receive({});
  }
  TlsTestClient(const TlsTestClient&) = delete;
  TlsTestClient& operator=(const TlsTestClient&) = delete;

  void receive(std::string_view ciphertext) {
    if (!ciphertext.empty()) {
      BIO_write(SSL_get_rbio(ssl()), ciphertext.data(), static_cast<int>(ciphertext.size()));
    }
    ERR_clear_error();
    if (!secured && SSL_do_handshake(ssl()) == 1) secured = true;
    std::array<char, 16384> buffer{};
    std::size_t count = 0;
    while (secured && SSL_read_ex(ssl(), buffer.data(), buffer.size(), &count) == 1) got.append(buffer.data(), count);
    ended = (SSL_get_shutdown(ssl()) & SSL_RECEIVED_SHUTDOWN) != 0;
    ERR_clear_error();
  }
  void write(std::string_view bytes) {
    std::size_t written = 0;
    REQUIRE(SSL_write_ex(ssl(), bytes.data(), bytes.size(), &written) == 1);
  }
  void update_key(int kind) {
    REQUIRE(SSL_key_update(ssl(), kind) == 1);
    REQUIRE(SSL_do_handshake(ssl()) == 1);
  }
  void ask_to_renegotiate() {
    REQUIRE(SSL_renegotiate(ssl()) == 1);
    SSL_do_handshake(ssl());
    ERR_clear_error();
  }
  void close() { SSL_shutdown(ssl()); }

  [[nodiscard]] std::string take_output() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl()), &bytes);
    std::string output(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl()));
    return output;
  }
  [[nodiscard]] SSL* ssl() const noexcept { return ssl_.get(); }
  [[nodiscard]] std::string protocol_chosen() const {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl(), &chosen, &size);
    return {reinterpret_cast<const char*>(chosen), size};
  }
  /// The certificate that it was shown, in DER.
  [[nodiscard]] std::string leaf() const { return der(SSL_get0_peer_certificate(ssl())); }
  [[nodiscard]] std::string leaf_key() const {
    unsigned char* key = nullptr;
    const int size = i2d_PUBKEY(X509_get0_pubkey(SSL_get0_peer_certificate(ssl())), &key);
    REQUIRE(size > 0);
    std::string text(reinterpret_cast<char*>(key), static_cast<std::size_t>(size));
    OPENSSL_free(key);
    return text;
  }
  /// What was sent behind the leaf.
  [[nodiscard]] std::vector<std::string> chain() const {
    std::vector<std::string> sent;
    STACK_OF(X509)* const all = SSL_get_peer_cert_chain(ssl());
    for (int i = 1; i < sk_X509_num(all); ++i) sent.push_back(der(sk_X509_value(all, i)));
    return sent;
  }
  [[nodiscard]] static std::string der(const X509* certificate) {
    REQUIRE(certificate != nullptr);
    unsigned char* bytes = nullptr;
    const int size = i2d_X509(certificate, &bytes);
    REQUIRE(size > 0);
    std::string text(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
    return text;
  }

  bool secured = false;
  std::string got;  ///< application data
  bool ended = false;
  int alert = -1;  ///< that the server sent, close_notify too

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };
  static void note_alert(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
      static_cast<TlsTestClient*>(SSL_get_app_data(ssl))->alert = value & 0xff;
  }
  std::unique_ptr<SSL_CTX, FreeContext> context_;
  SslHandle ssl_;
};

/// A client on a socket, which does something only when it is pumped.
class TlsClientPeer {
 public:
  explicit TlsClientPeer(const TlsClientOptions& options) : tls(options) {}

  void pump() {
    std::array<char, 65536> buffer{};
    ssize_t count = 0;
    while ((count = ::recv(fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      tls.receive({buffer.data(), static_cast<std::size_t>(count)});
    }
    if (count == 0) closed = true;
    if (count < 0 && errno == ECONNRESET) reset = true;
    unsent += tls.take_output();
    if (unsent.empty()) return;
    const ssize_t sent = ::send(fd.get(), unsent.data(), unsent.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) unsent.erase(0, static_cast<std::size_t>(sent));
  }
  void send_raw(std::string_view bytes) {
    REQUIRE(::send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  }
  void end() { ::shutdown(fd.get(), SHUT_WR); }
  void send_reset() {
    const linger now{1, 0};
    REQUIRE(::setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    fd = Fd();
  }

  Fd fd;
  TlsTestClient tls;
  bool closed = false, reset = false;
  std::string unsent;  ///< what the kernel did not take yet
};

/// A local CA that may name every host.
struct TwoGenerations {
  TwoGenerations() {
    CertificateScope scope;
    scope.any_host = true;
    for (const char* folder_of : {"", "2/"}) {
      const LocalCaText text = make_ca(scope, std::chrono::system_clock::now());
      folder.write(text, folder_of);
      roots.push_back(certificate_from(text.root));
    }
    ca = folder.read().ca;
    REQUIRE(ca);
    REQUIRE(ca->generations().size() == roots.size());
  }
  CaFolder folder;
  std::vector<X509Handle> roots;
  std::shared_ptr<const LocalCa> ca;
};

struct TlsAcceptFixture : LoopFixture {
  TlsAcceptFixture() {
    server.set_ca(authority.ca);
    events.then_on_secured = [this] {
      stream->set_events(events);
      stream->resume_reading();
    };
  }

  /// Connects a client to `transport`.
  void connect(TlsClientOptions options = {}) {
    if (options.authority == nullptr) options.authority = authority.roots[generation].get();
    if (options.at == 0) options.at = std::chrono::system_clock::to_time_t(now);
    stream.reset();
    events.got.clear();
    peer.emplace(options);
    Listening listening(literal("127.0.0.1"));
    peer->fd = connect_to(listening.address());
    Fd near = listening.accept();
    REQUIRE(near.valid());
    const int on = 1;
    ::setsockopt(peer->fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    transport = TcpStream::adopt(loop, near.release(), nobody);
    REQUIRE(transport);
  }
  /// Connects a client and accepts it with the first `size` bytes of its hello; the rest is on its way.
  void start(TlsClientOptions options = {}, std::size_t size = std::string::npos, std::string_view behind = {}) {
    connect(std::move(options));
    hello = peer->tls.take_output().append(behind);
    stream = server.accept(transport, hello.substr(0, size), host, generation, events);
    REQUIRE(stream);
    CHECK(transport == nullptr);
    if (hello.size() > size) peer->unsent = hello.substr(size);
  }
  void pump_until(const std::function<bool()>& done) { pump_with_peer(*this, done); }
  /// Lets everything happen that can happen at once.
  void settle() { settle_with_peer(*this); }
  void start_secured(TlsClientOptions options = {}) {
    const int before = events.secured;
    start(std::move(options));
    pump_until([&] { return (events.secured > before && peer->tls.secured) || !events.failed.empty(); });
    REQUIRE_MESSAGE(events.failed.empty(), events.failed.front().text);
  }
  void write_from_client(std::string_view bytes) {
    peer->tls.write(bytes);
    peer->pump();
  }

  TwoGenerations authority;
  LeafCache::Time now = std::chrono::system_clock::now();
  std::string host = "server.example";
  std::size_t generation = 0;
  TlsClient client{loop, TrustStore()};
  net::TlsServer server{client, [this] { return now; }};
  TlsRecorder events;
  TlsRecorder nobody;
  std::optional<TlsClientPeer> peer;
  std::string hello;  ///< of the client, and what it sent behind it
  std::unique_ptr<TcpStream> transport;
  std::unique_ptr<TlsStream> stream;
};

}  // namespace keepwarm::net::test
