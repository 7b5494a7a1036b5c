#pragma once

#include <string>

#include "config/config.h"
#include "config/error.h"
#include "core/base/result.h"
#include "daemon/cli/command_line.h"
#include "daemon/cli/commands.h"
#include "daemon/tls_files.h"

namespace keepwarm::daemon {

/// The configuration that a command line asks for.
struct LoadedConfig {
  config::Config config;
  std::string file;  ///< where it came from; "": there was no file, these are the built-in defaults
};

/// Reads the file of --config, else `default_file` if it exists, else takes the defaults; then puts --listen in its
/// place. A file that is named and missing is an error, and so is what `review` finds. Whoever does not run the
/// daemon need not have its credentials (config/credentials.h). Call it again to reload.
[[nodiscard]] Result<LoadedConfig, config::ConfigErrors> load_config_for(
    const CommandLine& line, const std::string& default_file = std::string(kDefaultConfigFile),
    config::Review review = tls_findings);

}  // namespace keepwarm::daemon
