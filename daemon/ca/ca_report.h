#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "core/base/certificate_scope.h"
#include "daemon/ca/ca_place.h"

/// What `keepwarm ca status` tells.
namespace keepwarm::daemon {

struct CaReport {
  struct Generation {
    CaGeneration facts;
    bool can_sign = false;  ///< its key is there, and it has not expired
  };
  struct Host {
    std::string pattern;                ///< of its table: "*.example.com"
    std::optional<unsigned> signed_by;  ///< the generation's number; nullopt: none may name it, or none can sign
  };
  CaPlace place;
  std::vector<Generation> generations;
  std::vector<Host> hosts;            ///< of those that say intercept = true; not "*", of which some may be permitted
  std::vector<std::string> problems;  ///< a sentence each
};

/// Looks at the files. Of a key that this user may not read nothing is said: the daemon's user may.
[[nodiscard]] CaReport ca_report(const config::Config& config, std::chrono::system_clock::time_point now);

/// For a reader; with `colours`, an authority for any host is in red.
[[nodiscard]] std::string to_text(const CaReport& report, std::chrono::system_clock::time_point now, bool colours);
[[nodiscard]] std::string to_json(const CaReport& report);

}  // namespace keepwarm::daemon
