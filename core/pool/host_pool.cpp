// What happens to the connections of a HostPool: returned, closed, moved to another worker, opened; new settings.

#include "core/pool/host_pool.h"

#include <chrono>
#include <string>
#include <utility>

#include "core/pool/shared_peers.h"

namespace keepwarm::pool {

namespace {

void record_close_of(PoolContext& context, const UpstreamTarget& target, const Connection& connection,
                     CloseReason reason, TimePoint now) {
  if (!context.log.enabled(LogLevel::Debug)) return record_close(context, {}, reason, {});
  std::string detail = "(requests=" + std::to_string(connection.served());
  if (connection.state() == Connection::State::Idle) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - connection.idle_since());
    detail += " idle=" + std::to_string(age.count()) + "ms";
  }
  detail += ')';
  record_close(context, target.name(), reason, detail);
}

/// Which limit on the number of its requests a connection has reached: ours, or what the server's hint says.
std::optional<CloseReason> limit_reached(const policy::HostSettings& settings, const Connection& connection,
                                         const http::KeepAliveHint& hint) {
  if (settings.max_requests > 0 && connection.served() >= settings.max_requests) return CloseReason::RequestLimit;
  if (!settings.server_hint) return std::nullopt;
  const bool no_idle_time = hint.timeout && *hint.timeout <= Duration::zero();
  const bool no_more_requests = hint.max && *hint.max == 0;
  return no_idle_time || no_more_requests ? std::optional(CloseReason::HintMax) : std::nullopt;
}

bool is_affected(const NetworkChange& change, Connection& connection) {
  const auto peer = connection.address().ip();
  if (!peer) return false;  // a unix socket
  if (change.route_changed(*peer)) return true;
  if (!change.any_address_gone()) return false;
  const auto own = connection.stream().path().local_address();
  return own && change.address_gone(*own);
}

constexpr auto kAny = [](const Connection&) { return true; };

}  // namespace

HostPool::HostPool(PoolContext& context, Origin requested, policy::NextHop hop, const policy::HostSettings& settings)
    : context_(context),
      settings_(&settings),
      target_(context, std::move(requested), std::move(hop)),
      server_(settings, context.all_hosts),
      connections_(context.deadlines, {*this, idle_}),
      waiters_(context.deadlines, *this),
      attempts_(context, target_, *this),
      idle_({context, target_, server_, connections_, peers_, *this}) {
  if (context.shared != nullptr) {
    peers_ = std::make_unique<SharedPeers>(static_cast<PeerPool&>(*this), idle_, context, target_.hop().origin);
  } else {
    peers_ = std::make_unique<Peers>(static_cast<PeerPool&>(*this));
  }
}

HostPool::~HostPool() {
  warmer_.reset();
  peers_->leave();
  peers_ = std::make_unique<Peers>(static_cast<PeerPool&>(*this));
  while (Waiter* waiter = waiters_.front()) waiters_.remove(*waiter);
  attempts_.cancel_all();
  const TimePoint now = net::Loop::event_time();
  while (!connections_.empty()) {
    Connection& connection = *connections_.all().back();
    record_close_of(context_, target_, connection, CloseReason::Shutdown, now);
    connections_.remove(connection).reset();
    --context_.stats.connections;
  }
}

// ---- Lifetime ----

bool HostPool::in_use() const noexcept {
  return life_.users > 0 || entered() || open() > 0 || !waiters_.empty();
}

void HostPool::release() noexcept {
  --life_.users;
  settled();
}

void HostPool::settled() noexcept {
  if (!in_use() && context_.owner != nullptr) context_.owner->host_unused(*this);
}

ServerProof HostPool::proof(bool local_client) const {
  for (const auto& connection : connections_.all()) {
    if (connection->retiring || !target_.reachable(*connection, local_client)) continue;
    return connection->facts.certificate_requested ? ServerProof::WantsCertificate : ServerProof::Verified;
  }
  return ServerProof::None;
}

// ---- A lease ends ----

