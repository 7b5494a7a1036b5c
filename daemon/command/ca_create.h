#pragma once

#include <iosfwd>

#include "daemon/cli/command_line.h"

namespace keepwarm::daemon {

/// `keepwarm ca create`: makes the local CA, or a further generation of it. `in` is asked for a yes where that is
/// needed.
[[nodiscard]] int run_ca_create(const CommandLine& line, std::istream& in, std::ostream& out, std::ostream& err);

}  // namespace keepwarm::daemon
