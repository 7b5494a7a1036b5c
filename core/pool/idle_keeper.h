#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/clock.h"
#include "core/policy/server_model.h"
#include "core/pool/checkout.h"
#include "core/pool/connection_set.h"
#include "core/pool/peers.h"
#include "core/pool/pool_context.h"
#include "core/pool/upstream_target.h"

/// What is done with the idle connections of one pool key: which of them serves a request, what their ends teach, and
/// when they are closed.
namespace keepwarm::pool {

/// Asks the ServerModel, and carries out what it says: ServerModel::fit() decides which request may go on a connection,
/// and held_until() when one is closed. It is told what happens to idle connections. Owned by a HostPool.
class IdleKeeper final : public IdleEvents, public IdlePeer {
 public:
  struct Parts {
    PoolContext& context;
    UpstreamTarget& target;
    policy::ServerModel& server;
    ConnectionSet& connections;
    const std::unique_ptr<Peers>& peers;  ///< which object that is changes when the pool joins or leaves
    LeaseEvents& pool;                    ///< closes connections
  };
  /// What `parts` refers to must outlive it.
  explicit IdleKeeper(const Parts& parts) noexcept : its_(parts) {}

  // ---- Which one serves ----

  /// Whether a connection that is idle, or about to be, may serve a request.
  [[nodiscard]] policy::Fit fit(Connection& connection, const CheckoutRequirements& requirements, TimePoint now) const;
  /// The idle connection that serves a request best: the newest trusted one, else the newest that the request may use.
  /// It is alive as far as can be known, marked as trusted or not, and still idle. nullptr: none. Those that turn out
  /// to be dead are closed.
  [[nodiscard]] Connection* find(const CheckoutRequirements& requirements, TimePoint now);

  // ---- What is learned ----

  /// The idle period of a connection ended with the connection open: `age` long, 0 if it ends without a result.
  void survived(Connection& connection, Duration age, TimePoint now);
  // IdlePeer
  void learn_close(const policy::IdlePeriod& period) override;
  void close_idle_since(TimePoint since, Duration age, TimePoint now) override;
  /// For one who needs a place at max_connections: has a connection that is bound to a client and lies idle give way,
  /// the one idle longest. Returns how long it takes until one may (policy::bound_stays()): 0: one has; nullopt: none
  /// is there.
  std::optional<Duration> displace_bound(Duration queue_timeout, TimePoint now) override;

  // ---- When they are closed ----

  /// The idle ones get their deadlines anew, after new settings.
  void recheck_deadlines(TimePoint now);
  /// Closes all that `matches`, the oldest first. Inside a SettleScope of the pool: what a close brings about comes
  /// after all of them.
  template <typename Predicate>
  void close_all(CloseReason reason, TimePoint now, Predicate matches) {
    its_.connections.for_each_idle([&](Connection& connection) {
      if (matches(connection)) its_.pool.close(connection, reason, now);
    });
  }
  /// If something was learned since the last call: closes those whose time is over though their deadline is later, and
  /// gives the others theirs anew.
  void apply_what_was_learned(TimePoint now);
  /// A connection whose time is over as soon as it is idle: if that is the server's doing, a warning says why nothing
  /// is reused, once.
  void explain_no_time(const Connection& connection, TimePoint now);

  // IdleEvents
  void idle_ended(Connection& connection, CloseReason reason, TimePoint now) override;
  void idle_time_over(Connection& connection, TimePoint now) override;
  void was_closed_idle(Connection& connection, TimePoint now) override;
  [[nodiscard]] bool still_usable(Connection& connection, TimePoint now) override;

 private:
  [[nodiscard]] Connection* find_untested(const CheckoutRequirements& requirements, TimePoint now);
  [[nodiscard]] static bool is_alive(Connection& connection, bool replayable, TimePoint now);
  [[nodiscard]] bool prove_by_oldest(TimePoint now);
  void log_what_was_learned() const;

  Parts its_;
  std::uint32_t applied_revision_ = 0;  ///< of the ServerModel
  bool warned_no_time_ = false;
};

}  // namespace keepwarm::pool
