#pragma once

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "tests/unit/net/net_fixture.h"
#include "tests/unit/net/tls/tls_certificates.h"

/// The other side of TLS in tests: OpenSSL as a server, in memory or on a socket, driven step by step.
namespace keepwarm::net::test {

struct TlsServerOptions {
  const Certificate* certificate = &good_certificate();
  std::vector<const Certificate*> chain{};  ///< sent along
  int oldest = TLS1_2_VERSION;
  int newest = TLS1_3_VERSION;
  std::size_t tickets = 2;          ///< that follow a handshake of TLS 1.3
  std::string alpn{};               ///< chosen whatever is offered; "": the server has no ALPN
  bool refuse_alpn = false;         ///< alert no_application_protocol
  bool demand_certificate = false;  ///< fail if the client has none
  const Certificate* client_authority = nullptr;
  bool stateful = false;  ///< TLS 1.2: session IDs and no tickets
};

/// What the connections of a server share, session keys among it.
class TlsServerContext {
 public:
  explicit TlsServerContext(TlsServerOptions options = {})
      : options_(std::move(options)), context_(SSL_CTX_new(TLS_server_method())) {
    SSL_CTX* const ssl = context_.get();
    SSL_CTX_set_security_level(ssl, 0);  // TLS 1.1 is refused by the client, not by the system's policy
    SSL_CTX_set_min_proto_version(ssl, options_.oldest);
    SSL_CTX_set_max_proto_version(ssl, options_.newest);
    SSL_CTX_set_num_tickets(ssl, options_.tickets);
    SSL_CTX_set_session_id_context(ssl, reinterpret_cast<const unsigned char*>("test"), 4);
    if (options_.stateful) SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    REQUIRE(SSL_CTX_use_certificate(ssl, options_.certificate->x509.get()) == 1);
    REQUIRE(SSL_CTX_use_PrivateKey(ssl, options_.certificate->key.get()) == 1);
    for (const Certificate* link : options_.chain) SSL_CTX_add1_chain_cert(ssl, link->x509.get());
    if (options_.demand_certificate) {
      SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    if (options_.client_authority != nullptr) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), options_.client_authority->x509.get());
    }
    if (!options_.alpn.empty() || options_.refuse_alpn) SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, this);
  }
  TlsServerContext(const TlsServerContext&) = delete;
  TlsServerContext& operator=(const TlsServerContext&) = delete;

  [[nodiscard]] SSL_CTX* get() const noexcept { return context_.get(); }

 private:
  struct Free {
    void operator()(SSL_CTX* context) const noexcept { SSL_CTX_free(context); }
  };
  static int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char*, unsigned int,
                             void* self) {
    const TlsServerOptions& options = static_cast<TlsServerContext*>(self)->options_;
    if (options.refuse_alpn) return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = reinterpret_cast<const unsigned char*>(options.alpn.data());
    *size = static_cast<unsigned char>(options.alpn.size());
    return SSL_TLSEXT_ERR_OK;
  }

  TlsServerOptions options_;
  std::unique_ptr<SSL_CTX, Free> context_;
};

/// One connection of a server. What it is told and what it says passes through memory.
class TlsServer {
 public:
  explicit TlsServer(const TlsServerContext& context) : ssl_(SSL_new(context.get())) {
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(ssl_.get());
    SSL_set_info_callback(ssl_.get(), note_alert);
    SSL_set_app_data(ssl_.get(), this);
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;

  void receive(std::string_view ciphertext) {
    if (!ciphertext.empty())
      BIO_write(SSL_get_rbio(ssl_.get()), ciphertext.data(), static_cast<int>(ciphertext.size()));
    ERR_clear_error();
    if (!secured && SSL_do_handshake(ssl_.get()) == 1) {
      secured = true;
      resumed = SSL_session_reused(ssl_.get()) == 1;
    }
    std::array<char, 16384> buffer{};
    std::size_t count = 0;
    while (secured && SSL_read_ex(ssl_.get(), buffer.data(), buffer.size(), &count) == 1) {
      got.append(buffer.data(), count);
      ++reads;
    }
    if (!answer_to_known.empty() && knows_client()) write(std::exchange(answer_to_known, {}));
    ended = (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
    ERR_clear_error();
  }
  void write(std::string_view bytes) {
    std::size_t written = 0;
    REQUIRE(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &written) == 1);
  }
  void send_ticket() {
    REQUIRE(SSL_new_session_ticket(ssl_.get()) == 1);
    REQUIRE(SSL_do_handshake(ssl_.get()) == 1);
  }
  void ask_for_key_update() {
    REQUIRE(SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(SSL_do_handshake(ssl_.get()) == 1);
  }
  /// From here on the client has to show a certificate: by a message of TLS 1.3, or a renegotiation in TLS 1.2.
  void demand_certificate() {
    SSL_set_verify(ssl_.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    SSL_set_options(ssl_.get(), SSL_OP_NO_SESSION_RESUMPTION_ON_RENEGOTIATION);
    if (SSL_version(ssl_.get()) == TLS1_2_VERSION) return ask_to_renegotiate();
    REQUIRE(SSL_verify_client_post_handshake(ssl_.get()) == 1);
    REQUIRE(SSL_do_handshake(ssl_.get()) == 1);
  }
  [[nodiscard]] bool knows_client() const { return SSL_get0_peer_certificate(ssl_.get()) != nullptr; }
  void change_certificate(const Certificate& to) {
    REQUIRE(SSL_use_certificate(ssl_.get(), to.x509.get()) == 1);
    REQUIRE(SSL_use_PrivateKey(ssl_.get(), to.key.get()) == 1);
  }
  /// TLS 1.2: HelloRequest.
  void ask_to_renegotiate() {
    REQUIRE(SSL_renegotiate(ssl_.get()) == 1);
    REQUIRE(SSL_do_handshake(ssl_.get()) == 1);
  }
  /// What asks for a certificate is then too long for one record.
  void name_many_authorities(const Certificate& one) {
    SSL_set_max_send_fragment(ssl_.get(), 512);
    for (int i = 0; i < 60; ++i) SSL_add1_to_CA_list(ssl_.get(), one.x509.get());
  }
  void close() { SSL_shutdown(ssl_.get()); }

  /// What is to be sent.
  [[nodiscard]] std::string take_output() {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl_.get()), &bytes);
    std::string output(bytes, static_cast<std::size_t>(size));
    (void)BIO_reset(SSL_get_wbio(ssl_.get()));
    return output;
  }
  [[nodiscard]] std::string server_name() const {
    const char* name = SSL_get_servername(ssl_.get(), TLSEXT_NAMETYPE_host_name);
    return name != nullptr ? name : "";
  }

  std::string answer_to_known;  ///< sent as soon as the client has shown its certificate
  bool secured = false;
  bool resumed = false;
  std::string got;  ///< application data
  int reads = 0;    ///< records of it
  bool ended = false;
  int alert = -1;  ///< that the client sent, close_notify too

 private:
  struct Free {
    void operator()(SSL* ssl) const noexcept { SSL_free(ssl); }
  };
  static void note_alert(const SSL* ssl, int where, int value) {
    if ((where & SSL_CB_READ_ALERT) == SSL_CB_READ_ALERT)
      static_cast<TlsServer*>(SSL_get_app_data(ssl))->alert = value & 0xff;
  }
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace keepwarm::net::test
