#pragma once

#include <string>
#include <string_view>

#include "daemon/cli/spec.h"

/// The manual pages, made from the tables that the program itself works with.
namespace keepwarm::manual {

/// keepwarm(1): from the commands and options. `date` as "2026-11-30".
[[nodiscard]] std::string command_page(const daemon::ProgramSpec& program, std::string_view date);

/// keepwarm.toml(5): from the keys of the configuration.
[[nodiscard]] std::string configuration_page(std::string_view date);

}  // namespace keepwarm::manual
