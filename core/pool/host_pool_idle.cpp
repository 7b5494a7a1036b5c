// How long idle connections are held and trusted, and what their ends tell of the server's idle timeout.

#include <algorithm>
#include <chrono>
#include <string>

#include "core/pool/host_pool.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// A connection that is found dead so soon after an answer did not die of idleness.
constexpr Duration kLeastTelling = 250ms;

/// How long a limit for first requests is believed after it was seen: it may have been a restart.
constexpr Duration kFirstRequestLimitLife = 10min;

TimePoint now() noexcept {
  return net::Loop::event_time();
}

std::uint64_t address_key(const Connection& connection) {
  return std::hash<std::string>{}(connection.address().text());
}

std::string in_milliseconds(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
}

}  // namespace

// ---- Terms ----

policy::ServerView HostPool::server_view(std::optional<Duration> hint, net::RoundTrip round_trip) const noexcept {
  const bool learn = settings_->learn;
  return {.hint = hint,
          .learned = learn ? history_.learned() : std::nullopt,
          .survived = learn ? history_.survived() : Duration::zero(),
          .proved = history_.proved(),
          .round_trip = round_trip.bound(),
          .srtt = round_trip.smoothed()};
}

policy::ServerView HostPool::server_view(const Connection& connection) const noexcept {
  policy::ServerView view = server_view(connection.hint_timeout_, connection.round_trip_);
  if (connection.served_ == 0 && settings_->learn && now() < limit_forgotten_at_) {
    view.learned = std::min(view.learned.value_or(Duration::max()), first_request_limit_);
  }
  return view;
}

policy::IdleTerms HostPool::terms(const Connection& connection) const noexcept {
  return policy::idle_terms(policy::idle_settings(*settings_), server_view(connection));
}

policy::ExpectedIdle HostPool::expected_idle() const noexcept {
  return policy::expected_idle(policy::idle_settings(*settings_), server_view(last_hint_, {}));
}

HostPool::Fit HostPool::fit(const Connection& connection, const Demand& demand, TimePoint moment) const {
  if (demand.fresh_only || !reachable(connection, demand)) return Fit::No;
  if (connection.probe_) return demand.replayable ? Fit::Untrusted : Fit::No;
  if (!demand.replayable && settings_->unsafe_reuse == policy::UnsafeReuse::Never) return Fit::No;
  const policy::IdleTerms limits = terms(connection);
  const Duration age = moment - connection.idle_since();
  if (age >= limits.held_for) return Fit::No;
  if (age < limits.trusted_for) return Fit::Trusted;
  if (demand.replayable) return Fit::Untrusted;
  if (vouched_for(connection, age)) return Fit::Trusted;
  return settings_->unsafe_reuse == policy::UnsafeReuse::Always ? Fit::Untrusted : Fit::No;
}

/// Whether other hosts say that it may be trusted at this age, which is between trust and hold: so there is no hint,
/// and nothing was learned of closes. Of one that never served they know nothing: it is under another time limit.
bool HostPool::vouched_for(const Connection& connection, Duration age) const noexcept {
  if (!settings_->learn || connection.served_ == 0) return false;
  return context_.close_prior.may_trust(witness_, age, connection.round_trip_.bound());
}

TimePoint HostPool::idle_until(const Connection& connection) const noexcept {
  const Duration held_for = connection.probe_ ? settings_->idle_timeout : terms(connection).held_for;
  const TimePoint idle_over = connection.idle_since_ + held_for;
  if (settings_->max_lifetime <= Duration::zero()) return idle_over;
  return std::min(idle_over, connection.opened_at_ + settings_->max_lifetime);
}

bool HostPool::still_usable(const Connection& connection) const {
  return now() < idle_until(connection) && connection.stream_->check_idle_alive();
}

/// It is over as soon as it is idle. Where that is the server's doing, somebody should know why nothing is reused.
void HostPool::note_no_room(const Connection& connection) {
  const auto view = server_view(connection);
  if (!policy::hint_leaves_no_room(policy::idle_settings(*settings_), view)) return;
  ++context_.stats.hints_without_room;
  if (std::exchange(warned_no_room_, true)) return;
  context_.log.write(LogLevel::Warn, host_and_port(hop_.origin.host, hop_.origin.port) +
                                         ": it says that it closes idle connections after " +
                                         in_milliseconds(*view.hint) + ", and a round trip takes " +
                                         in_milliseconds(view.srtt) + ": none can be used again safely");
}

// ---- Ends of idle periods ----

/// An idle period of this length ended with the connection open. `age` counts from when it joined the pool.
void HostPool::idle_survived(Connection& connection, Duration age, TimePoint moment) {
  // One that never served was under the server's time limit for a first request, which is another one.
  if (connection.served_ == 0) age = Duration::zero();
  if (!connection.probe_ && (age < kLeastTelling || !history_.is_news(age))) return;
  history_.survived({.age = age,
                     .address = address_key(connection),
                     .ended = moment,
                     .probe = std::exchange(connection.probe_, false)});
  bear_witness();
}

