#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <uv.h>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/loop.h"

namespace keepwarm::net {

/// What a look-up gave: addresses with port 0 in the order in which they should be tried, or a negative libuv code.
struct LookupAnswer {
  std::vector<SocketAddress> addresses;
  int error = 0;                   ///< not 0 exactly if there are no addresses
  Duration ttl = Duration::max();  ///< how long it may be used; max(): its source does not say
  bool partial = false;            ///< the other family's addresses, if any, are still being asked for
};

/// Gives a name's addresses. Runs on a look-up thread, may block there for as long as it likes, must not throw.
using Lookup = std::function<LookupAnswer(const std::string& name)>;

/// What a name may have at most. Bounds the cache's memory, and the addresses that one connection attempt walks
/// through.
inline constexpr std::size_t kMaxAddresses = 32;

/// Brings addresses that stand in RFC 6724 order into the order of RFC 8305 §4: families take turns, the first one's
/// first. Drops duplicates and what exceeds kMaxAddresses.
[[nodiscard]] std::vector<SocketAddress> in_connect_order(const std::vector<SocketAddress>& sorted);

/// getaddrinfo().
[[nodiscard]] LookupAnswer system_lookup(const std::string& name);

/// The threads on which look-ups block. Not libuv's pool: that one lends only half of its threads to look-ups, makes
/// them all at once, is joined at exit, and keeps a loop busy until the last of its requests has ended, so that one
/// name server that does not answer would hang the daemon's end. These threads are made when needed, retire when idle,
/// and are left behind when they hang. Names that hang do not hold up others, since each name that finds no idle thread
/// gets a new one: a look-up in a dead zone takes 10 s and more, and a page may name dozens of hosts.
class LookupThreads {
 public:
  /// How many there may be: an eighth of the descriptors that the process may open, since each has a socket to a name
  /// server, at least 32 and at most 1024.
  [[nodiscard]] static std::size_t max_threads() noexcept;

  /// Called on the loop's thread for each look-up that ended. It must not destroy the LookupThreads.
  using OnAnswer = std::function<void(const std::string& name, const LookupAnswer& answer)>;

  LookupThreads(Loop& loop, Lookup lookup, OnAnswer on_answer);
  /// Waits for no thread. Answers that are still to come are dropped.
  ~LookupThreads();
  LookupThreads(const LookupThreads&) = delete;
  LookupThreads& operator=(const LookupThreads&) = delete;

  /// Hands the name to a thread. Only while has_capacity(). Returns 0, or a negative errno when no thread can be had.
  [[nodiscard]] int start(std::string name);
  [[nodiscard]] bool has_capacity() const noexcept { return running_ < max_threads_; }
  /// Look-ups that were started and have not been answered.
  [[nodiscard]] std::size_t running() const noexcept { return running_; }

 private:
  struct Shared;
  static void run_thread(void* shared);
  [[nodiscard]] int add_thread();
  void deliver();

  std::shared_ptr<Shared> shared_;  // with the threads: one that hangs outlives us
  OnAnswer on_answer_;
  uv_async_t* async_;  // wakes the loop; freed in its close callback. Keeps the loop alive only while something runs.
  const std::size_t max_threads_ = max_threads();
  std::size_t running_ = 0;
};

}  // namespace keepwarm::net
