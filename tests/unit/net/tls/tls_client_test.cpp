#include "core/net/tls/tls_client.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include <doctest/doctest.h>
#include <openssl/ssl.h>

#include "tests/unit/net/tls/tls_fixture.h"

namespace keepwarm::net::test {
namespace {

using State = TlsSession::State;

void write_file(const std::string& path, std::string_view text) {
  std::ofstream(path) << text;
}

TEST_CASE("equal settings share a context, others do not") {
  TlsFixture fixture;
  const TlsContext& first = fixture.context();
  CHECK(&fixture.context() == &first);
  fixture.settings.verify = false;
  CHECK(&fixture.context() != &first);
  fixture.settings.verify = true;
  CHECK(&fixture.context() == &first);
}

TEST_CASE("settings that cannot be used are told with the file and the reason") {
  TlsFixture fixture;
  const Certificate certificate = make_certificate({.name = "client"});
  const std::string both = fixture.folder / "both.pem", key = fixture.folder / "key.pem",
                    other = fixture.folder / "other.pem", text = fixture.folder / "text.pem",
                    secret = fixture.folder / "secret.pem", missing = fixture.folder / "missing.pem";
  write_pem(both, certificate, true);
  write_pem(other, make_certificate({}), true);
  write_file(text, "no PEM");
  std::FILE* file = std::fopen(secret.c_str(), "w");
  PEM_write_PrivateKey(file, certificate.key.get(), EVP_aes_128_cbc(), reinterpret_cast<const unsigned char*>("secret"),
                       6, nullptr, nullptr);
  std::fclose(file);
  struct Case {
    TlsSettings settings;
    std::string failure;  ///< "": none
  };
  const Case cases[] = {
      {{true, "", "", ""}, ""},
      {{false, "", "", ""}, ""},
      {{true, both, both, both}, ""},
      {{true, "", both, ""}, ""},
      {{true, missing, "", ""}, "ca_file " + missing + ": No such file or directory"},
      {{true, text, "", ""}, "ca_file " + text + ": no certificate or crl found"},
      {{true, "", missing, key}, "client_certificate " + missing + ": No such file or directory"},
      {{true, "", text, text}, "client_certificate " + text + ": no start line"},
      {{true, "", both, missing}, "client_key " + missing + ": No such file or directory"},
      {{true, "", both, other}, "client_key " + other + ": key values mismatch"},
      {{true, "", both, secret}, "client_key " + secret + ": it is encrypted with a password"},
      {{true, "", "", both}, "client_key " + both + ": there is no client_certificate for it"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.failure);
    const auto made = fixture.client.context(c.settings);
    CHECK(made.ok() == c.failure.empty());
    if (!made) CHECK(made.failure() == c.failure);
    CHECK(check_tls_settings(c.settings).value_or("") == c.failure);
    CHECK(ERR_peek_error() == 0);
  }
}

TEST_CASE("no key exchange over finite fields is offered, and all others are") {
  TlsFixture fixture;
  STACK_OF(SSL_CIPHER)* const offered = SSL_CTX_get_ciphers(fixture.context().ssl());
  bool elliptic = false, newest = false;
  for (int i = 0; i < sk_SSL_CIPHER_num(offered); ++i) {
    const int exchange = SSL_CIPHER_get_kx_nid(sk_SSL_CIPHER_value(offered, i));
    CHECK(exchange != NID_kx_dhe);
    elliptic |= exchange == NID_kx_ecdhe;
    newest |= exchange == NID_kx_any;
  }
  CHECK(elliptic);
  CHECK(newest);
}

TEST_CASE("certificates of more than 64 KiB are not looked at") {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    for (const int names : {1, 4000}) {
      std::string alternative = "DNS:server.example";
      for (int i = 1; i < names; ++i) alternative += ",DNS:" + std::to_string(10000000 + i) + ".example";
      const Certificate certificate = make_certificate({.alternative_names = alternative, .issuer = &authority()});
      TlsFixture fixture;
      const TlsServerContext context({.certificate = &certificate, .newest = version});
      SessionPair pair(fixture, context);
      pair.talk();
      CHECK((pair.client.state() == TlsSession::State::Open) == (names == 1));
    }
  }
}

TEST_CASE("a context that could not be made is tried again") {
  TlsFixture fixture;
  fixture.settings.ca_file = fixture.folder / "later.pem";
  CHECK_FALSE(fixture.client.context(fixture.settings).ok());
  write_pem(fixture.settings.ca_file, authority());
  CHECK(fixture.client.context(fixture.settings).ok());
}

TEST_CASE("after a reload files are read again, kept sessions are forgotten, and connections go on") {
  TlsFixture fixture;
  const Certificate next_authority = make_authority("Next CA");
  const Certificate next_certificate = make_certificate({.issuer = &next_authority});
  const TlsServerContext context, next_context({.certificate = &next_certificate});
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(fixture.tickets->count() == 2);

  write_pem(fixture.settings.ca_file, next_authority);
  SessionPair before(fixture, next_context);
  before.talk();
  CHECK(before.client.state() == State::Failed);
  fixture.client.reload({});
  CHECK(fixture.tickets->count() == 0);
  SessionPair after(fixture, next_context);
  after.talk();
  CHECK(after.client.state() == State::Open);

  pair.server.write("still here");
  pair.talk();
  CHECK(pair.got == "still here");
}

TEST_CASE("what is in ca_file is trusted, though it be the server's certificate or an intermediate") {
  TlsFixture fixture;
  const Certificate between = make_certificate(
      {.name = "Between CA", .alternative_names = "", .usage = "", .authority = true, .issuer = &authority()});
  const Certificate certificate = make_certificate({.issuer = &between});
  SUBCASE("the certificate") {
    write_pem(fixture.settings.ca_file, certificate);
  }
  SUBCASE("the intermediate") {
    write_pem(fixture.settings.ca_file, between);
  }
  const TlsServerContext context({.certificate = &certificate});
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.client.state() == State::Open);
}

