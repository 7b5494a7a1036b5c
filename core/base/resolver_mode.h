#pragma once

#include <cstdint>

namespace keepwarm {

/// The key `[dns] resolver`: who looks names up. Auto: c-ares where the system's files ask for nothing that it cannot
/// do, else the system (core/net/dns/resolver_choice.h).
enum class ResolverMode : std::uint8_t { Auto, System, Cares };

}  // namespace keepwarm
