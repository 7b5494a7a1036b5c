#pragma once

#include <vector>

#include "config/review.h"

namespace keepwarm::daemon {

/// The files that [host.*.tls] names: whether they can be read, and hold what TLS needs. Reads them.
[[nodiscard]] std::vector<config::Finding> tls_findings(const config::Config& config);

}  // namespace keepwarm::daemon
