#pragma once
#include <csignal>

namespace keepwarm::bench {

/// Set by SIGTERM and SIGINT once watch_for_stop() was called; a wait that they interrupt returns.
inline volatile std::sig_atomic_t stop_requested = 0;

inline void watch_for_stop() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_requested = 1; };
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGINT, &action, nullptr);
}

}  // namespace keepwarm::bench
