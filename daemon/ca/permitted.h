#pragma once

#include <span>
#include <string>

#include "config/config.h"
#include "core/base/certificate_scope.h"
#include "core/base/result.h"

/// Whom a new CA may name.
namespace keepwarm::daemon {

/// What --permit names. The failure says which of them is wrong, and what is allowed.
[[nodiscard]] Result<CertificateScope, std::string> permitted_by(std::span<const std::string> names);

/// The hosts that say intercept = true. The failure: there are none, or they cannot be listed.
[[nodiscard]] Result<CertificateScope, std::string> permitted_by(const config::Config& config);

}  // namespace keepwarm::daemon
