#include "core/net/tls/local_ca_files.h"

#include <ostream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <openssl/evp.h>

#include "core/net/tls/certificate_fields.h"
#include "core/net/tls/name_constraints.h"
#include "tests/unit/net/tls/ca_fixture.h"

/// What is in the CA's folder is not always what `keepwarm ca create` has put there.
namespace keepwarm::net {
namespace {

using Problems = std::vector<std::string>;

const CertificateScope kScope = scope_of_names({"example.com"});

/// An authority of somebody's own PKI.
struct Authority {
  PkeyHandle key;
  X509Handle certificate;
};

/// How it differs from what is needed.
struct Oddities {
  bool authority = true;
  KeyPurpose purpose = KeyPurpose::SignCertificates;
  int path = 0;
};

/// `above`: nullptr: it is its own issuer.
Authority make_authority(const char* name, PkeyHandle key, const CertificateScope& scope, const Authority* above,
                         const Oddities& odd) {
  Authority made{std::move(key), nullptr};
  made.certificate = begin_certificate(made.key.get(), kNoon, kNoon + std::chrono::days(30));
  x509_st* const x509 = made.certificate.get();
  const Authority& issuer = above == nullptr ? made : *above;
  REQUIRE(set_subject(x509, "Example Corp", name));
  REQUIRE(set_issuer(x509, issuer.certificate.get()));
  REQUIRE((odd.authority ? add_authority_constraints(x509, odd.path) : add_leaf_constraints(x509)));
  REQUIRE(add_key_usage(x509, odd.purpose));
  REQUIRE(add_subject_key_id(x509));
  REQUIRE(add_authority_key_id(x509, issuer.certificate.get()));
  REQUIRE(add_name_constraints(x509, scope));
  REQUIRE(sign(x509, issuer.key.get()));
  return made;
}

CertificateScope anybody() {
  CertificateScope scope;
  scope.any_host = true;
  return scope;
}

std::string key_text(evp_pkey_st* key) {
  BIO* const memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory, &text);
  std::string result(text, static_cast<std::size_t>(length));
  BIO_free(memory);
  return result;
}

void write_authorities(const CaFolder& folder, const Authority& root, const Authority& issuer) {
  folder.write("root.crt", to_pem(root.certificate.get()), 0644);
  folder.write("issuer.crt", to_pem(issuer.certificate.get()), 0644);
  folder.write("issuer.key", key_text(issuer.key.get()));
}

/// The only problem, without the folder's path; there must be no CA.
std::string only_problem(const CaFolder& folder, const std::string& key = {}) {
  const LocalCa::Read read = folder.read(key);
  CHECK_FALSE(read.ca);
  if (read.problems.size() != 1) return std::to_string(read.problems.size()) + " problems";
  std::string text = read.problems[0];
  const std::size_t at = text.find(folder.path());
  return at == std::string::npos ? text : text.replace(at, folder.path().size(), "CA");
}

}  // namespace

TEST_CASE("a CA that is not there is a problem that names the way out") {
  const CaFolder folder;
  CHECK(only_problem(folder) == "there is no local CA in CA: keepwarm ca create");
}

TEST_CASE("generations are read in the order of their numbers, and a gap does not matter") {
  const CaFolder folder;
  folder.write(make_ca(kScope, kNoon, "0001"));
  folder.write(make_ca(scope_of_names({"b.test"}), kNoon, "0010"), "10/");
  folder.write(make_ca(scope_of_names({"c.test"}), kNoon, "0003"), "3/");
  const LocalCa::Read read = folder.read();
  CHECK(read.problems == Problems{});
  REQUIRE(read.ca);
  std::string order;
  for (const CaGeneration& each : read.ca->generations()) {
    order += std::to_string(each.number) + ' ' + each.name + ' ' + each.scope.names[0] + '\n';
  }
  CHECK(order == "1 0001 example.com\n3 0003 c.test\n10 0010 b.test\n");
  const PkeyHandle key(make_key());
  const X509Handle leaf = read.ca->make_leaf(1, "c.test", key.get(), kNoon);
  CHECK(verdict(read_ca_certificates(folder.path()).found[1].root.get(), read.ca->issuer(1), leaf.get(), "c.test") ==
        "ok");
}

