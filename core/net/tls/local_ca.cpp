#include "core/net/tls/local_ca.h"

#include <algorithm>
#include <unistd.h>
#include <utility>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "core/base/ip.h"
#include "core/net/tls/certificate_fields.h"
#include "core/net/tls/local_ca_files.h"

namespace keepwarm::net {
namespace {

using namespace std::chrono_literals;

constexpr auto kLeafLife = std::chrono::days(6);
constexpr auto kLeafStartsBefore = 1h;  // so much may a client's clock be behind

/// The credential that holds the key of a generation.
std::string credential_of(const std::string& folder, unsigned number) {
  return folder + (number == 1 ? "/ca.key" : "/ca." + std::to_string(number) + ".key");
}

/// Finds the keys of issuers.
class Keys {
 public:
  Keys(const LocalCa::Source& source, std::vector<std::string>& problems) : source_(source), problems_(problems) {
    if (!source.key.empty()) one_ = read(source.key);
  }

  /// nullptr: it is not there, which has been said if it should be.
  PkeyHandle of(const CaCertificates& ca) {
    const bool one_for_all = !source_.key.empty();
    const std::string path = one_for_all ? source_.key : path_of(ca.facts.number);
    PkeyHandle key = one_for_all ? shared(one_) : read(path);
    if (!key) return nullptr;
    const bool fits = X509_check_private_key(ca.issuer.get(), key.get()) == 1;
    ERR_clear_error();
    if (!fits && !one_for_all) problems_.push_back(path + " is not the key of the certificate in issuer.crt");
    return fits ? std::move(key) : nullptr;
  }
  /// To be told once all generations have been asked for.
  void complain_if_unused(bool used) {
    if (one_ && !used) problems_.push_back(source_.key + " is the key of no issuer in " + source_.folder);
  }

 private:
  [[nodiscard]] std::string path_of(unsigned number) const {
    if (!source_.credentials.empty()) {
      std::string credential = credential_of(source_.credentials, number);
      if (::access(credential.c_str(), F_OK) == 0) return credential;
    }
    return generation_folder(source_.folder, number) + "/issuer.key";
  }
  PkeyHandle read(const std::string& path) {
    const bool handed_over = !source_.credentials.empty() && path.starts_with(source_.credentials + '/');
    Result<PkeyHandle, std::string> key =
        read_private_key(path, handed_over ? KeyFileKind::HandedOver : KeyFileKind::Own);
    if (key) return std::move(key).value();
    problems_.push_back(key.failure());
    return nullptr;
  }
  static PkeyHandle shared(const PkeyHandle& key) {
    if (key) EVP_PKEY_up_ref(key.get());
    return PkeyHandle(key.get());
  }

  const LocalCa::Source& source_;
  std::vector<std::string>& problems_;
  PkeyHandle one_;  ///< the key of source.key
};

}  // namespace

LocalCa::~LocalCa() = default;

LocalCa::Read LocalCa::read(const Source& source) {
  CaCertificatesRead certificates = read_ca_certificates(source.folder);
  Read result{nullptr, std::move(certificates.problems)};
  if (certificates.found.empty()) {
    if (result.problems.empty()) result.problems.push_back(no_ca_text(source.folder));
    return result;
  }
  Keys keys(source, result.problems);
  const std::shared_ptr<LocalCa> ca(new LocalCa);
  for (CaCertificates& each : certificates.found) {
    PkeyHandle key = keys.of(each);
    if (!key) continue;
    ca->facts_.push_back(std::move(each.facts));
    ca->signers_.push_back({std::move(each.issuer), std::move(key)});
  }
  keys.complain_if_unused(!ca->signers_.empty());
  if (!ca->signers_.empty()) result.ca = ca;
  return result;
}

X509Handle LocalCa::make_leaf(std::size_t generation, std::string_view host, evp_pkey_st* key, WallTime now) const {
  const Signer& signer = signers_[generation];
  const WallTime to = std::min<WallTime>(now + kLeafLife, facts_[generation].not_after);
  X509Handle leaf = begin_certificate(key, now - kLeafStartsBefore, to);
  x509_st* const x509 = leaf.get();
  // An address in the subject would be taken for a name, which the issuer may not be permitted.
  const bool is_named = host.size() <= kLongestCommonName && !IpAddress::parse(host);
  const bool made = x509 != nullptr && set_subject(x509, {}, is_named ? host : std::string_view()) &&
                    set_issuer(x509, signer.certificate.get()) && add_leaf_constraints(x509) &&
                    add_key_usage(x509, KeyPurpose::DigitalSignature) && add_server_usage(x509) &&
                    add_subject_key_id(x509) && add_authority_key_id(x509, signer.certificate.get()) &&
                    add_alternative_name(x509, host, !is_named) && sign(x509, signer.key.get());
  if (!made) ERR_clear_error();
  return made ? std::move(leaf) : nullptr;
}

std::string no_ca_text(const std::string& folder) {
  return "there is no local CA in " + folder + ": keepwarm ca create";
}

}  // namespace keepwarm::net
