#pragma once

#include <string>

namespace keepwarm::config {

/// Appends the whole file to `text`. Returns errno, or 0. (Streams would not say what went wrong.)
[[nodiscard]] int read_file(const std::string& file, std::string& text);

}  // namespace keepwarm::config
