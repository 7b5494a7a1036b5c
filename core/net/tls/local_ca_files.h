#pragma once

#include <string>
#include <vector>

#include "core/base/certificate_scope.h"
#include "core/base/result.h"
#include "core/net/tls/openssl_handles.h"

/// The files of the local CA, as they are read. A generation has root.crt, issuer.crt and issuer.key in its folder; of
/// the first two there is a copy in the folder beside it whose name ends in "-public", for who may not look into the
/// other one. (`keepwarm ca create` writes them: daemon/ca.)
namespace keepwarm::net {

/// At most so many generations are looked for.
inline constexpr unsigned kMostCaGenerations = 100;

/// "FOLDER" for the first, "FOLDER/2" for the second.
[[nodiscard]] std::string generation_folder(const std::string& folder, unsigned number);

/// The certificates of one generation, without its key. They have passed every check but that of the time: the issuer
/// may sign certificates of servers, and the root has signed the issuer.
struct CaCertificates {
  CaGeneration facts;
  X509Handle root;
  X509Handle issuer;
  std::string root_pem;    ///< one certificate, and nothing else
  std::string issuer_pem;  ///< the same
};

struct CaCertificatesRead {
  std::vector<CaCertificates> found;  ///< by their numbers
  std::vector<std::string> problems;  ///< a sentence for each generation that is there and of no use
};
/// Reads those of all generations.
[[nodiscard]] CaCertificatesRead read_ca_certificates(const std::string& folder);

/// Who says who may read a key's file: its mode and owner, or the service manager that has handed it over.
enum class KeyFileKind : int { Own, HandedOver };

/// Reads a private key in PEM, without a password. The failure is a sentence. A file of our own must belong to root or
/// to this user, and be readable by nobody else.
[[nodiscard]] Result<PkeyHandle, std::string> read_private_key(const std::string& path, KeyFileKind kind);

/// What read_private_key() would say of the mode and the owner of that file; "": nothing, or it cannot be looked at.
[[nodiscard]] std::string key_file_problem(const std::string& path);

}  // namespace keepwarm::net
