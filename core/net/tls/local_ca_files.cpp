#include "core/net/tls/local_ca_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <optional>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/base/secret_text.h"
#include "core/net/descriptor.h"
#include "core/net/tls/certificate_fields.h"
#include "core/net/tls/name_constraints.h"

namespace keepwarm::net {
namespace {

constexpr std::size_t kLargestFile = 65536;
constexpr std::string_view kRootFile = "/root.crt";
constexpr std::string_view kIssuerFile = "/issuer.crt";
constexpr std::string_view kKeyFile = "/issuer.key";

BioHandle memory_of(std::string_view text) {
  return BioHandle(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

/// An errno as a type of its own.
struct SystemError {
  int number;
  [[nodiscard]] bool is_absence() const noexcept { return number == ENOENT || number == ENOTDIR; }
};

/// The whole file, or as much of it as is sensible.
Result<SecretText, SystemError> read_whole(int file) {
  SecretText text(kLargestFile);
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t count = ::read(file, text.data() + length, text.size() - length);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return SystemError{errno};
    if (count == 0) break;
    length += static_cast<std::size_t>(count);
  }
  return SecretText(text.view().substr(0, length));
}

Result<SecretText, SystemError> read_whole(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // a FIFO holds nobody up
  return file.get() < 0 ? Result<SecretText, SystemError>(SystemError{errno}) : read_whole(file.get());
}

/// OpenSSL asks for a password: nobody is there who knows it. `asked` is a bool.
int refuse_password(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

/// "" if the mode and owner of a file are as a key needs them.
std::string guard_problem(const struct stat& file) {
  constexpr mode_t kOthers = S_IRWXG | S_IRWXO;
  if (!S_ISREG(file.st_mode)) return "is no file";
  if (file.st_uid != 0 && file.st_uid != ::geteuid()) {
    return "belongs to neither root nor this user, but to the user " + std::to_string(file.st_uid);
  }
  if ((file.st_mode & kOthers) == 0) return {};
  std::array<char, 8> mode{};
  std::snprintf(mode.data(), mode.size(), "%04o", static_cast<unsigned>(file.st_mode & 07777U));
  return "can be used by others than its owner (mode " + std::string(mode.data()) + "): chmod 600";
}

/// Why this certificate is no authority of that kind; "": it is one. `longest_path`: how many authorities may stand
/// below it, at least.
std::string authority_problem(X509* certificate, int longest_path) {
  // Fails for extensions that cannot be read; the flags below mean nothing then.
  if (X509_check_purpose(certificate, -1, 0) != 1) return "it has extensions that cannot be read";
  const std::uint32_t flags = X509_get_extension_flags(certificate);
  if ((flags & EXFLAG_CA) == 0) return "it is no authority (basicConstraints has no CA:TRUE)";
  if ((X509_get_key_usage(certificate) & KU_KEY_CERT_SIGN) == 0) return "it may not sign (keyUsage has no keyCertSign)";
  const long path = X509_get_pathlen(certificate);
  if (path != -1 && path < longest_path) return "no authority may stand below it (pathlen)";
  return {};
}

std::string issuer_problem(X509* issuer, X509* root) {
  std::string problem = authority_problem(issuer, 0);
  if (!problem.empty()) return problem;
  if (X509_get_pathlen(issuer) != 0) return "further authorities may stand below it (pathlen is not 0)";
  const std::uint32_t usage = X509_get_extended_key_usage(issuer);  // all bits if there is no such extension
  if ((usage & (XKU_SSL_SERVER | XKU_ANYEKU)) == 0) return "it is not for servers (extendedKeyUsage has no serverAuth)";
  EVP_PKEY* const root_key = X509_get0_pubkey(root);
  const bool is_below = X509_NAME_cmp(X509_get_issuer_name(issuer), X509_get_subject_name(root)) == 0;
  if (!is_below || root_key == nullptr || X509_verify(issuer, root_key) != 1) {
    return "it was not issued by the certificate in root.crt";
  }
  return {};
}

/// The first certificate in PEM.
X509Handle certificate_in(std::string_view text) {
  const BioHandle memory = memory_of(text);
  bool asked = false;
  return X509Handle(memory ? PEM_read_bio_X509(memory.get(), nullptr, refuse_password, &asked) : nullptr);
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

/// The last word of our subjects; of others the beginning of the fingerprint.
std::string name_of(X509* root, std::string_view fingerprint) {
  constexpr std::size_t kDigits = 4;
  std::array<char, 80> text{};
  const int length = X509_NAME_get_text_by_NID(X509_get_subject_name(root), NID_commonName, text.data(),
                                               static_cast<int>(text.size()));
  const std::string_view subject(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  if (subject.starts_with("keepwarm local CA ") && subject.size() > kDigits) {
    const std::string_view last = subject.substr(subject.size() - kDigits);
    if (is_hex(last) && subject[subject.size() - kDigits - 1] == ' ') return std::string(last);
  }
  return std::string(fingerprint.substr(0, 2)) + std::string(fingerprint.substr(3, 2));
}

Result<CertificateScope, std::string> scope_of(X509* issuer, X509* root) {
  Result<CertificateScope, std::string> of_issuer = name_constraints(issuer);
  if (!of_issuer) return of_issuer;
  Result<CertificateScope, std::string> of_root = name_constraints(root);
  if (!of_root) return of_root;
  return simplified(both(*of_issuer, *of_root));
}

/// Checks the two, and fills in what they say; else the problem, which names the file.
std::string examine(CaCertificates& ca, const std::string& folder) {
  const auto in_file = [&](std::string_view file, const std::string& problem) {
    return folder + std::string(file) + ": " + problem;
  };
  if (!ca.root) return in_file(kRootFile, "it holds no certificate in PEM");
  if (!ca.issuer) return in_file(kIssuerFile, "it holds no certificate in PEM");
  if (const std::string problem = authority_problem(ca.root.get(), 1); !problem.empty()) {
    return in_file(kRootFile, problem);
  }
  if (const std::string problem = issuer_problem(ca.issuer.get(), ca.root.get()); !problem.empty()) {
    return in_file(kIssuerFile, problem);
  }
  Result<CertificateScope, std::string> scope = scope_of(ca.issuer.get(), ca.root.get());
  if (!scope) return in_file(kIssuerFile, scope.failure());
  ca.root_pem = to_pem(ca.root.get());
  ca.issuer_pem = to_pem(ca.issuer.get());
  ca.facts.fingerprint = sha256_fingerprint(ca.root.get());
  ca.facts.name = name_of(ca.root.get(), ca.facts.fingerprint);
  ca.facts.scope = std::move(scope).value();
  ca.facts.not_before = std::max(not_before(ca.root.get()), not_before(ca.issuer.get()));
  ca.facts.not_after = std::min(not_after(ca.root.get()), not_after(ca.issuer.get()));
  return {};
}

/// Where the certificates of a generation are: its folder, or the public one beside it; "": in neither of them, for the
/// reason in `error`.
std::string folder_of_certificates(const std::string& folder, unsigned number, SystemError& error) {
  error = {ENOENT};
  for (const std::string& base : {folder, folder + "-public"}) {
    std::string place = generation_folder(base, number);
    struct stat found {};
    if (::stat((place + std::string(kRootFile)).c_str(), &found) == 0) return place;
    if (error.is_absence()) error = {errno};
  }
  return {};
}

bool is_begun(const std::string& folder) {
  constexpr std::array<std::string_view, 2> kFiles = {kIssuerFile, kKeyFile};
  return std::any_of(kFiles.begin(), kFiles.end(), [&](std::string_view file) {
    struct stat found {};
    return ::stat((folder + std::string(file)).c_str(), &found) == 0;
  });
}

void read_generation(const std::string& folder, unsigned number, CaCertificatesRead& read) {
  SystemError error{};
  const std::string place = folder_of_certificates(folder, number, error);
  const std::string own = generation_folder(folder, number);
  if (place.empty()) {
    // A folder that may not be looked into has told so with the first generation.
    if (error.is_absence() ? is_begun(own) : number == 1) {
      read.problems.push_back(own + std::string(kRootFile) + ": " + std::strerror(error.number));
    }
    return;
  }
  CaCertificates ca;
  ca.facts.number = number;
  for (const auto& [file, certificate] : {std::pair{kRootFile, &ca.root}, std::pair{kIssuerFile, &ca.issuer}}) {
    const Result<SecretText, SystemError> text = read_whole(place + std::string(file));
    if (!text) return read.problems.push_back(place + std::string(file) + ": " + std::strerror(text.failure().number));
    *certificate = certificate_in(text->view());
  }
  std::string problem = examine(ca, place);
  ERR_clear_error();
  if (problem.empty()) return read.found.push_back(std::move(ca));
  read.problems.push_back(std::move(problem));
}

}  // namespace

std::string generation_folder(const std::string& folder, unsigned number) {
  return number == 1 ? folder : folder + '/' + std::to_string(number);
}

CaCertificatesRead read_ca_certificates(const std::string& folder) {
  CaCertificatesRead read;
  for (unsigned number = 1; number <= kMostCaGenerations; ++number) read_generation(folder, number, read);
  return read;
}

Result<PkeyHandle, std::string> read_private_key(const std::string& path, KeyFileKind kind) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status {};
  if (file.get() < 0 || ::fstat(file.get(), &status) != 0) return path + ": " + std::strerror(errno);
  const std::string problem = kind == KeyFileKind::Own ? guard_problem(status) : std::string();
  if (!problem.empty()) return path + ' ' + problem;
  const Result<SecretText, SystemError> text = read_whole(file.get());
  if (!text) return path + ": " + std::strerror(text.failure().number);
  const BioHandle memory = memory_of(text->view());
  bool asked = false;
  PkeyHandle key(memory ? PEM_read_bio_PrivateKey(memory.get(), nullptr, refuse_password, &asked) : nullptr);
  ERR_clear_error();
  if (asked) return path + " is encrypted with a password";
  if (!key) return path + " holds no private key in PEM";
  return key;
}

std::string key_file_problem(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return {};
  std::string problem = guard_problem(status);
  return problem.empty() ? problem : path + ' ' + problem;
}

}  // namespace keepwarm::net
