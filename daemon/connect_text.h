#pragma once

#include <chrono>
#include <string>

#include "config/config.h"
#include "core/base/origin.h"

namespace keepwarm::daemon {

/// What becomes of a CONNECT to this origin, in words: refused, a tunnel and why, or intercepted by which generation of
/// the local CA. Lines for a reader, each indented by two. Looks at the certificates of the CA, not at its keys, which
/// the user who asks may not be able to read.
[[nodiscard]] std::string connect_text(const config::Config& config, const Origin& origin,
                                       std::chrono::system_clock::time_point now);

}  // namespace keepwarm::daemon
