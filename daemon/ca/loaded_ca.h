#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "core/net/tls/local_ca.h"

/// The local CA of a running daemon.
namespace keepwarm::daemon {

struct LoadedCa {
  std::shared_ptr<const net::LocalCa> ca = nullptr;  ///< nullptr: nothing is intercepted
  std::vector<std::string> problems = {};            ///< a sentence each, for the log
};

/// Reads it if some host says intercept = true; else nothing is read and nothing is wrong. From then on nobody but root
/// can look into this process, and it leaves no core behind: the key's bytes are in its memory. On any thread.
[[nodiscard]] LoadedCa load_ca(const config::Config& config, std::chrono::system_clock::time_point now);

/// What the log is to be told daily: which generations end within 60 days, unless a later one may name the same hosts.
[[nodiscard]] std::vector<std::string> expiry_warnings(const net::LocalCa& ca,
                                                       std::chrono::system_clock::time_point now);

/// Whether some table of hosts says intercept = true.
[[nodiscard]] bool intercepts(const config::Config& config);

}  // namespace keepwarm::daemon
