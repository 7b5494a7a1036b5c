#pragma once

#include <cstdint>
#include <memory>

#include "core/base/clock.h"
#include "core/base/deadline_wheel.h"
#include "core/policy/keep_warm.h"
#include "core/policy/server_model.h"
#include "core/pool/connect_attempts.h"
#include "core/pool/connection_set.h"
#include "core/pool/peers.h"
#include "core/pool/pool_context.h"

/// keep_warm: connections of a host in use that are open and trusted before anybody asks for them.
namespace keepwarm::pool {

/// What a Warmer asks of the pool that it keeps warm.
class WarmPool {
 public:
  [[nodiscard]] virtual const policy::HostSettings& settings() const noexcept = 0;
  /// The Warmer's deadline has passed: calls its check().
  virtual void check_warmth(TimePoint now) = 0;
  /// Begins to open a connection that nobody waits for. False: there is no place for one.
  [[nodiscard]] virtual bool prewarm(TimePoint now) = 0;

 protected:
  ~WarmPool() = default;
};

/// Keeps the connections of one host warm. Whatever happens to one of them arms one deadline; what is to be done then,
/// policy::warm_plan says. There is one for each HostPool with `keep_warm` that has been used; owned by it.
class Warmer final : public Deadline {
 public:
  struct Parts {
    PoolContext& context;
    const policy::ServerModel& server;
    ConnectionSet& connections;
    const ConnectAttempts& attempts;
    const std::unique_ptr<Peers>& peers;
    LeaseEvents& lease;  ///< closes connections
    WarmPool& pool;
  };
  /// What `parts` refers to must outlive it.
  explicit Warmer(const Parts& parts) noexcept : its_(parts) {}
  /// Ends keep_warm for this host.
  ~Warmer();
  Warmer(const Warmer&) = delete;
  Warmer& operator=(const Warmer&) = delete;

  // ---- What happens ----

  /// A request has come.
  void used(TimePoint now);
  /// A connection fell idle.
  void made_idle(const Connection& connection, TimePoint now);
  /// A connection is leased, so it no longer counts as expiring.
  void leased(Connection& connection) noexcept { set_warmth(connection, Connection::Warmth::Warm); }
  /// A connection is about to be closed (lost), or to leave the pool for whatever reason (gone).
  void lost(const Connection& connection, CloseReason reason, TimePoint now);
  void gone(Connection& connection, TimePoint now);
  /// A connect ended.
  void connect_ended(const ConnectAttempt& attempt, bool connected, TimePoint now);
  /// Something else has happened. Checks at the next tick, not at once, since the caller is changing connections.
  void check_soon(TimePoint now);

  /// Opens what is missing, and closes what was replaced. Nothing else may change connections meanwhile: the pool
  /// serves its waiters afterwards.
  void check(TimePoint now);

 private:
  void on_deadline(TimePoint now) override { its_.pool.check_warmth(now); }

  void set_warmth(Connection& connection, Connection::Warmth warmth) noexcept;
  [[nodiscard]] policy::ServerModel::WarmTime warm_time(const Connection& connection, TimePoint now) const noexcept;
  [[nodiscard]] bool look_is_outdated(TimePoint now) const noexcept;
  void look(TimePoint now) noexcept;
  [[nodiscard]] policy::WarmView view(TimePoint now);
  void close_all(TimePoint now);
  void close_what_is_over(const policy::WarmPlan& plan, TimePoint now);

  /// What was found when all idle connections were looked at; what happens to single ones is counted as it happens. So
  /// they need not be looked at again as long as none of their times has come, and those times stay what they were.
  struct Look {
    TimePoint next_change = TimePoint::min();  ///< when the next one expires, or its time is over
    std::uint32_t revision = 0;                ///< of the ServerModel
    Duration lead{};                           ///< policy::warm_lead() of a long time
    std::uint32_t expiring = 0;                ///< idle connections that are not Warm
    std::uint32_t over = 0;                    ///< of these: Over
    std::uint32_t prewarmed_over = 0;          ///< of these: opened for keep_warm
  };

  Parts its_;
  policy::WarmBackoff backoff_;
  Look look_;
  bool check_soon_ = false;  ///< something has happened: the deadline is the next tick
  bool reached_ = false;     ///< a connection was open: a host that cannot be reached is not tried for keep_warm alone
};

}  // namespace keepwarm::pool
