#pragma once

#include <string>
#include <vector>

#include "config/config.h"

/// Checks that take more than one key: values that contradict each other, and values that are likely a mistake.
namespace keepwarm::config {

struct Finding {
  std::string key;      ///< `proxy.listen`, `host."*".tls.client_key`
  std::string with;     ///< the key that it clashes with; "": none. If either is wrong in itself, this finding is moot
  std::string message;  ///< what is wrong, and what is allowed
};

/// Errors: a listener beyond this machine without allow_clients, one address twice, half a client certificate,
/// connect_to together with a parent, interception of a host whose server is not verified by its own name or over an
/// address that is no listener.
[[nodiscard]] std::vector<Finding> contradictions(const Config& config);

/// A further check of the whole configuration, which only another layer can make.
using Review = std::vector<Finding> (*)(const Config& config);

/// Not errors, but worth a second look; for `keepwarm check`. `config` has no errors.
[[nodiscard]] std::vector<Finding> advice(const Config& config);

/// `host."www.example.com".idle_timeout`
[[nodiscard]] std::string host_key_path(std::string_view pattern, std::string_view key);

}  // namespace keepwarm::config