TEST_CASE("the certificates of who may not look into the folder are in the public one") {
  const CaFolder folder;
  const LocalCaText text = make_ca(kScope);
  folder.write("../ca-public/root.crt", text.root, 0644);
  folder.write("../ca-public/issuer.crt", text.issuer, 0644);
  CHECK(read_ca_certificates(folder.path()).found.size() == 1);
  folder.write("../credentials/ca.key", text.issuer_key.view(), 0444);
  const std::string credentials = folder.path() + "/../credentials";
  const LocalCa::Read read = LocalCa::read({.folder = folder.path(), .key = {}, .credentials = credentials});
  CHECK(read.problems == Problems{});
  REQUIRE(read.ca);
  CHECK(read.ca->generations().size() == 1);
}

TEST_CASE("a credential is taken before the file, for each generation its own, whatever its mode is") {
  const CaFolder folder;
  const LocalCaText first = make_ca(kScope);
  const LocalCaText second = make_ca(scope_of_names({"b.test"}));
  folder.write(first);
  folder.write(second, "2/");
  folder.write("issuer.key", "junk");
  folder.write("2/issuer.key", "junk");
  folder.write("../credentials/ca.key", first.issuer_key.view(), 0440);
  folder.write("../credentials/ca.2.key", second.issuer_key.view(), 0440);
  const std::string credentials = folder.path() + "/../credentials";
  const LocalCa::Read read = LocalCa::read({.folder = folder.path(), .key = {}, .credentials = credentials});
  CHECK(read.problems == Problems{});
  REQUIRE(read.ca);
  CHECK(read.ca->generations().size() == 2);
  const LocalCa::Read named =
      LocalCa::read({.folder = folder.path(), .key = credentials + "/ca.2.key", .credentials = credentials});
  REQUIRE(named.ca);
  CHECK(named.ca->generations()[0].number == 2);
}

TEST_CASE("a key that is named is that of the one generation that it fits") {
  const CaFolder folder;
  const LocalCaText second = make_ca(scope_of_names({"b.test"}));
  folder.write(make_ca(kScope));
  folder.write(second, "2/");
  folder.write("../elsewhere.key", second.issuer_key.view());
  const LocalCa::Read read = folder.read(folder.path() + "/../elsewhere.key");
  CHECK(read.problems == Problems{});
  REQUIRE(read.ca);
  REQUIRE(read.ca->generations().size() == 1);
  CHECK(read.ca->generations()[0].number == 2);
  const PkeyHandle key(make_key());
  const X509Handle leaf = read.ca->make_leaf(0, "b.test", key.get(), kNoon);
  CHECK(verdict(certificate_from(second.root).get(), read.ca->issuer(0), leaf.get(), "b.test") == "ok");

  folder.write("../elsewhere.key", make_ca(kScope).issuer_key.view());
  CHECK(only_problem(folder, folder.path() + "/../elsewhere.key") ==
        "CA/../elsewhere.key is the key of no issuer in " + folder.path());
  CHECK(only_problem(folder, "/nowhere/x.key") == "/nowhere/x.key: No such file or directory");
}

TEST_CASE("a key that others can use is refused") {
  const CaFolder folder;
  const LocalCaText text = make_ca(kScope);
  folder.write(text);
  for (const mode_t mode : {0640U, 0604U, 0620U, 0601U, 0660U}) {
    folder.write("issuer.key", text.issuer_key.view(), mode);
    const std::string problem = only_problem(folder);
    CHECK(problem.starts_with("CA/issuer.key can be used by others than its owner (mode 06"));
    CHECK(problem.ends_with("): chmod 600"));
    CHECK(key_file_problem(folder.path() + "/issuer.key") ==
          folder.path() + problem.substr(std::string_view("CA").size()));
  }
  for (const mode_t mode : {0600U, 0400U}) {
    folder.write("issuer.key", text.issuer_key.view(), mode);
    CHECK(folder.read().ca);
    CHECK(key_file_problem(folder.path() + "/issuer.key") == "");
  }
  CHECK(key_file_problem("/nowhere/x.key") == "");
}

