#pragma once

#include <chrono>
#include <vector>

#include "config/review.h"

/// What `keepwarm check` finds in the files of the local CA, if some host says intercept = true.
namespace keepwarm::daemon {

/// Errors: keys that others can use. Files that this user may not look at are not judged.
[[nodiscard]] std::vector<config::Finding> ca_findings(const config::Config& config);

/// Worth a second look: no CA, one that has expired, hosts that it may not name. All of them are tunnels.
[[nodiscard]] std::vector<config::Finding> ca_advice(const config::Config& config,
                                                     std::chrono::system_clock::time_point now);

}  // namespace keepwarm::daemon
