#include "core/pool/host_pool.h"

#include <algorithm>
#include <cassert>

#include "core/pool/opening.h"
#include "core/pool/warming.h"

namespace keepwarm::pool {

namespace {

TimePoint now() noexcept {
  return net::Loop::event_time();
}

}  // namespace

HostPool::HostPool(PoolContext& context, Origin asked, policy::NextHop hop, const policy::HostSettings& settings)
    : context_(context),
      asked_(std::move(asked)),
      hop_(std::move(hop)),
      proxy_authorization_(hop_.absolute_form() ? basic_authorization(hop_.credentials) : std::string()),
      tls_tickets_(hop_.tls ? std::make_shared<net::TlsTickets>(context.tls) : nullptr),
      settings_(&settings) {
  if (context_.commons != nullptr) join();
}

HostPool::~HostPool() {
  stop_warming();
  leave();
  while (Waiter* waiter = waiters_.front()) withdraw(*waiter);
  openings_.clear();
  while (!connections_.empty()) {
    connections_.back()->probe_ = false;  // the settings may be gone, and nothing is to be learned any more
    record_close(*connections_.back(), CloseReason::Shutdown);
    remove(*connections_.back()).reset();
  }
}

std::uint32_t HostPool::open() const noexcept {
  return static_cast<std::uint32_t>(connections_.size() + openings_.size());
}

bool HostPool::in_use() const noexcept {
  return users_ > 0 || !connections_.empty() || !openings_.empty() || waiting_count_ > 0;
}

void HostPool::release() noexcept {
  --users_;
  note_if_unused();
}

void HostPool::note_if_unused() noexcept {
  if (!in_use() && context_.use != nullptr) context_.use->host_unused(*this);
}

// ---- Connections ----

std::optional<CloseReason> HostPool::served(Connection& connection, const GiveBack& how, TimePoint moment) {
  idle_survived(connection, std::exchange(connection.lease_age_, Duration::zero()), moment);
  ++connection.served_;
  last_hint_ = settings_->server_hint ? how.hint.timeout : std::nullopt;
  connection.hint_timeout_ = last_hint_;
  connection.idle_since_ = how.idle_since;
  connection.sample_round_trip(moment);
  return why_not_pooled(connection, how, moment);
}

bool HostPool::keep_bound(Connection& connection, const GiveBack& how) {
  const auto reason = served(connection, how, now());
  connection.returned_at_ = now();
  if (reason) close(connection, *reason);
  return !reason;
}

void HostPool::set_settings(const policy::HostSettings& settings) {
  settings_ = &settings;
  if (context_.commons != nullptr) join();
}

void HostPool::give_back(Connection& connection, const GiveBack& how) {
  const TimePoint moment = now();
  connection.stream_->set_events(connection);
  if (const auto reason = served(connection, how, moment)) return close(connection, *reason);
  connection.returned_at_ = moment;  // what another worker's pool counts from, too
  // Who waits gets it at once, before the armed read could tell that something else has come.
  if (waiting_count_ > 0 && !connection.stream_->check_idle_alive())
    return idle_ended(connection, CloseReason::ServerClosedIdle);
  if (common_ && pass_on(connection, waiting_count_ > 0 ? waiters_.front()->since_ : TimePoint::max())) return;
  if (offer(connection, {})) return;
  make_idle(connection, moment);
  open_for_waiters();  // one that may not use this connection may have it replaced
}

std::optional<CloseReason> HostPool::why_not_pooled(const Connection& connection, const GiveBack& how,
                                                    TimePoint moment) const {
  if (context_.draining) return CloseReason::Shutdown;
  if (retired_) return CloseReason::Reconfigured;
  if (!settings_->reuse) return CloseReason::ReuseOff;
  if (connection.retire_) return CloseReason::AddressGone;
  if (settings_->max_requests > 0 && connection.served_ >= settings_->max_requests) return CloseReason::RequestLimit;
  const bool lifetime_over =
      settings_->max_lifetime > Duration::zero() && moment - connection.opened_at_ >= settings_->max_lifetime;
  if (lifetime_over) return CloseReason::Lifetime;
  if (settings_->server_hint) {
    if (how.hint.timeout && *how.hint.timeout <= Duration::zero()) return CloseReason::HintMax;
    if (how.hint.max && *how.hint.max == 0) return CloseReason::HintMax;
  }
  return std::nullopt;
}

void HostPool::make_idle(Connection& connection, TimePoint moment) {
  if (settings_->max_idle == 0) return close(connection, CloseReason::PoolFull);
  if (!common_ && idle_count_ >= settings_->max_idle) close_oldest_idle(CloseReason::PoolFull);
  const TimePoint due = idle_until(connection);
  if (due <= moment) {
    note_no_room(connection);
    return close(connection, CloseReason::IdleTimeout);
  }
  connection.state_ = Connection::State::Idle;
  connection.waited_ = true;
  connection.returned_at_ = moment;
  idle_.push_front(connection);
  ++idle_count_;
  context_.deadlines.arm(connection, due);
  if (warming_) look_before_it_ends(connection);
  if (common_) idle_rose(connection);
}

void HostPool::lease_out(Connection& connection, TimePoint moment) noexcept {
  assert(connection.state_ == Connection::State::Idle);
  IdleList::remove(connection);
  --idle_count_;
  if (common_) idle_fell();
  if (connection.cold_) set_cold(connection, false);
  net::DeadlineClock::disarm(connection);
  connection.state_ = Connection::State::Leased;
  connection.lease_age_ = moment - connection.returned_at_;
}

std::unique_ptr<Connection> HostPool::remove(Connection& connection) {
  if (connection.probe_) idle_survived(connection, Duration::zero(), now());  // it ends without a result
  if (connection.state_ == Connection::State::Idle) {
    IdleList::remove(connection);
    --idle_count_;
    if (common_) idle_fell();
  }
  if (warming_) {
    set_cold(connection, false);
    look_soon();
  }
  const std::size_t index = connection.index_;
  std::unique_ptr<Connection> owned = std::move(connections_[index]);
  if (index + 1 < connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index_ = index;
  }
  connections_.pop_back();
  --context_.stats.connections;
  return owned;
}

void HostPool::record_close(const Connection& connection, CloseReason reason) {
  if (!context_.log.enabled(LogLevel::Debug)) return pool::record_close(context_, {}, reason, {});
  std::string detail = "(requests=" + std::to_string(connection.served_);
  if (connection.state_ == Connection::State::Idle) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now() - connection.idle_since_);
    detail += " idle=" + std::to_string(age.count()) + "ms";
  }
  detail += ')';
  pool::record_close(context_, host_and_port(hop_.origin.host, hop_.origin.port), reason, detail);
}

