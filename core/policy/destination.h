#pragma once

#include <cstdint>

#include "core/policy/settings.h"

/// Which ports a request may reach.
namespace keepwarm::policy {

/// Is the port on the "bad port" list of the Fetch Standard (§2.9, "port blocking")? Those are ports of other protocols
/// (SMTP, SSH, IRC, …) that a forged HTTP request could talk to.
[[nodiscard]] bool is_bad_port(std::uint16_t port) noexcept;

/// For absolute-form requests: `bad_ports`.
[[nodiscard]] bool may_forward_to(const ProxySettings& settings, std::uint16_t port) noexcept;

/// For CONNECT: `connect_ports` alone, since it is an explicit list.
[[nodiscard]] bool may_tunnel_to(const ProxySettings& settings, std::uint16_t port) noexcept;

}  // namespace keepwarm::policy
