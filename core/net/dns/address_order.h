#pragma once

#include <optional>
#include <vector>

#include "core/base/ip.h"
#include "core/net/address.h"

/// Which family's addresses come first, as RFC 6724 §6 says. Within a family the name server's order stays: it may let
/// its addresses take turns.
namespace keepwarm::net {

/// A destination with the address that this machine would come from; nullopt: there is no route.
struct Path {
  IpAddress destination;
  std::optional<IpAddress> source;
};

/// Whether the IPv6 destination is to be tried before the IPv4 one. Pure.
[[nodiscard]] bool prefers_v6(const Path& v6, const Path& v4) noexcept;

/// Whether an IPv6 address is to be tried before whatever IPv4 ones there may be, so that these need not be waited for.
/// Asks the kernel for the route.
[[nodiscard]] bool comes_first_anyway(const SocketAddress& v6) noexcept;

/// All addresses in order. Asks the kernel for routes if there are both families: four system calls for each.
[[nodiscard]] std::vector<SocketAddress> in_preferred_order(const std::vector<SocketAddress>& v6,
                                                            const std::vector<SocketAddress>& v4);

}  // namespace keepwarm::net
