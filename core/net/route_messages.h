#pragma once

#include <cstdint>
#include <string_view>

#include "core/base/network.h"

/// The messages by which the kernel tells of addresses and routes (rtnetlink(7)). Pure. Private to core/net.
namespace keepwarm::net {

/// Whether a message says that the network may look different now: one of those that come unasked. Much comes that says
/// nothing new: a router's advertisement renews what is there, and each container brings a link of its own.
[[nodiscard]] bool tells_of_change(std::uint16_t type, std::string_view payload) noexcept;

/// Adds what a message of a dump says. Messages of other kinds, and those that are cut, add nothing.
void add_to_state(NetworkState& state, std::uint16_t type, std::string_view payload);

}  // namespace keepwarm::net
