#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/config.h"
#include "config/credentials.h"
#include "config/error.h"
#include "config/review.h"
#include "core/base/result.h"

namespace keepwarm::config {

/// Turns TOML text into values, or finds all that is wrong with it. (A syntax error is the only one that is reported,
/// since nobody knows what the text behind it means.) `file` names the text in errors. It reads no files but
/// `credentials`, not even those that the text names. What `further` finds are errors, too.
[[nodiscard]] Result<Config, ConfigErrors> parse_config(std::string_view text, std::string_view file,
                                                        Review further = nullptr, const Credentials& credentials = {});

/// Reads the file and parses it. A file that cannot be read is an error like the others, without a line.
[[nodiscard]] Result<Config, ConfigErrors> load_config(const std::string& file, Review further = nullptr,
                                                       const Credentials& credentials = {});

/// Puts the addresses of --listen in the place of proxy.listen, under the same rules. Empty: leaves `config` as it is.
/// On errors (returned; they are about the "command line") `config` is of no further use.
[[nodiscard]] ConfigErrors override_listen(Config& config, std::span<const std::string> addresses);

}  // namespace keepwarm::config