void HostPool::close(Connection& connection, CloseReason reason) {
  record_close(connection, reason);
  if (warming_) note_warm_loss(connection, reason);
  remove(connection).reset();
  slot_freed();
  open_for_waiters();
  note_if_unused();
}

std::unique_ptr<net::Stream> HostPool::detach(Connection& connection) {
  std::unique_ptr<net::Stream> stream = std::move(remove(connection)->stream_);
  slot_freed();
  open_for_waiters();
  note_if_unused();
  return stream;
}

void HostPool::close_all_idle(CloseReason reason) {
  while (close_oldest_idle(reason)) {
  }
}

bool HostPool::close_oldest_idle(CloseReason reason) {
  Connection* oldest = idle_.back();
  if (oldest != nullptr) close(*oldest, reason);
  return oldest != nullptr;
}

void HostPool::retire() {
  retired_ = true;
  stop_warming();
  leave();
  close_all_idle(CloseReason::Reconfigured);
  open_for_waiters();  // they get nothing from other workers any more
}

bool HostPool::may_lead_to(const net::SocketAddress& address) const {
  if (hop_.via != policy::NextHop::Via::Parent) {
    return context_.local_filter.verdict(address) == net::AddressFilter::Verdict::Allowed;
  }
  return hop_.absolute_form() || !refuse_literal(context_, hop_.origin.host, hop_.origin.port, true);
}

void HostPool::recheck() {
  for (const auto& connection : connections_) {
    if (!may_lead_to(connection->address_) || !settings_->reuse) connection->retire_ = true;
    connection->open_to_remote_clients_.reset();
    if (!settings_->server_hint) connection->hint_timeout_.reset();
  }
  if (!settings_->server_hint) last_hint_.reset();
  while (Connection* retired = find_idle([](const Connection& each) { return each.retire_; })) {
    close(*retired, CloseReason::Reconfigured);
  }
  static_cast<void>(trim_idle(CloseReason::Reconfigured));
  for (Connection* connection = idle_.back(); connection != nullptr; connection = idle_.previous(*connection)) {
    context_.deadlines.arm(*connection, idle_until(*connection));
  }
  recheck_warming();
  open_for_waiters();  // max_connections may have grown
}

}  // namespace keepwarm::pool
