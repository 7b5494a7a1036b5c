#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/pool/dialing.h"
#include "core/pool/pool_context.h"
#include "core/pool/upstream_target.h"

/// The connections of one pool key that are being opened.
namespace keepwarm::pool {

class ConnectAttempts;
class Waiter;

/// One connection that is being opened: on behalf of a waiter, or to be kept warm. When its waiter is served otherwise
/// it is unclaimed: another waiter may adopt it, or the connection joins the pool unused. Owned by ConnectAttempts.
class ConnectAttempt final : public ListHook<ConnectAttempt>, private DialEvents {
 public:
  ConnectAttempt(ConnectAttempts& owner, Waiter* waiter, bool local_client, Duration timeout, TimePoint now);
  ~ConnectAttempt();

  /// nullptr: unclaimed.
  [[nodiscard]] Waiter* waiter() const noexcept { return waiter_; }
  /// Its waiter came when it was under way already: if it fails, that waiter has another one begun for it.
  [[nodiscard]] bool adopted() const noexcept { return adopted_; }
  /// It was begun for keep_warm, whoever may have adopted it since.
  [[nodiscard]] bool prewarms() const noexcept { return prewarms_; }
  [[nodiscard]] TimePoint began() const noexcept { return began_; }
  [[nodiscard]] bool local_client() const noexcept { return local_client_; }

 private:
  friend class ConnectAttempts;

  void on_dialed(Dialed dialed) override;
  void on_dial_failed(const DialFailure& failure) override;
  void on_addresses(std::span<const net::SocketAddress> addresses) override;
  void start();

  ConnectAttempts& owner_;
  PoolContext& context_;  ///< may outlive the owner
  Waiter* waiter_;
  TimePoint began_;
  Duration timeout_;
  std::uint32_t index_ = 0;  ///< among the attempts of its owner
  bool local_client_;
  bool prewarms_;
  bool adopted_ = false;
  bool started_again_ = false;
  std::unique_ptr<Dial> dial_;
};

/// What ConnectAttempts reports to its HostPool. The attempt is still among them: take() it.
class ConnectEvents {
 public:
  virtual void connected(ConnectAttempt& attempt, Dialed dialed, TimePoint now) = 0;
  virtual void connect_failed(ConnectAttempt& attempt, const DialFailure& failure, TimePoint now) = 0;
  /// A look-up, or the cache, gave these addresses.
  virtual void addresses_seen(std::span<const net::SocketAddress> addresses, TimePoint now) = 0;

 protected:
  ~ConnectEvents() = default;
};

/// Opens connections, starts a failed one again where the cause could be removed, counts and logs. Each operation takes
/// the same time however many are under way. Owned by a HostPool.
class ConnectAttempts {
 public:
  /// References must outlive it.
  ConnectAttempts(PoolContext& context, UpstreamTarget& target, ConnectEvents& events) noexcept
      : context_(context), target_(target), events_(events) {}

  /// Begins one for `waiter`, which then knows of it.
  ConnectAttempt& start_for(Waiter& waiter, Duration timeout, TimePoint now);
  /// Begins one for keep_warm.
  void start_prewarming(bool local_client, Duration timeout, TimePoint now);

  /// An unclaimed one that a waiter of this kind may adopt; nullptr: none.
  [[nodiscard]] ConnectAttempt* adoptable(bool local_client, TimePoint now) noexcept;
  void adopt(ConnectAttempt& attempt, Waiter& waiter) noexcept;
  /// Its waiter does not need it any more: it is unclaimed.
  void release(ConnectAttempt& attempt) noexcept;
  /// Takes out one that has ended.
  [[nodiscard]] std::unique_ptr<ConnectAttempt> take(ConnectAttempt& attempt) noexcept;
  /// Gives up those that nobody waits for. Returns how many.
  std::uint32_t cancel_unclaimed() noexcept;
  void cancel_all() noexcept;

  [[nodiscard]] std::uint32_t count() const noexcept { return static_cast<std::uint32_t>(all_.size()); }
  /// Those that nobody waits for.
  [[nodiscard]] std::uint32_t unclaimed() const noexcept { return unclaimed_count_; }
  /// Those that were begun for keep_warm.
  [[nodiscard]] std::uint32_t prewarming() const noexcept { return prewarming_; }

  /// Mean time that opening a connection took lately: what each reuse saves. Zero: none was opened.
  [[nodiscard]] Duration opening_cost() const noexcept { return opening_cost_; }

 private:
  friend class ConnectAttempt;
  using List = IntrusiveList<ConnectAttempt, ConnectAttempt>;

  ConnectAttempt& start(Waiter* waiter, bool local_client, Duration timeout, TimePoint now);
  void succeeded(ConnectAttempt& attempt, Dialed dialed);
  void failed(ConnectAttempt& attempt, const DialFailure& failure);
  [[nodiscard]] bool recover_from(const ConnectAttempt& attempt, const DialFailure& failure);
  void record_open(const Dialed& dialed, bool prewarms);
  void link_unclaimed(ConnectAttempt& attempt) noexcept;
  void unlink_unclaimed(ConnectAttempt& attempt) noexcept;

  PoolContext& context_;
  UpstreamTarget& target_;
  ConnectEvents& events_;
  std::vector<std::unique_ptr<ConnectAttempt>> all_;  ///< each knows its own index
  std::array<List, 2> unclaimed_;  ///< of clients that are not local, and of local ones; oldest first
  Duration opening_cost_{};
  std::uint32_t unclaimed_count_ = 0;
  std::uint32_t prewarming_ = 0;
  bool prewarm_failed_ = false;     ///< the last one that was begun for keep_warm did
  bool warned_unverified_ = false;  ///< that certificates are not verified
};

}  // namespace keepwarm::pool