/// A response came whole. Returns why its connection cannot serve another request; nullopt: it can.
std::optional<CloseReason> HostPool::answered(Connection& connection, const GiveBack& how, TimePoint now) {
  if (context_.disruption.struck(connection.opened_at())) return context_.disruption.reason;
  idle_.survived(connection, connection.take_lease_age(), now);
  server_.answered(connection.facts, how.hint.timeout, how.idle_since);
  if (connection.served() == 1) {
    pacing_.answered(connection.opened_at(), waiters_.first_without_source() != nullptr, now);
  }
  connection.sample_round_trip(now);
  connection.facts.returned_at = now;
  if (context_.draining) return CloseReason::Shutdown;
  if (life_.retired) return CloseReason::Reconfigured;
  if (!settings_->reuse) return CloseReason::ReuseOff;
  if (connection.retiring) return connection.retiring;
  if (addresses_.gone(connection.address())) return CloseReason::AddressGone;
  if (server_.lifetime_over(connection.facts, now)) return CloseReason::Lifetime;
  return limit_reached(*settings_, connection, how.hint);
}

bool HostPool::keep_bound(Connection& connection, const GiveBack& how, TimePoint now) {
  const auto reason = answered(connection, how, now);
  if (reason) close(connection, *reason, now);
  return !reason;
}

void HostPool::hold_bound(BoundHolder& holder, TimePoint now) {
  const SettleScope scope(*this, now);
  connections_.hold_bound(holder, now);
  if (peers_->place_awaited()) idle_.displace_bound(settings_->queue_timeout, now);
}

void HostPool::give_back(Connection& connection, const GiveBack& how, TimePoint now) {
  const SettleScope scope(*this, now);
  connection.stream().set_events(connection);
  if (how.unused) return offer_or_pool(connection, {}, now);
  if (const auto reason = answered(connection, how, now)) return close(connection, *reason, now);
  // A waiter gets it at once, before the armed read could report that something has come: so the socket is checked.
  if (!waiters_.empty() && !connection.stream().check_idle_alive()) {
    return idle_.idle_ended(connection, CloseReason::ServerClosedIdle, now);
  }
  if (!peers_->alone() && peers_->needed_elsewhere(waiters_.waiting_since())) {
    auto transferred = transfer(connection, now);
    const bool passed = transferred != nullptr;
    peers_->pass_on(std::move(transferred));
    if (passed) return;
  }
  offer_or_pool(connection, {}, now);
}

/// Gives a connection that is in order to whoever waits for one, else it lies idle from now on.
void HostPool::offer_or_pool(Connection& connection, const OpeningTimes& times, TimePoint now) {
  if (offer(connection, times, now)) return;
  if (context_.draining) return close(connection, CloseReason::Shutdown, now);
  if (!settings_->reuse || life_.retired) return close(connection, CloseReason::Unused, now);
  connection.request_sent(now);  // if none was: none will soon
  if (settings_->max_idle == 0) return close(connection, CloseReason::PoolFull, now);
  const TimePoint due = server_.held_until(connection.facts, now);
  if (due <= now) {
    idle_.explain_no_time(connection, now);
    return close(connection, CloseReason::IdleTimeout, now);
  }
  connections_.make_idle(connection, due, now);
  life_.fell_idle = true;
  if (warmer_) warmer_->made_idle(connection, now);
  for (std::uint32_t surplus = peers_->idle_rose(open(), idle(), *settings_); surplus > 0; --surplus) {
    close_oldest_idle(CloseReason::PoolFull, now);
  }
}

std::unique_ptr<Connection> HostPool::remove(Connection& connection, TimePoint now) {
  if (connection.facts.lapse_test) idle_.survived(connection, Duration::zero(), now);  // it ends without a result
  if (warmer_) warmer_->gone(connection, now);
  const bool was_idle = connection.state() == Connection::State::Idle;
  std::unique_ptr<Connection> owned = connections_.remove(connection);
  if (was_idle) peers_->idle_fell();
  if (owned->served() == 0) pacing_.ended(owned->opened_at(), now);
  --context_.stats.connections;
  return owned;
}

