#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace keepwarm::config {

/// One thing that is wrong with a configuration, and where.
struct ConfigError {
  std::string file;        ///< as it was named; "command line" for an option
  std::size_t line = 0;    ///< from 1; 0: the file as a whole
  std::size_t column = 0;  ///< from 1, in characters; 0 with line 0
  std::string key;         ///< `host."*".idle_timeout`; "": not about one key
  std::string message;     ///< what is wrong; what is allowed, or the nearest known key

  bool operator==(const ConfigError&) const = default;
};

/// All errors of a configuration in the order of the file.
using ConfigErrors = std::vector<ConfigError>;

/// "FILE:LINE:COLUMN: key: message", without the parts that are absent.
[[nodiscard]] std::string to_text(const ConfigError& error);

}  // namespace keepwarm::config
