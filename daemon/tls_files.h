#pragma once

#include <vector>

#include "config/review.h"

namespace keepwarm::daemon {

/// Reads the files that [host.*.tls] names, and returns those that cannot be read or do not hold what TLS needs.
[[nodiscard]] std::vector<config::Finding> tls_findings(const config::Config& config);

/// What is in these files now, and in the one of the system's authorities (policy::FileMarks).
[[nodiscard]] policy::FileMarks tls_file_marks(const config::Config& config);

}  // namespace keepwarm::daemon
