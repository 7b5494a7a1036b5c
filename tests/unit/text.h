#pragma once

#include <string_view>

/// What tests of texts share.
namespace keepwarm::test {

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace keepwarm::test
