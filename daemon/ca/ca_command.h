#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <string>

#include "config/config.h"
#include "core/net/tls/local_ca_files.h"
#include "daemon/cli/command_line.h"

/// What the commands about the local CA have in common.
namespace keepwarm::daemon {

/// The configuration that the command line asks for; nullopt: it is wrong, and `err` has its errors.
[[nodiscard]] std::optional<config::Config> config_for_ca(const CommandLine& line, std::ostream& err);

/// Prints a problem as the command's, and returns kInputWrong.
int fail(const char* command, const std::string& problem, std::ostream& err);

/// "2027-01-15"
[[nodiscard]] std::string date_text(std::chrono::system_clock::time_point time);

/// The certificates that are there; if there are none, why, in `err`.
[[nodiscard]] std::optional<net::CaCertificatesRead> certificates_in(const std::string& folder, const char* command,
                                                                     std::ostream& err);

}  // namespace keepwarm::daemon