void HostPool::close(Connection& connection, CloseReason reason, TimePoint now) {
  const SettleScope scope(*this, now);
  record_close_of(context_, target_, connection, reason, now);
  if (warmer_) warmer_->lost(connection, reason, now);
  remove(connection, now).reset();
  peers_->place_freed();
}

std::unique_ptr<net::Stream> HostPool::detach(Connection& connection, TimePoint now) {
  const SettleScope scope(*this, now);
  std::unique_ptr<net::Stream> stream = remove(connection, now)->take_stream();
  peers_->place_freed();
  return stream;
}

// ---- Connections that are being opened ----

void HostPool::connected(ConnectAttempt& attempt, Dialed dialed, TimePoint now) {
  const SettleScope scope(*this, now);
  if (warmer_) warmer_->connect_ended(attempt, true, now);
  Connection& connection = connections_.add(std::move(dialed.stream), dialed.address, now);
  ++context_.stats.connections;
  connection.facts.hint = server_.last_hint();
  connection.facts.certificate_requested = dialed.client_certificate_requested;
  connection.prewarmed = attempt.prewarms();
  const std::unique_ptr<ConnectAttempt> done = attempts_.take(attempt);
  // The waiter that it was opened for may not be the first in line: then that one's connect serves it in turn.
  if (Waiter* const waiter = done->waiter()) waiters_.connect_lost(*waiter);
  pacing_.opened(now);
  if (context_.disruption.struck(done->began())) return close(connection, context_.disruption.reason, now);
  offer_or_pool(connection, dialed.times, now);
}

void HostPool::connect_failed(ConnectAttempt& attempt, const DialFailure& failure, TimePoint now) {
  const SettleScope scope(*this, now);
  if (warmer_) warmer_->connect_ended(attempt, false, now);
  const std::unique_ptr<ConnectAttempt> done = attempts_.take(attempt);
  peers_->place_freed();
  Waiter* const waiter = done->waiter();
  if (waiter == nullptr) return;
  // It was not begun for this waiter, which would fail by a time limit that began before it came: it gets its own.
  if (done->adopted()) return waiters_.connect_lost(*waiter);
  waiters_.remove(*waiter);
  waiter->events().on_checkout_failed({.queue_timeout = false, .dial = failure});
}

void HostPool::addresses_seen(std::span<const net::SocketAddress> addresses, TimePoint now) {
  addresses_.answered(addresses, now);
}

// ---- Other workers ----

/// Takes a connection out of this worker's loop; its place among max_connections goes along. nullptr: it has to stay.
std::unique_ptr<TransferredConnection> HostPool::transfer(Connection& connection, TimePoint now) {
  auto stream = connection.stream().detach();
  if (!stream) return nullptr;
  ++context_.stats.transferred_away;
  if (context_.log.enabled(LogLevel::Debug)) {
    context_.log.write(LogLevel::Debug, "upstream " + target_.name() + " goes to another worker (requests=" +
                                            std::to_string(connection.served()) + ")");
  }
  auto transferred = std::make_unique<TransferredConnection>(
      TransferredConnection{std::move(stream), connection.address(), connection.facts});
  remove(connection, now).reset();
  return transferred;
}

PeerPool::Gift HostPool::give_to_peer(const CheckoutRequirements& requirements, bool or_place, TimePoint now) {
  const SettleScope scope(*this, now);
  Gift gift;
  Connection* const best = idle_.find(requirements, now);
  const bool stays = best == nullptr || best->retiring || best->facts.lapse_test || addresses_.gone(best->address());
  if (!stays) gift.connection = transfer(*best, now);
  Connection* const oldest = connections_.oldest_idle();
  if (!or_place || gift.connection || oldest == nullptr) return gift;
  record_close_of(context_, target_, *oldest, CloseReason::PoolFull, now);
  remove(*oldest, now).reset();
  gift.place = true;
  return gift;
}

