#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "tests/support/chaos/plan.h"
#include "tests/support/chaos/wire.h"

namespace chaos {

/// The origins: one port for each host of the world, a thread for each connection. They misbehave as the plans say, and
/// report requests that the proxy crossed, damaged or sent too often. A request that comes a second time is served
/// well.
class Origins {
 public:
  explicit Origins(World& world);
  /// Closes everything and waits for the threads. `world.stop` must be set.
  ~Origins();
  Origins(const Origins&) = delete;
  Origins& operator=(const Origins&) = delete;

  [[nodiscard]] std::size_t connections() const noexcept { return connections_.load(); }

 private:
  void accept_on(int listener, std::size_t host);

  World& world_;
  std::vector<int> listeners_;
  std::vector<std::thread> acceptors_;
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> open_{0};
};

}  // namespace chaos
