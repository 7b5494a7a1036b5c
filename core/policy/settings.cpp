#include "core/policy/settings.h"

namespace keepwarm::policy {

std::vector<ListenAddress> default_listen() {
  constexpr std::uint16_t kPort = 3128;
  constexpr std::array<std::uint8_t, 4> kLoopbackV4 = {127, 0, 0, 1};
  constexpr std::array<std::uint8_t, 16> kLoopbackV6 = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return {{IpAddress(kLoopbackV4), kPort}, {IpAddress(kLoopbackV6), kPort}};
}

}  // namespace keepwarm::policy
