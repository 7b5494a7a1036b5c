#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace keepwarm::net {

/// Transparent hash, so that a look-up by string_view allocates nothing.
struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
};
template <typename T>
using NameMap = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

}  // namespace keepwarm::net
