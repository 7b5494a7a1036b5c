#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>

#include "core/base/clock.h"
#include "core/base/network.h"
#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// Watches the addresses and routes of this machine (rtnetlink(7)), and reports what has changed. As long as nothing
/// changes it costs no system call. What comes unasked is only a hint: the tables are read whole then and compared with
/// those of before, so a message that was lost, or says nothing new, does no harm.
class NetworkWatch {
 public:
  /// A machine with more routes is a router. Its routes change all the time, so only its addresses are watched.
  static constexpr std::size_t kMaxRoutes = 4096;
  /// The tables are read no more often than this in the long run, and up to kBurst times at once: a network that
  /// changes does so in some steps.
  static constexpr Duration kReadEach = std::chrono::milliseconds(100);
  static constexpr int kBurst = 10;

  struct Events {
    std::function<void(const NetworkChange&)> on_change;  ///< never empty
    /// True: something has changed, and it is too early to read the tables for it. False: they are about to be read.
    std::function<void(bool)> on_uncertain;
  };
  /// The events are called from the loop. If this system does not let us watch, they never come (works()).
  NetworkWatch(Loop& loop, Events events);
  ~NetworkWatch();
  NetworkWatch(const NetworkWatch&) = delete;
  NetworkWatch& operator=(const NetworkWatch&) = delete;

  [[nodiscard]] bool works() const noexcept { return node_ != nullptr; }

 private:
  struct Node;  // uv_poll_t and the descriptor; freed in libuv's close callback

  void on_messages();
  void set_uncertain(bool uncertain);
  void read_later(Duration after);
  void read_again();

  Events events_;
  Timer timer_;
  std::optional<NetworkState> state_;  ///< nullopt: not read yet
  TimePoint reads_paid_until_{};       ///< each read pays for kReadEach; at most kBurst of that may lie ahead
  Duration retry_after_ = kReadEach;
  bool due_ = false;  ///< the timer runs, which reads the tables
  bool uncertain_ = false;
  Node* node_ = nullptr;  ///< nullptr: this system does not let us watch
};

}  // namespace keepwarm::net
