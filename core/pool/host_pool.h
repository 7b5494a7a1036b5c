#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/origin.h"
#include "core/policy/admission.h"
#include "core/policy/close_prior.h"
#include "core/policy/idle_history.h"
#include "core/policy/idle_terms.h"
#include "core/policy/keep_warm.h"
#include "core/policy/next_hop.h"
#include "core/policy/settings.h"
#include "core/pool/address_history.h"
#include "core/pool/commons.h"
#include "core/pool/connection.h"
#include "core/pool/dialer.h"
#include "core/pool/lease.h"
#include "core/pool/lent_connection.h"
#include "core/pool/pool_context.h"

namespace keepwarm::pool {

/// What an exchange needs of a connection.
struct Demand {
  bool replayable = false;   ///< may go on a connection that is not trusted
  bool fresh_only = false;   ///< a retry: only a connection opened anew
  bool local_client = true;  ///< else connections to loopback and the like are out of reach (DESIGN.md §9)
};

struct CheckoutFailure {
  bool queue_timeout = false;  ///< waited `queue_timeout` in vain; else `dial` says what happened
  DialFailure dial{};
};

class CheckoutEvents {
 public:
  /// May come before checkout() returns.
  virtual void on_lease(Lease lease, const OpeningTimes& times) = 0;
  virtual void on_checkout_failed(const CheckoutFailure& failure) = 0;

 protected:
  ~CheckoutEvents() = default;
};

class Opening;
class Warming;

/// An exchange that waits for a connection. Destroying it withdraws it; no event comes afterwards.
class Waiter final : public ListHook<Waiter>, public Deadline {
 public:
  explicit Waiter(CheckoutEvents& events) noexcept : events_(events) {}
  ~Waiter();

  [[nodiscard]] bool waiting() const noexcept { return linked_to_ != nullptr; }
  void withdraw() noexcept;

 private:
  friend class HostPool;
  friend class Opening;
  void on_deadline(TimePoint now) override;

  /// Whether another worker may lend a connection for it; once is enough.
  enum class Loan : std::uint8_t { NotAsked, Asked, Refused };

  CheckoutEvents& events_;
  Demand demand_;
  TimePoint since_{};  ///< when it began to wait
  Loan loan_ = Loan::NotAsked;
  HostPool* linked_to_ = nullptr;
  Opening* opening_ = nullptr;  ///< the connection that is being opened on its behalf
};

/// All connections of one pool key, and the exchanges that wait for one. Does what core/policy says; owned by the Pool.
///
/// Idle connections form a stack: the one returned last serves first, the rest lapse. A waiter takes whichever comes
/// first, a returned connection or the new one that was opened for it.
class HostPool : public ListHook<HostPool> {
 public:
  /// `asked`: the origin, as a client named it, that this pool was first made for.
  HostPool(PoolContext& context, Origin asked, policy::NextHop hop, const policy::HostSettings& settings);
  ~HostPool();
  HostPool(const HostPool&) = delete;
  HostPool& operator=(const HostPool&) = delete;

  [[nodiscard]] const Origin& asked() const noexcept { return asked_; }
  [[nodiscard]] const policy::NextHop& hop() const noexcept { return hop_; }
  /// Of absolute-form requests to a parent: the value of Proxy-Authorization; empty: none.
  [[nodiscard]] const std::string& proxy_authorization() const noexcept { return proxy_authorization_; }
  /// nullptr for a plain host.
  [[nodiscard]] const std::shared_ptr<net::TlsTickets>& tls_tickets() const noexcept { return tls_tickets_; }
  [[nodiscard]] const policy::HostSettings& settings() const noexcept { return *settings_; }
  /// `settings` must live until the next call (they are shared by many hosts).
  void set_settings(const policy::HostSettings& settings);

  /// Gives a lease at once, or later; exactly one event unless `waiter` is withdrawn.
  void checkout(Waiter& waiter, const Demand& demand);

