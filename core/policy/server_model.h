#pragma once

#include <cstdint>
#include <optional>

#include "core/base/clock.h"
#include "core/policy/close_risk_estimator.h"
#include "core/policy/connection_facts.h"
#include "core/policy/idle_history.h"
#include "core/policy/idle_terms.h"
#include "core/policy/settings.h"

namespace keepwarm::policy {

/// Whether a request may go on an idle connection (ServerModel::fit()).
enum class Fit : std::uint8_t {
  No,
  Untrusted,  ///< only because the request may be sent again, or the user takes the risk
  Trusted     ///< idle for so short a time that the server has not closed it
};

/// All that is believed of the server behind one pool key, and what follows from it for each connection: how long it
/// may lie idle, and which requests it may serve (core/doc/design.md §6.3, §6.4). It joins the host's own history of
/// closes (IdleHistory), the server's last hint, and what all hosts of the engine together have shown
/// (CloseRiskEstimator).
///
/// Pure: no I/O, no clock; `now` is an argument. Owned by a HostPool. The settings and the CloseRiskEstimator must
/// outlive it.
class ServerModel {
 public:
  ServerModel(const HostSettings& settings, CloseRiskEstimator& all_hosts) noexcept;

  /// New settings after a reload. What was learned stays; with `server_hint = false` the last hint is forgotten.
  void set_settings(const HostSettings& settings) noexcept;

  // ---- Questions ----

  /// How long a connection may be held and trusted, counted from ConnectionFacts::idle_since.
  [[nodiscard]] IdleTerms terms(const ConnectionFacts& connection, TimePoint now) const noexcept;

  /// Whether a request may go on an idle connection, and with how much trust: here, and nowhere else, it is decided
  /// whether a POST may go on this one. `replayable`: the request may be sent a second time if the connection turns out
  /// to be closed.
  [[nodiscard]] Fit fit(const ConnectionFacts& connection, bool replayable, TimePoint now) const noexcept;

  /// When the connection is to be closed if nobody uses it; max_lifetime counts.
  [[nodiscard]] TimePoint held_until(const ConnectionFacts& connection, TimePoint now) const noexcept;

  /// What is believed of the idle timeout after the last response.
  [[nodiscard]] ExpectedIdle expected() const noexcept;

  /// Whether max_lifetime is over.
  [[nodiscard]] bool lifetime_over(const ConnectionFacts& connection, TimePoint now) const noexcept {
    return settings_->max_lifetime > Duration::zero() && now - connection.opened_at >= settings_->max_lifetime;
  }

  /// Another number than before whenever something was learned, or settings changed. As long as it stays, the times of
  /// an idle connection stay as well, or become longer.
  [[nodiscard]] std::uint32_t revision() const noexcept { return revision_; }

  /// The hint of the last response. It counts for connections that have not served yet, too.
  [[nodiscard]] std::optional<Duration> last_hint() const noexcept { return last_hint_; }

  /// For how long an idle connection counts as kept warm (keep_warm.h).
  struct WarmTime {
    TimePoint until;
    Duration lead;  ///< how long before `until` its successor is opened
  };
  [[nodiscard]] WarmTime warm_time(const ConnectionFacts& connection, Duration opening_cost,
                                   TimePoint now) const noexcept;
  /// False: the server closes so soon that connections kept warm would have to be replaced all the time.
  [[nodiscard]] bool worth_keeping_warm() const noexcept;

  /// The server's hint is shorter than a round trip: no connection can ever be used again. `hint` and `round_trip` say
  /// by how much.
  struct NoTime {
    Duration hint;
    Duration round_trip;
  };
  [[nodiscard]] std::optional<NoTime> no_time(const ConnectionFacts& connection, TimePoint now) const noexcept;

  // ---- What happened ----

  /// A response came whole. `hint`: its Keep-Alive: timeout=. `idle_since`: policy::idle_since().
  void answered(ConnectionFacts& connection, std::optional<Duration> hint, TimePoint idle_since) noexcept;

  /// Whether survived() would change anything: nearly always false, at the cost of two comparisons.
  [[nodiscard]] bool learns_from_survival(const ConnectionFacts& connection, Duration age) const noexcept;
  /// An idle period of this length (from ConnectionFacts::returned_at) ended with the connection open. Ends a lapse
  /// test. `address`: any hash of the server's address.
  void survived(ConnectionFacts& connection, Duration age, std::uint64_t address, TimePoint now) noexcept;

  /// The server closed a connection that lay idle, as was seen at `now`; also after a stale failure. Ends a lapse test.
  /// Returns the period that was learned from; nullopt: the close tells nothing of the idle timeout.
  [[nodiscard]] std::optional<IdlePeriod> closed(ConnectionFacts& connection, std::uint64_t address,
                                                 TimePoint now) noexcept;
  /// A close that another worker of the process has seen.
  void learn_close(const IdlePeriod& period) noexcept;
  /// Whether a close of this age is worth telling the other workers.
  [[nodiscard]] bool concerns_other_workers(const IdlePeriod& period) const noexcept;
  /// Whether what closes show is used: the key `learn`.
  [[nodiscard]] bool learning() const noexcept { return settings_->learn; }
  /// The idle timeout that closes have shown; nullopt: none.
  [[nodiscard]] std::optional<Duration> learned() const noexcept { return history_.learned(); }

  /// A request failed on a connection that had been idle for `age`, whatever the reason: longer ages are not proved any
  /// more, and what other hosts have shown does not count for this one from now on.
  void request_failed(Duration age) noexcept;

  /// Whether seen_open() would prove an age that was not proved before.
  [[nodiscard]] bool would_prove(const ConnectionFacts& connection, TimePoint now) const noexcept;
  /// The connection lies idle in the pool and has just been found open: so younger ones may be trusted up to its age.
  void seen_open(const ConnectionFacts& connection, TimePoint now) noexcept;

  /// Whether a connection whose time is over is to be left for the server to close, as a lapse test.
  [[nodiscard]] bool may_test_lapse(const ConnectionFacts& connection, TimePoint now) noexcept;
  void begin_lapse_test(ConnectionFacts& connection, TimePoint now) noexcept;

 private:
  [[nodiscard]] ServerView view(std::optional<Duration> hint, RoundTrip round_trip) const noexcept;
  [[nodiscard]] ServerView view(const ConnectionFacts& connection, TimePoint now) const noexcept;
  [[nodiscard]] bool trusted_by_other_hosts(const ConnectionFacts& connection, Duration age) const noexcept;
  void invalidate_survival(Duration age) noexcept;
  void record_evidence() noexcept;

  const HostSettings* settings_;
  CloseRiskEstimator* all_hosts_;
  IdleHistory history_;
  CloseRiskEstimator::HostSample sample_;  ///< what this host has contributed to all_hosts_
  std::optional<Duration> last_hint_;      ///< of the last response
  /// After this time the server closed a connection that had never served, by another limit than its idle timeout.
  Duration first_request_limit_ = Duration::max();
  TimePoint first_request_limit_ends_{};  ///< that limit is believed until then
  std::uint32_t revision_ = 0;
};

}  // namespace keepwarm::policy
