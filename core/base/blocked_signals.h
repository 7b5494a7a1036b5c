#pragma once

#include <csignal>
#include <pthread.h>

namespace keepwarm {

/// While it lives, the calling thread gets no signals, and neither does any thread that it starts, for good: signals
/// are for the thread that the program began with.
class BlockedSignals {
 public:
  BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace keepwarm
