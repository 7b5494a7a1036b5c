#pragma once

#include <string>
#include <string_view>

#include "core/net/dns/system_names.h"
#include "core/policy/next_hop.h"

/// Where the connections of a host lead and what is spoken on them, in words. No credentials are in them.
namespace keepwarm::daemon {

/// "10.0.0.5:8443 (connect_to)"
[[nodiscard]] std::string leads_to(const policy::NextHop& hop);

/// "TLS with www.example.com, verified by the system's authorities"
[[nodiscard]] std::string speaks(const policy::NextHop& hop);

/// Who says what addresses a host has, and why he does: "by c-ares, since …". "": nobody need be asked.
[[nodiscard]] std::string looked_up_by(std::string_view host, const net::SystemNames& names);

}  // namespace keepwarm::daemon