  /// After a stale failure or a 408: whatever has been idle since the same moment or longer met the same end.
  /// `age`: how long the failed one had been idle when it was leased.
  void close_idle_since(TimePoint moment, Duration age);
  void close_all_idle(CloseReason reason);
  /// New settings: closes idle connections that may not be used any more, and the leased ones when they end.
  void recheck();
  /// Nothing is pooled here any more: its way to the next hop has changed.
  void retire();
  [[nodiscard]] bool retired() const noexcept { return retired_; }

  /// Other origins than asked() lead here, too.
  void share() noexcept { shared_ = true; }
  [[nodiscard]] bool shared() const noexcept { return shared_; }
  /// The connection that has been idle longest. False: none is idle.
  bool close_oldest_idle(CloseReason reason);

  [[nodiscard]] std::uint32_t idle() const noexcept { return idle_count_; }
  [[nodiscard]] std::uint32_t open() const noexcept;
  [[nodiscard]] std::uint32_t waiting() const noexcept { return waiting_count_; }
  /// Mean time that opening a connection took lately: what each reuse saves.
  [[nodiscard]] Duration opening_cost() const noexcept { return opening_cost_; }
  /// What is believed of the server's idle timeout after its last response.
  [[nodiscard]] policy::ExpectedIdle expected_idle() const noexcept;

  /// Held by exchanges: a host in use is not forgotten.
  void retain() noexcept { ++users_; }
  void release() noexcept;
  [[nodiscard]] bool in_use() const noexcept;

 private:
  friend class Connection;
  friend class Lease;
  friend class Opening;
  friend class Waiter;
  friend class Warming;

  using IdleList = IntrusiveList<Connection, Connection>;
  using WaiterList = IntrusiveList<Waiter, Waiter>;

  // Connections
  void give_back(Connection& connection, const GiveBack& how);
  [[nodiscard]] bool keep_bound(Connection& connection, const GiveBack& how);
  /// Notes a whole exchange on it; why it cannot serve another one, if so.
  [[nodiscard]] std::optional<CloseReason> served(Connection& connection, const GiveBack& how, TimePoint now);
  [[nodiscard]] std::optional<CloseReason> why_not_pooled(const Connection& connection, const GiveBack& how,
                                                          TimePoint now) const;
  void make_idle(Connection& connection, TimePoint now);
  [[nodiscard]] bool may_lead_to(const net::SocketAddress& address) const;
  template <typename Predicate>
  [[nodiscard]] Connection* find_idle(Predicate matches) {  ///< the oldest that matches
    for (Connection* connection = idle_.back(); connection != nullptr; connection = idle_.previous(*connection)) {
      if (matches(*connection)) return connection;
    }
    return nullptr;
  }
  void record_close(const Connection& connection, CloseReason reason);
  void lease_out(Connection& connection, TimePoint now) noexcept;
  void close(Connection& connection, CloseReason reason);
  [[nodiscard]] std::unique_ptr<Connection> remove(Connection& connection);
  [[nodiscard]] std::unique_ptr<net::Stream> detach(Connection& connection);

  // Idle time (host_pool_idle.cpp)
  [[nodiscard]] policy::ServerView server_view(std::optional<Duration> hint, net::RoundTrip round_trip) const noexcept;
  [[nodiscard]] policy::ServerView server_view(const Connection& connection) const noexcept;
  [[nodiscard]] policy::IdleTerms terms(const Connection& connection) const noexcept;
  [[nodiscard]] bool vouched_for(const Connection& connection, Duration age) const noexcept;
  [[nodiscard]] TimePoint idle_until(const Connection& connection) const noexcept;
  [[nodiscard]] bool still_usable(const Connection& connection) const;
  void note_no_room(const Connection& connection);
  void idle_survived(Connection& connection, Duration age, TimePoint moment);
  void idle_closed(Connection& connection, TimePoint moment);
  void learn_close(const policy::IdlePeriod& period);
  void disprove(Duration age) noexcept;
  void bear_witness() noexcept;
  void idle_ended(Connection& connection, CloseReason reason);
  void idle_time_over(Connection& connection, TimePoint now);
  [[nodiscard]] bool may_lapse(const Connection& connection, TimePoint moment);
  void prove_by_oldest(TimePoint now);
  void close_own_idle_since(TimePoint moment, Duration age);