TEST_CASE("a key that belongs to another user is refused") {
  if (::geteuid() != 0) return;  // only root can give a file away
  const CaFolder folder;
  folder.write(make_ca(kScope));
  REQUIRE(::chown((folder.path() + "/issuer.key").c_str(), 4711, 0) == 0);
  CHECK(only_problem(folder) == "CA/issuer.key belongs to neither root nor this user, but to the user 4711");
}

TEST_CASE("a key that is no file is refused, and holds nobody up") {
  const CaFolder folder;
  folder.write(make_ca(kScope));
  std::filesystem::remove(folder.path() + "/issuer.key");
  CHECK(only_problem(folder) == "CA/issuer.key: No such file or directory");
  REQUIRE(::mkfifo((folder.path() + "/issuer.key").c_str(), 0600) == 0);
  CHECK(only_problem(folder) == "CA/issuer.key is no file");
}

TEST_CASE("junk in a file is a problem that names the file") {
  struct Case {
    const char* file;
    std::string text;
    std::string problem;
  };
  const LocalCaText good = make_ca(kScope);
  const LocalCaText other = make_ca(kScope);
  const Case cases[] = {
      {"root.crt", "", "CA/root.crt: it holds no certificate in PEM"},
      {"root.crt", "junk\n", "CA/root.crt: it holds no certificate in PEM"},
      {"root.crt", good.root.substr(0, good.root.size() / 2), "CA/root.crt: it holds no certificate in PEM"},
      {"issuer.crt", std::string(100'000, '\0'), "CA/issuer.crt: it holds no certificate in PEM"},
      {"issuer.crt", std::string(good.issuer_key.view()), "CA/issuer.crt: it holds no certificate in PEM"},
      {"issuer.crt", other.issuer, "CA/issuer.crt: it was not issued by the certificate in root.crt"},
      {"root.crt", other.root, "CA/issuer.crt: it was not issued by the certificate in root.crt"},
      {"root.crt", good.issuer, "CA/root.crt: no authority may stand below it (pathlen)"},
      {"issuer.crt", good.root, "CA/issuer.crt: further authorities may stand below it (pathlen is not 0)"},
      {"issuer.key", "", "CA/issuer.key holds no private key in PEM"},
      {"issuer.key", "none", "CA/issuer.key holds no private key in PEM"},
      {"issuer.key", std::string(good.issuer_key.view().substr(0, 100)), "CA/issuer.key holds no private key in PEM"},
      {"issuer.key", good.issuer, "CA/issuer.key holds no private key in PEM"},
      {"issuer.key", std::string(other.issuer_key.view()),
       "CA/issuer.key is not the key of the certificate in issuer.crt"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.problem);
    const CaFolder folder;
    folder.write(good);
    folder.write(c.file, c.text);
    CHECK(only_problem(folder) == c.problem);
  }
}

TEST_CASE("a generation that is of no use leaves the others in force") {
  const CaFolder folder;
  folder.write(make_ca(kScope));
  folder.write(make_ca(kScope), "2/");
  folder.write("issuer.crt", "junk");
  folder.write("3/issuer.key", "begun, and never finished");
  const LocalCa::Read read = folder.read();
  REQUIRE(read.ca);
  CHECK(read.ca->generations().size() == 1);
  CHECK(read.ca->generations()[0].number == 2);
  CHECK(read.problems == Problems{folder.path() + "/issuer.crt: it holds no certificate in PEM",
                                  folder.path() + "/3/root.crt: No such file or directory"});
}

TEST_CASE("a key with a password is refused, and nobody is asked for it") {
  const CaFolder folder;
  folder.write(make_ca(kScope));
  const PkeyHandle key(make_key());
  BIO* const memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PKCS8PrivateKey(memory, key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr, nullptr);
  char* text = nullptr;
  const long length = BIO_get_mem_data(memory, &text);
  folder.write("issuer.key", std::string_view(text, static_cast<std::size_t>(length)));
  BIO_free(memory);
  CHECK(only_problem(folder) == "CA/issuer.key is encrypted with a password");
}

TEST_CASE("a CA that has expired is there, and says until when it was good") {
  const CaFolder folder;
  folder.write(make_ca(kScope, kNoon - std::chrono::days(5000)));
  const LocalCa::Read read = folder.read();
  REQUIRE(read.ca);
  CHECK(read.ca->generations()[0].not_after == kNoon - std::chrono::days(5000 - 1095));
}

TEST_CASE("a subordinate authority of somebody's own PKI signs within the constraints of both") {
  const CaFolder folder;
  for (evp_pkey_st* const made :
       {EVP_RSA_gen(2048), EVP_EC_gen("P-384"), EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")}) {
    CAPTURE(EVP_PKEY_get0_type_name(made));
    const Authority root =
        make_authority("Root", make_key(), scope_of_names({"corp.example", "test"}), nullptr, {.path = 1});
    const Authority issuer =
        make_authority("Sub", PkeyHandle(made), scope_of_names({"example", "api.test"}), &root, {});
    write_authorities(folder, root, issuer);
    const LocalCa::Read read = folder.read();
    CHECK(read.problems == Problems{});
    REQUIRE(read.ca);
    const CaGeneration& facts = read.ca->generations()[0];
    CHECK(facts.scope == scope_of_names({"corp.example", "api.test"}));
    CHECK(facts.name == facts.fingerprint.substr(0, 2) + facts.fingerprint.substr(3, 2));
    CHECK(facts.not_after == kNoon + std::chrono::days(30));
    const PkeyHandle key(make_key());
    const X509Handle trusted = certificate_from(to_pem(root.certificate.get()));
    const auto verdict_on = [&](const std::string& host) {
      const X509Handle leaf = read.ca->make_leaf(0, host, key.get(), kNoon + std::chrono::hours(1));
      REQUIRE(leaf);
      return verdict(trusted.get(), read.ca->issuer(0), leaf.get(), host, kNoon + std::chrono::hours(2));
    };
    for (const char* host : {"a.corp.example", "api.test", "b.test", "example", "192.0.2.1"}) {
      CAPTURE(host);
      const std::string text = verdict_on(host);
      CAPTURE(text);
      CHECK((text == "ok") == facts.scope.permits(host));
    }
  }
}

TEST_CASE("an authority that may not sign for servers is refused") {
  struct Case {
    Oddities root;
    Oddities issuer;
    std::string problem;
  };
  const Oddities good_root{.path = 1};
  const Case cases[] = {
      {{.authority = false}, {}, "CA/root.crt: it is no authority (basicConstraints has no CA:TRUE)"},
      {good_root, {.authority = false}, "CA/issuer.crt: it is no authority (basicConstraints has no CA:TRUE)"},
      {{.path = 0}, {}, "CA/root.crt: no authority may stand below it (pathlen)"},
      {good_root, {.path = 1}, "CA/issuer.crt: further authorities may stand below it (pathlen is not 0)"},
      {good_root,
       {.purpose = KeyPurpose::DigitalSignature},
       "CA/issuer.crt: it may not sign (keyUsage has no keyCertSign)"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.problem);
    const CaFolder folder;
    const Authority root = make_authority("Root", make_key(), anybody(), nullptr, c.root);
    write_authorities(folder, root, make_authority("Sub", make_key(), anybody(), &root, c.issuer));
    CHECK(only_problem(folder) == c.problem);
  }
}

}  // namespace keepwarm::net