TEST_CASE("without ca_file the system's store is asked, and only then") {
  // OpenSSL has the place of the system's store from here, if it is set.
  TlsFixture fixture;
  REQUIRE(::setenv("SSL_CERT_FILE", fixture.settings.ca_file.c_str(), 1) == 0);
  fixture.client.reload(TrustStore::of_system());
  REQUIRE(::unsetenv("SSL_CERT_FILE") == 0);
  const TlsServerContext context;
  SUBCASE("asked") {
    fixture.settings.ca_file.clear();
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.client.state() == State::Open);
  }
  SUBCASE("not asked") {
    write_pem(fixture.settings.ca_file, make_authority("Next CA"));
    SessionPair pair(fixture, context);
    pair.talk();
    CHECK(pair.client.state() == State::Failed);
  }
}

TEST_CASE("one store of the system's authorities serves all clients, and none trusts nobody") {
  TlsFixture fixture;
  REQUIRE(::setenv("SSL_CERT_FILE", fixture.settings.ca_file.c_str(), 1) == 0);
  CHECK(system_authorities_file() == fixture.settings.ca_file);
  const TrustStore authorities = TrustStore::of_system();
  REQUIRE(::unsetenv("SSL_CERT_FILE") == 0);
  fixture.settings.ca_file.clear();
  const auto store_of = [&fixture](TrustStore store) {
    TlsClient client(fixture.loop, std::move(store));
    return SSL_CTX_get_cert_store(client.context(fixture.settings).value()->ssl());
  };
  CHECK(store_of(authorities) == authorities.get());
  CHECK(store_of(authorities) == authorities.get());

  fixture.client.reload({});
  const TlsServerContext context;
  SessionPair pair(fixture, context);
  pair.talk();
  CHECK(pair.client.state() == State::Failed);
}

}  // namespace
}  // namespace keepwarm::net::test
