#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "core/base/result.h"

/// Secrets that the service manager hands over: where a key of the table says so, the value `"credential:NAME"` stands
/// for the file NAME in $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential=), which only the service can read.
namespace keepwarm::config {

/// Where the secrets are, and what it means if they are nowhere.
struct Credentials {
  std::string folder;   ///< "": there is none, as for everybody but the service
  bool needed = false;  ///< without a folder a value that names one is an error; else it stays as it is written

  /// What $CREDENTIALS_DIRECTORY says.
  [[nodiscard]] static Credentials of_environment(bool needed);
};

/// What is wrong with a value, and what is allowed. It holds nothing of what is in a file.
struct CredentialProblem {
  std::string text;
};

/// `text` is written as "credential:…".
[[nodiscard]] bool names_credential(std::string_view text) noexcept;

/// The value that `text` stands for: of a key whose values are paths the file's path; of `parent` the proxy whose URL
/// is in the file, shown as `text`. `type`: any value of the key. Reads the file only where its content is the value.
[[nodiscard]] Result<Value, CredentialProblem> credential_value(const Credentials& credentials, std::string_view text,
                                                                const Value& type);

/// The keys whose value is still written as "credential:…", since there is no folder here; "tls.client_key".
[[nodiscard]] std::vector<std::string_view> unread_credentials(const policy::HostSettings& settings);

/// The same for the keys outside the host tables; "intercept.key".
[[nodiscard]] std::vector<std::string> unread_credentials(const Config& config);

}  // namespace keepwarm::config