  // Keeping warm (host_pool_warming.cpp). All but keep_in_use() and recheck_warming() only where warming_ is there.
  struct WarmTime {
    TimePoint until;  ///< idle, it counts as warm so long
    Duration lead;    ///< so long before it is replaced
  };
  void keep_in_use(TimePoint moment);
  void look_soon();
  void look_before_it_ends(const Connection& connection);
  void set_cold(Connection& connection, bool cold) noexcept;
  void note_warm_loss(const Connection& connection, CloseReason reason);
  void note_warm_opening(const Opening& opening, bool opened);
  void recheck_warming();
  void stop_warming() noexcept;
  [[nodiscard]] bool may_adopt(const Opening& opening) const noexcept;
  [[nodiscard]] WarmTime warm_time(const Connection& connection) const noexcept;
  [[nodiscard]] TimePoint look_for_cold(TimePoint moment) noexcept;
  [[nodiscard]] TimePoint in_use_until() const noexcept;
  [[nodiscard]] bool take_warming(bool can_open) noexcept;
  [[nodiscard]] policy::WarmView warm_view(TimePoint moment);
  void keep_warm(TimePoint moment);
  void let_go_of_idle();
  void close_what_is_over(const policy::WarmPlan& plan, TimePoint moment);
  void open_for_nobody();
  void tell_warmer();

  // Checkout
  enum class Fit : std::uint8_t { No, Untrusted, Trusted };
  [[nodiscard]] Fit fit(const Connection& connection, const Demand& demand, TimePoint now) const;
  [[nodiscard]] bool reachable(const Connection& connection, const Demand& demand) const;
  [[nodiscard]] Connection* best_idle(const Demand& demand, TimePoint now);
  [[nodiscard]] static bool is_quiet(Connection& connection, const Demand& demand, TimePoint moment);
  [[nodiscard]] Connection* take_idle(const Demand& demand, TimePoint now);
  [[nodiscard]] bool offer(Connection& connection, const OpeningTimes& times);
  void serve(Waiter& waiter, Connection& connection, const OpeningTimes& times);
  void enqueue(Waiter& waiter);
  void withdraw(Waiter& waiter) noexcept;
  void queue_time_over(Waiter& waiter, TimePoint now);

  // Openings
  void open_for_waiters();
  void open_for(Waiter& waiter);
  [[nodiscard]] bool adopt_opening(Waiter& waiter);
  void find_waiter_for(Opening& opening);
  void opened(Opening& opening, Dialed dialed);
  void record_open(const Dialed& dialed, bool for_nobody);
  void opening_failed(Opening& opening, const DialFailure& failure);
  [[nodiscard]] bool mend(const Opening& opening, const DialFailure& failure);
  void addresses_seen(std::span<const net::SocketAddress> addresses);
  std::unique_ptr<Opening> take(Opening& opening);

  void note_if_unused() noexcept;

