#include "core/policy/server_model.h"

#include <algorithm>
#include <utility>

#include "core/policy/keep_warm.h"

namespace keepwarm::policy {

namespace {

/// A connection that is found closed sooner than this after an answer was not closed for being idle.
constexpr Duration kShortestIdleTimeout = 250ms;

/// How long a limit for first requests is believed after it was seen: it may have been a restart.
constexpr Duration kFirstRequestLimitLife = 10min;

}  // namespace

ServerModel::ServerModel(const HostSettings& settings, CloseRiskEstimator& all_hosts) noexcept
    : settings_(&settings), all_hosts_(&all_hosts) {}

void ServerModel::set_settings(const HostSettings& settings) noexcept {
  settings_ = &settings;
  ++revision_;
  if (!settings.server_hint) last_hint_.reset();
}

// ---- Questions ----

ServerView ServerModel::view(std::optional<Duration> hint, RoundTrip round_trip) const noexcept {
  const bool learn = settings_->learn;
  return {.hint = hint,
          .learned = learn ? history_.learned() : std::nullopt,
          .survived = learn ? history_.survived() : Duration::zero(),
          .proved = history_.proved(),
          .round_trip = round_trip.bound(),
          .srtt = round_trip.smoothed()};
}

ServerView ServerModel::view(const ConnectionFacts& connection, TimePoint now) const noexcept {
  ServerView server = view(connection.hint, connection.round_trip);
  if (connection.served == 0 && settings_->learn && now < first_request_limit_ends_) {
    server.learned = std::min(server.learned.value_or(Duration::max()), first_request_limit_);
  }
  return server;
}

IdleTerms ServerModel::terms(const ConnectionFacts& connection, TimePoint now) const noexcept {
  return idle_terms(idle_settings(*settings_), view(connection, now));
}

Fit ServerModel::fit(const ConnectionFacts& connection, bool replayable, TimePoint now) const noexcept {
  if (connection.lapse_test) return replayable ? Fit::Untrusted : Fit::No;
  if (!replayable && settings_->unsafe_reuse == UnsafeReuse::Never) return Fit::No;
  const IdleTerms limits = terms(connection, now);
  const Duration age = now - connection.idle_since;
  if (age >= limits.held_for) return Fit::No;
  if (age < limits.trusted_for) return Fit::Trusted;
  if (replayable) return Fit::Untrusted;
  if (trusted_by_other_hosts(connection, age)) return Fit::Trusted;
  return settings_->unsafe_reuse == UnsafeReuse::Always ? Fit::Untrusted : Fit::No;
}

/// Whether other hosts have shown that an age between trusted_for and held_for is safe. The two differ only where there
/// is no hint and nothing was learned. Other hosts show nothing of a connection that never served, for which the server
/// has another limit.
bool ServerModel::trusted_by_other_hosts(const ConnectionFacts& connection, Duration age) const noexcept {
  if (!settings_->learn || connection.served == 0) return false;
  return all_hosts_->may_trust(sample_, age, connection.round_trip.bound());
}

TimePoint ServerModel::held_until(const ConnectionFacts& connection, TimePoint now) const noexcept {
  const Duration held_for = connection.lapse_test ? settings_->idle_timeout : terms(connection, now).held_for;
  const TimePoint idle_over = connection.idle_since + held_for;
  if (settings_->max_lifetime <= Duration::zero()) return idle_over;
  return std::min(idle_over, connection.opened_at + settings_->max_lifetime);
}

ExpectedIdle ServerModel::expected() const noexcept {
  return expected_idle(idle_settings(*settings_), view(last_hint_, {}));
}

ServerModel::WarmTime ServerModel::warm_time(const ConnectionFacts& connection, Duration opening_cost,
                                             TimePoint now) const noexcept {
  const Duration warm = warm_for(idle_settings(*settings_), view(connection, now));
  TimePoint until = connection.idle_since + warm;
  if (settings_->max_lifetime > Duration::zero()) {
    until = std::min(until, connection.opened_at + settings_->max_lifetime);
  }
  return {until, warm_lead(warm, opening_cost)};
}

bool ServerModel::worth_keeping_warm() const noexcept {
  return warm_for(idle_settings(*settings_), view(last_hint_, {})) >= kMinWarm;
}

std::optional<ServerModel::NoTime> ServerModel::no_time(const ConnectionFacts& connection,
                                                        TimePoint now) const noexcept {
  const ServerView server = view(connection, now);
  if (!hint_leaves_no_time(idle_settings(*settings_), server)) return std::nullopt;
  return NoTime{*server.hint, server.srtt};
}

// ---- What happened ----

void ServerModel::answered(ConnectionFacts& connection, std::optional<Duration> hint, TimePoint idle_since) noexcept {
  ++connection.served;
  last_hint_ = settings_->server_hint ? hint : std::nullopt;
  connection.hint = last_hint_;
  connection.idle_since = idle_since;
}

bool ServerModel::learns_from_survival(const ConnectionFacts& connection, Duration age) const noexcept {
  if (connection.lapse_test) return true;
  // One that never served was under the server's time limit for a first request, which is another one.
  return connection.served > 0 && age >= kShortestIdleTimeout && history_.would_change(age);
}

void ServerModel::survived(ConnectionFacts& connection, Duration age, std::uint64_t address, TimePoint now) noexcept {
  if (!learns_from_survival(connection, age)) return;
  ++revision_;
  history_.survived({.age = connection.served > 0 ? age : Duration::zero(),
                     .address = address,
                     .ended = now,
                     .lapse_test = std::exchange(connection.lapse_test, false)});
  record_evidence();
}

std::optional<IdlePeriod> ServerModel::closed(ConnectionFacts& connection, std::uint64_t address,
                                              TimePoint now) noexcept {
  const Duration age = now - connection.returned_at;
  if (connection.served == 0) {
    // It met the server's limit for a first request, which tells nothing of how long the others live.
    if (age < kShortestIdleTimeout) return std::nullopt;
    ++revision_;
    first_request_limit_ = age;
    first_request_limit_ends_ = now + kFirstRequestLimitLife;
    return std::nullopt;
  }
  // After an answer that came slowly, or was read slowly, nobody knows when the server began to count.
  if (clearly_longer(now - connection.idle_since, age)) {
    invalidate_survival(age);
    return std::nullopt;
  }
  const IdlePeriod period{
      .age = age, .address = address, .ended = now, .lapse_test = std::exchange(connection.lapse_test, false)};
  learn_close(period);
  return period;
}

void ServerModel::learn_close(const IdlePeriod& period) noexcept {
  ++revision_;
  history_.closed(period, settings_->idle_margin);
  record_evidence();
}

bool ServerModel::concerns_other_workers(const IdlePeriod& period) const noexcept {
  return settings_->learn && period.age >= kShortestIdleTimeout;
}

/// Adds what was seen of this host to what is known of all. Not of a server that gives hints: we close its connections
/// before it does, so it would be seen to live, and never to close.
void ServerModel::record_evidence() noexcept {
  if (!settings_->learn || last_hint_) return;
  if (const auto learned = history_.learned()) return all_hosts_->closed(sample_, *learned);
  all_hosts_->lived(sample_, history_.proved());
}

void ServerModel::invalidate_survival(Duration age) noexcept {
  if (age < kShortestIdleTimeout) return;
  ++revision_;
  history_.invalidate_survival(std::max(age - settings_->idle_margin, Duration::zero()));
}

void ServerModel::request_failed(Duration age) noexcept {
  invalidate_survival(age);
  if (age >= kShortestIdleTimeout && settings_->learn && !last_hint_) all_hosts_->closed(sample_, age);
}

bool ServerModel::would_prove(const ConnectionFacts& connection, TimePoint now) const noexcept {
  return connection.served > 0 && now - connection.returned_at > history_.proved();
}

void ServerModel::seen_open(const ConnectionFacts& connection, TimePoint now) noexcept {
  history_.seen_open(now - connection.returned_at);
  record_evidence();
}

bool ServerModel::may_test_lapse(const ConnectionFacts& connection, TimePoint now) noexcept {
  if (!settings_->learn || connection.lapse_test || connection.served == 0) return false;
  if (now - connection.idle_since >= settings_->idle_timeout) return false;
  const auto learned = history_.learned();
  return learned && (!connection.hint || *learned < *connection.hint) && history_.may_test_lapse(now);
}

void ServerModel::begin_lapse_test(ConnectionFacts& connection, TimePoint now) noexcept {
  connection.lapse_test = true;
  history_.lapse_test_begun(now);
}

}  // namespace keepwarm::policy
