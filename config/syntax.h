#pragma once

#include <cstddef>
#include <string>
#include <string_view>

/// What is wrong with a file that is no TOML, in words for who wrote it. Pure.
namespace keepwarm::config {

/// `text`: the file. `line`: where the parser stopped, from 1 on. `description`: what it said, which is taken where
/// nothing better is known: it names a table that is there twice wrongly, and takes an unquoted word for a number.
[[nodiscard]] std::string syntax_problem(std::string_view text, std::size_t line, std::string_view description);

}  // namespace keepwarm::config
