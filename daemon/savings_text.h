#pragma once

#include <string>

#include "core/proxy/savings.h"

namespace keepwarm::daemon {

/// "1234 requests, 97.1 % of them on connections that were open already: 1198 handshakes avoided, which would have
/// taken 1 min 3 s; …", for the log.
[[nodiscard]] std::string savings_text(const proxy::Savings& savings);

/// "812 ms", "5.3 s", "12 min 4 s", "3 h 12 min", "3 d 4 h". Pure.
[[nodiscard]] std::string rough_time(Duration duration);

}  // namespace keepwarm::daemon
