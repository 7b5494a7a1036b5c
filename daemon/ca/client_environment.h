#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/config.h"
#include "core/base/result.h"
#include "daemon/ca/ca_place.h"
#include "daemon/cli/command_line.h"

/// The variables that have programs use the proxy, and trust the local CA: all of them together, since an older value
/// of one would hide another.
namespace keepwarm::daemon {

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Where a program on this machine connects: of proxy.listen the first address that is no unix socket; with `trusting`,
/// the first one whose clients are intercepted, without, if there is one, the first whose clients are not. nullopt:
/// there is none with a port that is known.
[[nodiscard]] std::optional<ListenAddress> proxy_address(const config::Config& config, bool trusting);

[[nodiscard]] Variables proxy_variables(const ListenAddress& proxy);

/// For programs that take a file of all authorities, and for those that take one with further ones.
[[nodiscard]] Variables ca_variables(const CaPlace& place);

/// The value of JAVA_TOOL_OPTIONS, which Java has instead; `trust` with our trust store.
[[nodiscard]] std::string java_options(const ListenAddress& proxy, const CaPlace* trust);

/// What `env` and `exec` have in common: the variables for this configuration. The failure is a sentence.
[[nodiscard]] Result<Variables, std::string> client_variables(const config::Config& config, bool trusting, bool java);

/// As a shell, systemd or Docker reads them.
[[nodiscard]] std::string to_text(const Variables& variables, EnvironmentFormat format);

}  // namespace keepwarm::daemon
