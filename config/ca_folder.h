#pragma once

#include <string>

#include "core/policy/settings.h"

/// Where the local CA is: its keys in one folder, and what everybody may read in another beside it.
namespace keepwarm::config {

/// The folder in force, without "/" at its end: what `ca` says, else /etc/keepwarm/ca for root and for who has
/// $CREDENTIALS_DIRECTORY (a service, whose user has no home), else .config/keepwarm/ca in the user's home.
[[nodiscard]] std::string ca_folder(const policy::InterceptSettings& settings);

/// "/etc/keepwarm/ca" -> "/etc/keepwarm/ca-public"
[[nodiscard]] std::string ca_public_folder(const policy::InterceptSettings& settings);

}  // namespace keepwarm::config
