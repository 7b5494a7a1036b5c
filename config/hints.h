#pragma once

#include <span>
#include <string>
#include <string_view>

#include "config/keys.h"

/// Messages about a name that does not exist: what was probably meant.
namespace keepwarm::config {

/// The candidate that is a typing error away (Damerau-Levenshtein, up to a third of its length); "": none is near.
[[nodiscard]] std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// The message for a key that a section does not have. `prefix` is "tls." inside [host.*.tls], else "". Names the
/// nearest key of the section; else the section that the key belongs to; else all keys of the section.
[[nodiscard]] std::string unknown_key(Section section, std::string_view prefix, std::string_view name);

/// The message for a top-level name that is no section.
[[nodiscard]] std::string unknown_section(std::string_view name);

}  // namespace keepwarm::config
