#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/net/tls/local_ca.h"
#include "core/net/tls/local_ca_create.h"

namespace keepwarm::net {

/// Noon of a day, long before that of the test.
inline constexpr std::chrono::system_clock::time_point kNoon{std::chrono::seconds(1'800'000'000)};

/// A folder for a local CA, which goes with the test.
class CaFolder {
 public:
  CaFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "keepwarm-ca-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    home_ = name;
  }
  ~CaFolder() { std::filesystem::remove_all(home_); }
  CaFolder(const CaFolder&) = delete;
  CaFolder& operator=(const CaFolder&) = delete;

  [[nodiscard]] std::string path() const { return home_ + "/ca"; }
  [[nodiscard]] std::string public_path() const { return path() + "-public"; }

  /// `file`: below the folder.
  void write(const std::string& file, std::string_view text, mode_t mode = 0600) const {
    const std::filesystem::path whole = path() + '/' + file;
    std::filesystem::create_directories(whole.parent_path());
    std::filesystem::remove(whole);
    std::ofstream(whole, std::ios::binary) << text;
    REQUIRE(::chmod(whole.c_str(), mode) == 0);
  }
  void write(const LocalCaText& text, const std::string& sub = {}) const {
    write(sub + "root.crt", text.root, 0644);
    write(sub + "issuer.crt", text.issuer, 0644);
    write(sub + "issuer.key", text.issuer_key.view());
  }
  [[nodiscard]] LocalCa::Read read(const std::string& key = {}) const {
    return LocalCa::read({.folder = path(), .key = key, .credentials = {}});
  }

 private:
  std::string home_;
};

inline LocalCaText make_ca(const CertificateScope& scope, std::chrono::system_clock::time_point now = kNoon,
                           const std::string& name = "A1B2") {
  const LocalCaRequest request{.scope = scope, .machine = "builder.example", .name = name};
  Result<LocalCaText, std::string> made = create_local_ca(request, now);
  REQUIRE(made.ok());
  return std::move(made).value();
}

inline CertificateScope scope_of_names(std::vector<std::string> names) {
  CertificateScope scope;
  scope.names = std::move(names);
  return scope;
}

inline X509Handle certificate_from(std::string_view text) {
  BIO* const memory = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  X509Handle certificate(PEM_read_bio_X509(memory, nullptr, nullptr, nullptr));
  BIO_free(memory);
  REQUIRE(certificate);
  return certificate;
}

/// What a client says that trusts only `root` and asks for `host`; "ok" if nothing.
inline std::string verdict(X509* root, X509* issuer, X509* leaf, const std::string& host,
                           std::chrono::system_clock::time_point at = kNoon) {
  X509_STORE* const store = X509_STORE_new();
  X509_STORE_add_cert(store, root);
  X509_STORE_CTX* const context = X509_STORE_CTX_new();
  STACK_OF(X509)* const chain = sk_X509_new_null();
  sk_X509_push(chain, issuer);
  X509_STORE_CTX_init(context, store, leaf, chain);
  X509_VERIFY_PARAM* const rules = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(rules, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE);
  X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_time(rules, std::chrono::system_clock::to_time_t(at));
  if (X509_VERIFY_PARAM_set1_ip_asc(rules, host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(rules, host.c_str(), host.size());
  }
  const bool good = X509_verify_cert(context) == 1;
  std::string text = good ? "ok" : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
  sk_X509_free(chain);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return text;
}

}  // namespace keepwarm::net