/// What has been seen here, for the hosts that are to come. A server that gives hints has its connections closed by us,
/// before its time: it would be seen to live, and never to close.
void HostPool::bear_witness() noexcept {
  if (!settings_->learn || last_hint_) return;
  if (const auto learned = history_.learned()) return context_.close_prior.closed(witness_, *learned);
  context_.close_prior.lived(witness_, history_.proved());
}

/// The server closed it, as was seen at `moment`.
void HostPool::idle_closed(Connection& connection, TimePoint moment) {
  const Duration age = moment - connection.returned_at_;
  if (connection.served_ == 0) {
    // It met the server's limit for a first request, which tells nothing of how long the others live.
    if (age < kLeastTelling) return;
    first_request_limit_ = age;
    limit_forgotten_at_ = moment + kFirstRequestLimitLife;
    return;
  }
  // Of an answer that came slowly, or was read slowly, nobody knows when the server began to count.
  if (policy::clearly_longer(moment - connection.idle_since_, age)) return disprove(age);
  const policy::IdlePeriod period{.age = age,
                                  .address = address_key(connection),
                                  .ended = moment,
                                  .probe = std::exchange(connection.probe_, false)};
  learn_close(period);
  if (common_ && settings_->learn && age >= kLeastTelling) tell_of_close(period);
}

void HostPool::disprove(Duration age) noexcept {
  if (age >= kLeastTelling) history_.disprove(std::max(age - settings_->idle_margin, Duration::zero()));
}

void HostPool::learn_close(const policy::IdlePeriod& period) {
  const auto before = history_.learned();
  history_.closed(period, settings_->idle_margin);
  bear_witness();
  if (!settings_->learn || history_.learned() == before || !context_.log.enabled(LogLevel::Debug)) return;
  const auto learned = history_.learned();
  context_.log.write(LogLevel::Debug,
                     "upstream " + host_and_port(hop_.origin.host, hop_.origin.port) + " learned: closes when idle " +
                         (learned ? "for " + in_milliseconds(*learned) : "at no age that is known any more"));
}

void HostPool::idle_ended(Connection& connection, CloseReason reason) {
  if (reason == CloseReason::ServerClosedIdle) idle_closed(connection, now());
  close(connection, reason);
}

void HostPool::idle_time_over(Connection& connection, TimePoint moment) {
  // What was learned may have been dropped since it was armed.
  if (const TimePoint until = idle_until(connection); until > moment) {
    return context_.deadlines.arm(connection, until);
  }
  if (!connection.stream_->check_idle_alive()) return idle_ended(connection, CloseReason::ServerClosedIdle);
  if (may_lapse(connection, moment)) {
    connection.probe_ = true;
    history_.probe_begun(moment);
    return context_.deadlines.arm(connection, idle_until(connection));
  }
  idle_survived(connection, moment - connection.returned_at_, moment);
  close(connection, CloseReason::IdleTimeout);
}

/// Whether its close is left to the server, so that its idle timeout is seen again.
bool HostPool::may_lapse(const Connection& connection, TimePoint moment) {
  if (!settings_->learn || connection.probe_ || connection.served_ == 0) return false;
  if (moment - connection.idle_since_ >= settings_->idle_timeout) return false;
  const auto learned = history_.learned();
  const auto hint = connection.hint_timeout_;
  return learned && (!hint || *learned < *hint) && history_.may_probe(moment);
}

void HostPool::prove_by_oldest(TimePoint moment) {
  // A connection that is still open at some age has proved that age for the younger ones. Its close may lie unread in
  // the kernel, so look.
  const Connection* oldest = idle_.back();
  if (oldest == nullptr || oldest->served() == 0) return;
  const Duration survived = moment - oldest->returned_at_;
  if (survived <= history_.proved() || !oldest->stream_->check_idle_alive()) return;
  history_.seen_open(survived);
  bear_witness();
}

void HostPool::close_idle_since(TimePoint moment, Duration age) {
  if (common_) close_idle_elsewhere(moment, age);
  close_own_idle_since(moment, age);
}

void HostPool::close_own_idle_since(TimePoint moment, Duration age) {
  disprove(age);
  // Whatever the reason, a request failed at this age: here the others' word does not count any more.
  if (age >= kLeastTelling && settings_->learn && !last_hint_) context_.close_prior.closed(witness_, age);
  const auto as_old = [moment](const Connection& connection) { return connection.idle_since_ <= moment; };
  while (Connection* connection = find_idle(as_old)) {
    // What the kernel has of their ends tells whether it was a timeout, or all went at once.
    if (!connection->stream_->check_idle_alive()) {
      idle_ended(*connection, CloseReason::ServerClosedIdle);
    } else {
      close(*connection, CloseReason::SuspectedStale);
    }
  }
}

}  // namespace keepwarm::pool