void HostPool::received_from_peer(std::unique_ptr<TransferredConnection> transferred, TimePoint now) {
  const SettleScope scope(*this, now);
  if (!transferred) return;
  auto stream = context_.dialers.attach(*transferred->stream, target_.tls_tickets());
  if (!stream) {
    record_close(context_, target_.name(), CloseReason::OutOfDescriptors, {});
    return peers_->place_freed();
  }
  Connection& connection =
      connections_.add_transferred(std::move(stream), transferred->address, transferred->facts, now);
  ++context_.stats.connections;
  ++context_.stats.transferred_here;
  if (context_.disruption.struck(connection.opened_at())) return close(connection, context_.disruption.reason, now);
  // Nobody has listened to it on its way.
  if (!connection.stream().check_idle_alive()) return idle_.idle_ended(connection, CloseReason::ServerClosedIdle, now);
  offer_or_pool(connection, {}, now);
}

// ---- keep_warm ----

/// The host is in use, and connections are to be kept warm for it.
void HostPool::keep_warm(TimePoint now) {
  if (!warmer_) {
    warmer_ = std::make_unique<Warmer>(
        Warmer::Parts{context_, server_, connections_, attempts_, peers_, *this, static_cast<WarmPool&>(*this)});
  }
  warmer_->used(now);
}

void HostPool::check_warmth(TimePoint now) {
  if (!warmer_ || context_.draining || life_.retired) return;
  const SettleScope scope(*this, now);
  idle_.apply_what_was_learned(now);
  warmer_->check(now);
}

bool HostPool::prewarm(TimePoint now) {
  if (peers_->reserve() != policy::Admission::Connect) return false;
  attempts_.start_prewarming(last_request_.local_client, settings_->connect_timeout, now);
  return true;
}

// ---- Closing what is idle ----

void HostPool::close_idle_since(TimePoint since, Duration age, TimePoint now) {
  const SettleScope scope(*this, now);
  peers_->close_idle_since(since, age);
  idle_.close_idle_since(since, age, now);
}

void HostPool::close_all_idle(CloseReason reason, TimePoint now) {
  const SettleScope scope(*this, now);
  idle_.close_all(reason, now, kAny);
}

bool HostPool::close_oldest_idle(CloseReason reason, TimePoint now) {
  Connection* const oldest = connections_.oldest_idle();
  if (oldest != nullptr) close(*oldest, reason, now);
  return oldest != nullptr;
}

std::uint32_t HostPool::network_changed(const NetworkChange& change, TimePoint now) {
  const SettleScope scope(*this, now);
  const std::uint32_t before = idle();
  for (const auto& connection : connections_.all()) {
    if (is_affected(change, *connection)) connection->retiring = CloseReason::NetworkChanged;
  }
  idle_.close_all(CloseReason::NetworkChanged, now, [](const Connection& each) { return each.retiring.has_value(); });
  return before - idle();
}

// ---- New settings ----

void HostPool::set_settings(const policy::HostSettings& settings) {
  settings_ = &settings;
  server_.set_settings(settings);
  peers_->settings_changed();
}

void HostPool::recheck(TimePoint now) {
  const SettleScope scope(*this, now);
  for (const auto& connection : connections_.all()) {
    if (!target_.may_lead_to(connection->address()) || !settings_->reuse) {
      connection->retiring = CloseReason::AddressGone;
    }
    connection->open_to_remote_clients.reset();
    if (!settings_->server_hint) connection->facts.hint.reset();
  }
  idle_.close_all(CloseReason::Reconfigured, now, [](const Connection& each) { return each.retiring.has_value(); });
  for (std::uint32_t surplus = peers_->idle_rose(open(), idle(), *settings_); surplus > 0; --surplus) {
    close_oldest_idle(CloseReason::Reconfigured, now);
  }
  idle_.recheck_deadlines(now);
  if (policy::warm_wanted(*settings_) == 0) return warmer_.reset();
  if (last_request_.at == TimePoint{}) return;
  keep_warm(last_request_.at);
  warmer_->check_soon(now);
}

void HostPool::retire(TimePoint now) {
  const SettleScope scope(*this, now);
  life_.retired = true;
  warmer_.reset();
  peers_->leave();
  peers_ = std::make_unique<Peers>(static_cast<PeerPool&>(*this));
  idle_.close_all(CloseReason::Reconfigured, now, kAny);
}

}  // namespace keepwarm::pool