  // With several workers (host_pool_lending.cpp). Nothing of it happens while common_ is nullptr.
  /// What a letter of another worker answers.
  enum class Ask : std::uint8_t {
    Nothing,  ///< it came by itself
    Loan,     ///< a waiter of ours could use an idle connection
    Room      ///< the same at max_connections: if none fits, one is to be closed
  };
  struct Answer {
    Ask to = Ask::Nothing;
    std::unique_ptr<LentConnection> connection{};  ///< counted in max_connections all the time
    bool slot = false;                             ///< the right to open one, counted already
  };
  static void send(const std::shared_ptr<CommonHost>& common, std::uint32_t worker, Answer answer);
  static void free_slot(const std::shared_ptr<CommonHost>& common, std::uint32_t worker, TimePoint older_than);
  void join();
  void leave() noexcept;
  void ask(std::uint32_t worker, Ask what, const Demand& demand);
  void lend(std::uint32_t worker, Ask what, const Demand& demand);
  void answered(Answer answer);
  void borrowed(LentConnection& lent);
  [[nodiscard]] std::unique_ptr<LentConnection> pack(Connection& connection);
  [[nodiscard]] bool pass_on(Connection& connection, TimePoint older_than);
  [[nodiscard]] bool provided_for(const Waiter& waiter) const noexcept;
  [[nodiscard]] bool covered_by_loan(Waiter& waiter);
  [[nodiscard]] bool may_ask_for_loan(const Demand& demand) noexcept;
  [[nodiscard]] bool at_limit() const noexcept { return common_->open() >= settings_->max_connections; }
  void no_loan_for(Waiter& waiter) noexcept;
  void loan_settled() noexcept;
  void await_room(Waiter& waiter);
  void await_no_more() noexcept {
    if (awaiting_) take_back_registration();
  }
  void take_back_registration() noexcept;
  [[nodiscard]] policy::Admission admit();
  void slot_freed();
  [[nodiscard]] TimePoint oldest_without_opening() noexcept;
  [[nodiscard]] std::uint32_t open_of_all() const noexcept;
  [[nodiscard]] std::uint32_t idle_of_all() const noexcept;
  /// Closes the oldest idle connections of ours while there are too many in all.
  bool trim_idle(CloseReason reason);
  void idle_rose(Connection& connection);
  void idle_fell() noexcept;
  void close_idle_elsewhere(TimePoint moment, Duration age);
  void tell_of_close(policy::IdlePeriod period);

  PoolContext& context_;
  Origin asked_;
  policy::NextHop hop_;
  std::string proxy_authorization_;
  std::shared_ptr<net::TlsTickets> tls_tickets_;  ///< shared with its streams, see TlsTickets
  const policy::HostSettings* settings_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<std::unique_ptr<Opening>> openings_;
  IdleList idle_;  ///< front: returned last
  WaiterList waiters_;
  AddressHistory addresses_;
  policy::IdleHistory history_;
  policy::ClosePrior::Witness witness_;
  std::optional<Duration> last_hint_;               ///< of the last response
  Duration first_request_limit_ = Duration::max();  ///< after so long the server closed one that had never served
  TimePoint limit_forgotten_at_{};                  ///< that is believed until then
  Duration opening_cost_{};
  TimePoint last_used_{};             ///< when a request came last
  std::unique_ptr<Warming> warming_;  ///< nullptr: keep_warm is 0, or nobody has come yet
  std::uint32_t idle_count_ = 0;
  std::uint32_t unclaimed_openings_ = 0;  ///< those of openings_ that have no waiter
  std::uint32_t waiting_count_ = 0;
  std::uint32_t users_ = 0;
  std::shared_ptr<CommonHost> common_;  ///< nullptr: no other worker, or retired
  TimePoint next_loan_{};               ///< see kLoanInterval
  std::uint32_t loans_pending_ = 0;     ///< asked for, not answered
  std::uint32_t loans_awaited_ = 0;     ///< waiters whose loan_ is Asked; never more than pending between events
  std::uint32_t spare_slots_ = 0;       ///< given to us, not used yet; none between events
  bool room_asked_ = false;
  bool awaiting_ = false;           ///< others may know of a waiter of ours
  bool last_client_local_ = false;  ///< Demand::local_client of the last request
  bool retired_ = false;
  bool shared_ = false;
  bool warned_unverified_ = false;
  bool warned_no_room_ = false;
};

}  // namespace keepwarm::pool
