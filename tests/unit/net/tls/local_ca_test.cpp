#include "core/net/tls/local_ca.h"

#include <array>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/unit/net/tls/ca_fixture.h"

/// The certificates are judged by OpenSSL, as `openssl verify -x509_strict` does, whose rules are those of RFC 5280.
namespace keepwarm::net {
namespace {

using namespace std::chrono_literals;

/// A CA on disk, read back.
struct SomeCa {
  explicit SomeCa(const CertificateScope& scope) : text(make_ca(scope)), root(certificate_from(text.root)) {
    folder.write(text);
    LocalCa::Read read = folder.read();
    CHECK(read.problems == std::vector<std::string>{});
    REQUIRE(read.ca);
    ca = std::move(read.ca);
  }
  [[nodiscard]] X509Handle leaf_for(const std::string& host, std::chrono::system_clock::time_point now = kNoon) const {
    X509Handle leaf = ca->make_leaf(0, host, key.get(), now);
    REQUIRE(leaf);
    return leaf;
  }
  [[nodiscard]] std::string verdict_on(const std::string& host) const {
    return verdict(root.get(), ca->issuer(0), leaf_for(host).get(), host);
  }

  CaFolder folder;
  LocalCaText text;
  X509Handle root;
  std::shared_ptr<const LocalCa> ca;
  PkeyHandle key{EVP_EC_gen("P-256")};
};

CertificateScope scope_of_addresses(const std::vector<std::string>& texts) {
  CertificateScope scope;
  for (const std::string& text : texts) scope.addresses.push_back(Cidr::parse(text).value());
  return scope;
}

std::string subject_of(const X509* certificate) {
  std::array<char, 256> text{};
  X509_NAME_oneline(X509_get_subject_name(certificate), text.data(), static_cast<int>(text.size()));
  return text.data();
}

std::string time_text(const ASN1_TIME* time) {
  BIO* const memory = BIO_new(BIO_s_mem());
  ASN1_TIME_print(memory, time);
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory, &text);
  std::string result(text, static_cast<std::size_t>(length));
  BIO_free(memory);
  return result;
}

/// "keyUsage critical: Digital Signature", in the order of the certificate.
std::vector<std::string> extensions_of(const X509* certificate) {
  std::vector<std::string> all;
  for (int i = 0; i < X509_get_ext_count(certificate); ++i) {
    X509_EXTENSION* const extension = X509_get_ext(certificate, i);
    const int kind = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    std::string line = OBJ_nid2sn(kind);
    if (X509_EXTENSION_get_critical(extension) == 1) line += " critical";
    BIO* const memory = BIO_new(BIO_s_mem());
    X509V3_EXT_print(memory, extension, 0, 0);
    char* text = nullptr;
    const long length = BIO_get_mem_data(memory, &text);
    if (kind != NID_subject_key_identifier && kind != NID_authority_key_identifier) {
      line += ": " + std::string(text, static_cast<std::size_t>(length));
    }
    BIO_free(memory);
    all.push_back(line);
  }
  return all;
}

}  // namespace

TEST_CASE("a leaf for a permitted name is good, and for any other one it is not") {
  const SomeCa some(scope_of_names({"example.com", "b.test"}));
  for (const char* host : {"example.com", "www.example.com", "a.b.c.example.com", "b.test", "a_b.example.com"}) {
    CAPTURE(host);
    CHECK(some.verdict_on(host) == "ok");
  }
  for (const char* host : {"evil.test", "badexample.com", "test", "example.org"}) {
    CAPTURE(host);
    CHECK(some.verdict_on(host) == "permitted subtree violation");
  }
  for (const char* host : {"127.0.0.1", "192.0.2.7", "::1", "2001:db8::1"}) {
    CAPTURE(host);
    CHECK(some.verdict_on(host) == "excluded subtree violation");
  }
}

TEST_CASE("the constraints of the issuer are enough, and so are those of the root") {
  // Java heeds only the former; so the same issuer below a root without constraints.
  const SomeCa any([] {
    CertificateScope scope;
    scope.any_host = true;
    return scope;
  }());
  const SomeCa some(scope_of_names({"example.com"}));
  const X509Handle leaf = some.leaf_for("evil.test");
  REQUIRE(X509_check_purpose(leaf.get(), -1, 0) == 1);  // has it parse the extensions
  for (X509* certificate : {some.root.get(), some.ca->issuer(0)}) {
    int critical = 0;
    void* const constraints = X509_get_ext_d2i(certificate, NID_name_constraints, &critical, nullptr);
    CHECK(constraints != nullptr);
    CHECK(critical == 1);
    CHECK(NAME_CONSTRAINTS_check(leaf.get(), static_cast<NAME_CONSTRAINTS*>(constraints)) ==
          X509_V_ERR_PERMITTED_VIOLATION);
    NAME_CONSTRAINTS_free(static_cast<NAME_CONSTRAINTS*>(constraints));
  }
  for (X509* certificate : {any.root.get(), any.ca->issuer(0)}) {
    CHECK(X509_get_ext_by_NID(certificate, NID_name_constraints, -1) == -1);
  }
  for (const char* host : {"evil.test", "127.0.0.1", "::1"}) CHECK(any.verdict_on(host) == "ok");
  CHECK(any.ca->generations()[0].scope.any_host);
}

