#include "core/pool/peers.h"

#include <algorithm>

namespace keepwarm::pool {

std::uint32_t Peers::idle_rose() noexcept {
  const policy::HostSettings& settings = own_.settings();
  const std::uint32_t open = own_.open();
  const std::uint32_t idle = own_.idle();
  const std::uint32_t over_open = open > settings.max_connections ? open - settings.max_connections : 0;
  const std::uint32_t over_idle = idle > settings.max_idle ? idle - settings.max_idle : 0;
  return std::min(idle, std::max(over_open, over_idle));
}

}  // namespace keepwarm::pool
