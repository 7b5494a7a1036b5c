#pragma once

#include <optional>

#include "core/net/address.h"

/// Which addresses lead to this machine itself.
namespace keepwarm::net {

/// Whether the kernel takes packets to this address for itself. Besides the addresses of interfaces those are whole
/// prefixes that an administrator has routed here ("ip route add local 192.0.2.0/24 dev lo"), of which no list of
/// interfaces tells. nullopt: the kernel cannot be asked (out of descriptors, say). Some system calls.
[[nodiscard]] std::optional<bool> leads_to_this_machine(const SocketAddress& address) noexcept;

}  // namespace keepwarm::net