TEST_CASE("addresses are permitted one by one, and then no name is") {
  const SomeCa some(scope_of_addresses({"192.0.2.7", "2001:db8::7"}));
  for (const char* host : {"192.0.2.7", "2001:db8::7"}) CHECK(some.verdict_on(host) == "ok");
  for (const char* host : {"192.0.2.8", "2001:db8::8", "example.com", "127.0.0.1", "::ffff:192.0.2.7"}) {
    CAPTURE(host);
    CHECK(some.verdict_on(host) == "permitted subtree violation");
  }
  const SomeCa v4(scope_of_addresses({"192.0.2.7"}));
  CHECK(v4.verdict_on("192.0.2.7") == "ok");
  CHECK(v4.verdict_on("192.0.2.8") == "permitted subtree violation");
  CHECK(v4.verdict_on("::1") != "ok");
}

TEST_CASE("what the certificates permit is read back as it was asked for") {
  CertificateScope mixed = scope_of_addresses({"192.0.2.7", "2001:db8::7"});
  mixed.names = {"example.com", "b.test"};
  std::vector<std::string> hundred;
  for (int i = 0; i < 100; ++i) hundred.push_back("host-" + std::to_string(i) + ".example");
  for (const CertificateScope& scope :
       {scope_of_names({"example.com"}), scope_of_addresses({"10.1.2.3"}), mixed, scope_of_names(hundred)}) {
    const SomeCa some(scope);
    CHECK(some.ca->generations()[0].scope == scope);
  }
  const SomeCa some(scope_of_names(hundred));
  CHECK(some.verdict_on("a.host-99.example") == "ok");
  CHECK(some.verdict_on("host-100.example") == "permitted subtree violation");
}

TEST_CASE("root and issuer have the fields that the contract names") {
  const SomeCa some(scope_of_names({"example.com"}));
  CHECK(subject_of(some.root.get()) == "/O=keepwarm/CN=keepwarm local CA builder.example 2027-01-15 A1B2");
  X509* const issuer = some.ca->issuer(0);
  CHECK(subject_of(issuer) == "/O=keepwarm/CN=keepwarm issuer builder.example 2027-01-15 A1B2");
  const std::string constraints =
      "nameConstraints critical: Permitted:\n  DNS:example.com\nExcluded:\n  IP:0.0.0.0/0.0.0.0\n  "
      "IP:0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0";
  CHECK(extensions_of(some.root.get()) == std::vector<std::string>{"basicConstraints critical: CA:TRUE, pathlen:1",
                                                                   "keyUsage critical: Certificate Sign",
                                                                   "subjectKeyIdentifier", constraints});
  CHECK(extensions_of(issuer) ==
        std::vector<std::string>{"basicConstraints critical: CA:TRUE, pathlen:0", "keyUsage critical: Certificate Sign",
                                 "subjectKeyIdentifier", constraints, "extendedKeyUsage: TLS Web Server Authentication",
                                 "authorityKeyIdentifier"});
  for (X509* each : {some.root.get(), issuer}) {
    CHECK(time_text(X509_get0_notBefore(each)) == "Jan 15 07:00:00 2027 GMT");
    CHECK(time_text(X509_get0_notAfter(each)) == "Jan 14 08:00:00 2030 GMT");
    CHECK(EVP_PKEY_get_bits(X509_get0_pubkey(each)) == 256);
    CHECK(X509_get_version(each) == X509_VERSION_3);
  }
  const CaGeneration& facts = some.ca->generations()[0];
  CHECK(facts.number == 1);
  CHECK(facts.name == "A1B2");
  CHECK(facts.fingerprint.size() == 95);
  CHECK(facts.not_before == kNoon - 1h);
  CHECK(facts.not_after == kNoon + std::chrono::days(1095));
}

TEST_CASE("the name of the machine is shortened, and what is odd in it left out") {
  const auto subject_on = [](const std::string& machine) {
    const Result<LocalCaText, std::string> made =
        create_local_ca({.scope = scope_of_names({"a.test"}), .machine = machine, .name = "00FF"}, kNoon);
    REQUIRE(made.ok());
    CHECK(certificate_from(made->issuer));
    return subject_of(certificate_from(made->root).get());
  };
  CHECK(subject_on(std::string(200, 'x')) ==
        "/O=keepwarm/CN=keepwarm local CA " + std::string(30, 'x') + " 2027-01-15 00FF");
  CHECK(subject_on("a\xC3\xA4 b\n") == "/O=keepwarm/CN=keepwarm local CA ab 2027-01-15 00FF");
  CHECK(subject_on("") == "/O=keepwarm/CN=keepwarm local CA localhost 2027-01-15 00FF");
}

