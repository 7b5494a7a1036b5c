#include "core/policy/destination.h"

#include <algorithm>
#include <array>

namespace keepwarm::policy {

namespace {

constexpr std::array<std::uint16_t, 83> kBadPorts = {
    0,    1,    7,    9,    11,   13,   15,   17,   19,   20,   21,   22,   23,   25,   37,   42,   43,
    53,   69,   77,   79,   87,   95,   101,  102,  103,  104,  109,  110,  111,  113,  115,  117,  119,
    123,  135,  137,  139,  143,  161,  179,  389,  427,  465,  512,  513,  514,  515,  526,  530,  531,
    532,  540,  548,  554,  556,  563,  587,  601,  636,  989,  990,  993,  995,  1719, 1720, 1723, 2049,
    3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080};
static_assert(std::is_sorted(kBadPorts.begin(), kBadPorts.end()));

}  // namespace

bool is_bad_port(std::uint16_t port) noexcept {
  if (port == 80 || port == 443 || port > kBadPorts.back()) return false;  // as nearly always
  return std::binary_search(kBadPorts.begin(), kBadPorts.end(), port);
}

bool may_forward_to(const ProxySettings& settings, std::uint16_t port) noexcept {
  return settings.bad_ports == BadPorts::Allow || !is_bad_port(port);
}

bool may_tunnel_to(const ProxySettings& settings, std::uint16_t port) noexcept {
  return std::any_of(settings.connect_ports.begin(), settings.connect_ports.end(),
                     [port](const PortRange& range) { return range.contains(port); });
}

}  // namespace keepwarm::policy
