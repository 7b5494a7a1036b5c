#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/clock.h"
#include "core/policy/admission.h"
#include "core/policy/idle_history.h"
#include "core/policy/settings.h"
#include "core/pool/checkout.h"
#include "core/pool/transferred_connection.h"

/// The pools of one pool key in a process with several workers, as one of them sees the others: limits that hold for
/// all together, idle connections that move to where they are needed, and what each reports to the others.
namespace keepwarm::pool {

/// One worker's pool, as the Peers object of its HostPool sees it. Counts are its own.
class PeerPool {
 public:
  [[nodiscard]] virtual std::uint32_t open() const noexcept = 0;  ///< idle, leased, and being opened
  [[nodiscard]] virtual std::uint32_t idle() const noexcept = 0;
  [[nodiscard]] virtual const policy::HostSettings& settings() const noexcept = 0;

  // Other workers ask, through messages:
  struct Gift {
    std::unique_ptr<TransferredConnection> connection{};  ///< its place among max_connections goes along
    bool place = false;                                   ///< a place alone
  };
  /// An idle connection that serves a waiter of another worker, taken out of this pool. If none does, and `or_place`,
  /// the oldest idle one is closed, and its place given.
  [[nodiscard]] virtual Gift give_to_peer(const CheckoutRequirements& requirements, bool or_place, TimePoint now) = 0;
  /// Something came from another worker: a connection (or nullptr), a place, an answer. Whoever waits is served.
  virtual void received_from_peer(std::unique_ptr<TransferredConnection> connection, TimePoint now) = 0;
  /// This worker prewarms for all, and another one has too few left.
  virtual void check_warmth(TimePoint now) = 0;

 protected:
  ~PeerPool() = default;
};

/// One worker's idle connections, to which another worker tells what it has seen of their common server.
class IdlePeer {
 public:
  /// A request failed: whatever has been idle since the same moment or longer is closed. `age`: how long the failed
  /// connection had been idle.
  virtual void close_idle_since(TimePoint since, Duration age, TimePoint now) = 0;
  /// The server closed an idle connection.
  virtual void learn_close(const policy::IdlePeriod& period) = 0;
  /// Somebody waits for a place: one that is bound to a client gives way, if one may. IdleKeeper::displace_bound().
  virtual std::optional<Duration> displace_bound(Duration queue_timeout, TimePoint now) = 0;

 protected:
  ~IdlePeer() = default;
};

/// What a HostPool asks of the other workers' pools of its key. This class itself is the answer of a process with one
/// worker, in which nobody else is there: it only counts its own pool against the limits. SharedPeers is the other one.
/// Owned by its HostPool.
class Peers {
 public:
  /// `own` must outlive it.
  explicit Peers(PeerPool& own) noexcept : Peers(own, true) {}
  virtual ~Peers() = default;
  Peers(const Peers&) = delete;
  Peers& operator=(const Peers&) = delete;

  /// True: there are none, and nothing is ever to be passed on.
  [[nodiscard]] bool alone() const noexcept { return alone_; }

  // ---- max_connections ----

  /// Open connections of all workers.
  [[nodiscard]] virtual std::uint32_t open() const noexcept { return own_.open(); }
  /// May one more be opened? Connect: its place is taken.
  [[nodiscard]] virtual policy::Admission reserve() {
    return policy::admit(own_.open(), own_.idle(), own_.settings().max_connections);
  }
  /// No more can be opened: who has no connection under way waits for one to be returned.
  [[nodiscard]] bool full() const noexcept { return open() >= own_.settings().max_connections; }
  /// A connection was closed, or is not being opened any more. The next give_free_places() offers its place.
  virtual void place_freed() noexcept {}
  /// Gives free places to the worker whose waiter has waited longest, if that is since before `older_than`; else they
  /// are everybody's.
  virtual void give_free_places(TimePoint) {}

  // ---- Idle connections ----

  /// Idle connections of all workers.
  [[nodiscard]] virtual std::uint32_t idle() const noexcept { return own_.idle(); }
  /// Fewer are idle here than before.
  virtual void idle_fell() noexcept {}
  /// More are idle here than before, or limits are lower: `idle` of `open` connections. Returns how many of the oldest
  /// idle ones here are too many: the caller closes so many at once.
  [[nodiscard]] std::uint32_t idle_rose(std::uint32_t open, std::uint32_t idle, const policy::HostSettings& settings) {
    if (!alone_) return excess_of_all();
    const std::uint32_t over_open = open > settings.max_connections ? open - settings.max_connections : 0;
    const std::uint32_t over_idle = idle > settings.max_idle ? idle - settings.max_idle : 0;
    return std::min(idle, std::max(over_open, over_idle));
  }
  /// A connection is about to be idle: does another worker's waiter, that has waited since before `older_than`, need
  /// it? Then pass_on() must follow.
  [[nodiscard]] virtual bool needed_elsewhere(TimePoint) { return false; }
  /// nullptr: it had to stay; the other worker then settles again by itself.
  virtual void pass_on(std::unique_ptr<TransferredConnection>) {}

  // ---- Connections of others ----

  /// Asks another worker for an idle connection, if that may help a waiter. True: the answer is to come.
  [[nodiscard]] virtual bool ask_for_transfer(const CheckoutRequirements&, TimePoint) { return false; }
  /// Answers that are to come.
  [[nodiscard]] virtual std::uint32_t pending_transfers() const noexcept { return 0; }
  /// The first waiter without a source has to wait for a place, which the other workers can see from now on. True: a
  /// place has come free meanwhile, so that it is worth trying again.
  [[nodiscard]] virtual bool await_place(const CheckoutRequirements&, TimePoint) { return false; }
  /// Whether a waiter of any worker is known to the others.
  [[nodiscard]] virtual bool place_awaited() const noexcept { return false; }
  /// Nobody waits for a place any more.
  virtual void stop_awaiting() noexcept {}

  // ---- What is told to all ----

  virtual void close_idle_since(TimePoint, Duration) {}
  virtual void report_close(const policy::IdlePeriod&) {}

  // ---- keep_warm ----

  /// Whether this worker is the one that opens connections for keep_warm, if any are to be opened. `able`: it can; one
  /// that cannot leaves it to the others.
  [[nodiscard]] virtual bool take_prewarming(bool) noexcept { return true; }
  virtual void resign_prewarming() noexcept {}
  /// How many idle connections here are expiring.
  virtual void show_expiring(std::uint32_t count) noexcept { expiring_ = count; }
  /// How many idle connections of all workers are expiring.
  [[nodiscard]] virtual std::uint32_t expiring() const noexcept { return expiring_; }
  /// A request came; and when the last one came, at whichever worker.
  virtual void used(TimePoint now) noexcept { last_used_ = now; }
  [[nodiscard]] virtual TimePoint last_used() const noexcept { return last_used_; }
  /// The worker that prewarms is to check whether too few are left.
  virtual void remind_prewarmer() {}

  // ---- Lifetime ----

  /// The pool's settings have changed, and with them perhaps who shares the limits.
  virtual void settings_changed() {}
  /// The pool takes part no more: what it still has does not count for the others. Called before the destructor, too.
  virtual void leave() noexcept {}

 protected:
  Peers(PeerPool& own, bool alone) noexcept : own_(own), alone_(alone) {}

  /// What idle_rose() returns where others are there.
  [[nodiscard]] virtual std::uint32_t excess_of_all() { return 0; }

  PeerPool& own_;

 private:
  bool alone_;
  std::uint32_t expiring_ = 0;
  TimePoint last_used_{};
};

}  // namespace keepwarm::pool