TEST_CASE("a leaf has exactly the fields of the contract") {
  const SomeCa some(scope_of_names({"example.com"}));
  const X509Handle leaf = some.leaf_for("a_b.example.com");
  CHECK(X509_get_version(leaf.get()) == X509_VERSION_3);
  CHECK(subject_of(leaf.get()) == "/CN=a_b.example.com");
  CHECK(extensions_of(leaf.get()) ==
        std::vector<std::string>{"basicConstraints critical: CA:FALSE", "keyUsage critical: Digital Signature",
                                 "extendedKeyUsage: TLS Web Server Authentication", "subjectKeyIdentifier",
                                 "authorityKeyIdentifier", "subjectAltName: DNS:a_b.example.com"});
  CHECK(time_text(X509_get0_notBefore(leaf.get())) == "Jan 15 07:00:00 2027 GMT");
  CHECK(time_text(X509_get0_notAfter(leaf.get())) == "Jan 21 08:00:00 2027 GMT");
  CHECK(EVP_PKEY_eq(X509_get0_pubkey(leaf.get()), some.key.get()) == 1);
  CHECK(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(leaf.get()), X509_get0_subject_key_id(some.ca->issuer(0))) ==
        0);
  CHECK(X509_check_issued(some.ca->issuer(0), leaf.get()) == X509_V_OK);
}

TEST_CASE("a name that is too long for a subject stands in the alternative name alone, critical") {
  const std::string label(40, 'l');
  const std::string fits = std::string(52, 'f') + ".example.com";
  const std::string longer = std::string(53, 'f') + ".example.com";
  const std::string longest = label + '.' + label + '.' + label + '.' + label + '.' + label + '.' + label + ".com";
  const SomeCa some(scope_of_names({"com"}));
  CHECK(subject_of(some.leaf_for(fits).get()) == "/CN=" + fits);
  for (const std::string& host : {longer, longest}) {
    const X509Handle leaf = some.leaf_for(host);
    CHECK(subject_of(leaf.get()) == "");
    CHECK(extensions_of(leaf.get()).back() == "subjectAltName critical: DNS:" + host);
    CHECK(some.verdict_on(host) == "ok");
  }
}

TEST_CASE("an address is an address in the certificate, and no name") {
  const SomeCa some(scope_of_addresses({"192.0.2.7", "2001:db8::7"}));
  CHECK(extensions_of(some.leaf_for("192.0.2.7").get()).back() == "subjectAltName critical: IP Address:192.0.2.7");
  CHECK(extensions_of(some.leaf_for("2001:db8::7").get()).back() ==
        "subjectAltName critical: IP Address:2001:DB8:0:0:0:0:0:7");
  CHECK(subject_of(some.leaf_for("192.0.2.7").get()) == "");
}

TEST_CASE("serial numbers are positive, of up to 159 bits, and differ") {
  const SomeCa some(scope_of_names({"example.com"}));
  std::set<std::string> seen;
  int longest = 0;
  for (int i = 0; i < 100; ++i) {
    const X509Handle leaf = some.leaf_for("example.com");
    BIGNUM* const number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(leaf.get()), nullptr);
    CHECK_FALSE(BN_is_negative(number));
    longest = std::max(longest, BN_num_bits(number));
    char* const text = BN_bn2hex(number);
    CHECK(seen.insert(text).second);
    OPENSSL_free(text);
    BN_free(number);
  }
  CHECK(longest <= 159);
  CHECK(longest >= 150);
}

TEST_CASE("a leaf does not outlive its issuer") {
  const SomeCa some(scope_of_names({"example.com"}));
  const auto end = kNoon + std::chrono::days(1095);
  const X509Handle leaf = some.leaf_for("example.com", end - 24h);
  CHECK(time_text(X509_get0_notAfter(leaf.get())) == "Jan 14 08:00:00 2030 GMT");
  CHECK(verdict(some.root.get(), some.ca->issuer(0), leaf.get(), "example.com", end - 23h) == "ok");
  CHECK(verdict(some.root.get(), some.ca->issuer(0), leaf.get(), "example.com", end + 1h) == "certificate has expired");
}

TEST_CASE("a leaf is good for six days, and an hour before it was made") {
  const SomeCa some(scope_of_names({"example.com"}));
  const X509Handle leaf = some.leaf_for("example.com", kNoon + std::chrono::days(10));
  const auto verdict_at = [&](std::chrono::system_clock::duration after) {
    return verdict(some.root.get(), some.ca->issuer(0), leaf.get(), "example.com",
                   kNoon + std::chrono::days(10) + after);
  };
  CHECK(verdict_at(-59min) == "ok");
  CHECK(verdict_at(-61min) == "certificate is not yet valid");
  CHECK(verdict_at(143h) == "ok");
  CHECK(verdict_at(145h) == "certificate has expired");
}

}  // namespace keepwarm::net
