#include "core/pool/connect_attempts.h"

#include <cassert>
#include <string>
#include <utility>

#include "core/net/loop.h"
#include "core/net/tls/tls_tickets.h"
#include "core/policy/keep_warm.h"
#include "core/pool/waiter_queue.h"

namespace keepwarm::pool {

// ---- ConnectAttempt ----

ConnectAttempt::ConnectAttempt(ConnectAttempts& owner, Waiter* waiter, bool local_client, Duration timeout,
                               TimePoint now)
    : owner_(owner),
      context_(owner.context_),
      waiter_(waiter),
      began_(now),
      timeout_(timeout),
      local_client_(local_client),
      prewarms_(waiter == nullptr) {
  ++context_.stats.attempts;
}

ConnectAttempt::~ConnectAttempt() {
  --context_.stats.attempts;
}

void ConnectAttempt::start() {
  const UpstreamTarget& target = owner_.target_;
  dial_ = context_.dialers.dial(
      {.hop = target.hop(), .local_client = local_client_, .timeout = timeout_, .tickets = target.tls_tickets()},
      *this);
}

void ConnectAttempt::on_dialed(Dialed dialed) {
  owner_.succeeded(*this, std::move(dialed));
}

void ConnectAttempt::on_dial_failed(const DialFailure& failure) {
  owner_.failed(*this, failure);
}

void ConnectAttempt::on_addresses(std::span<const net::SocketAddress> addresses) {
  owner_.events_.addresses_seen(addresses, net::Loop::event_time());
}

// ---- Beginning ----

ConnectAttempt& ConnectAttempts::start(Waiter* waiter, bool local_client, Duration timeout, TimePoint now) {
  all_.push_back(std::make_unique<ConnectAttempt>(*this, waiter, local_client, timeout, now));
  ConnectAttempt& attempt = *all_.back();
  attempt.index_ = count() - 1;
  attempt.start();
  return attempt;
}

ConnectAttempt& ConnectAttempts::start_for(Waiter& waiter, Duration timeout, TimePoint now) {
  return start(&waiter, waiter.requirements().local_client, timeout, now);
}

void ConnectAttempts::start_prewarming(bool local_client, Duration timeout, TimePoint now) {
  ++prewarming_;
  link_unclaimed(start(nullptr, local_client, timeout, now));
}

// ---- Whose it is ----

void ConnectAttempts::link_unclaimed(ConnectAttempt& attempt) noexcept {
  unclaimed_[attempt.local_client() ? 1 : 0].push_back(attempt);
  ++unclaimed_count_;
}

void ConnectAttempts::unlink_unclaimed(ConnectAttempt& attempt) noexcept {
  List::remove(attempt);
  --unclaimed_count_;
}

/// One that was begun for keep_warm and takes longer than it should may never succeed: a waiter does not wait for it.
/// There are never more than two of them to be passed over.
ConnectAttempt* ConnectAttempts::adoptable(bool local_client, TimePoint now) noexcept {
  List& list = unclaimed_[local_client ? 1 : 0];
  const Duration patience = policy::warm_lead(Duration::max(), opening_cost_);
  ConnectAttempt* attempt = list.front();
  while (attempt != nullptr && attempt->prewarms() && (prewarm_failed_ || now - attempt->began() >= patience)) {
    attempt = list.next(*attempt);
  }
  return attempt;
}

void ConnectAttempts::adopt(ConnectAttempt& attempt, Waiter& waiter) noexcept {
  unlink_unclaimed(attempt);
  attempt.waiter_ = &waiter;
  attempt.adopted_ = true;
}

void ConnectAttempts::release(ConnectAttempt& attempt) noexcept {
  assert(attempt.waiter_ != nullptr);
  attempt.waiter_ = nullptr;
  link_unclaimed(attempt);
}

std::unique_ptr<ConnectAttempt> ConnectAttempts::take(ConnectAttempt& attempt) noexcept {
  if (attempt.waiter_ == nullptr) unlink_unclaimed(attempt);
  if (attempt.prewarms()) --prewarming_;
  const std::uint32_t index = attempt.index_;
  std::unique_ptr<ConnectAttempt> owned = std::move(all_[index]);
  if (index + 1 < count()) {
    all_[index] = std::move(all_.back());
    all_[index]->index_ = index;
  }
  all_.pop_back();
  return owned;
}

std::uint32_t ConnectAttempts::cancel_unclaimed() noexcept {
  std::uint32_t cancelled = 0;
  for (List& list : unclaimed_) {
    while (ConnectAttempt* attempt = list.front()) {
      take(*attempt).reset();
      ++cancelled;
    }
  }
  return cancelled;
}

void ConnectAttempts::cancel_all() noexcept {
  while (!all_.empty()) take(*all_.back()).reset();
}

// ---- Ends ----

void ConnectAttempts::succeeded(ConnectAttempt& attempt, Dialed dialed) {
  record_open(dialed, attempt.prewarms());
  if (attempt.prewarms()) prewarm_failed_ = false;
  events_.connected(attempt, std::move(dialed), net::Loop::event_time());
}

void ConnectAttempts::record_open(const Dialed& dialed, bool prewarms) {
  const Duration cost = dialed.times.total();
  opening_cost_ = opening_cost_ == Duration::zero() ? cost : (opening_cost_ * 7 + cost) / 8;
  PoolStats& stats = context_.stats;
  ++stats.opened;
  if (prewarms) ++stats.prewarmed;
  const policy::NextHop& hop = target_.hop();
  if (hop.tls) ++(dialed.tls_resumed ? stats.tls_resumed : stats.tls_full);
  if (hop.tls && !hop.tls->verify && !std::exchange(warned_unverified_, true)) {
    context_.log.write(LogLevel::Warn, target_.name() + ": its certificate is not verified (tls.verify = false)");
  }
  if (!context_.log.enabled(LogLevel::Debug)) return;
  std::string line = "upstream " + target_.name() + " opened: ";
  line += hop.unix_path.empty() ? dialed.address.text() : "unix:" + hop.unix_path;
  if (hop.tls) line.append(" ").append(dialed.tls_protocol).append(dialed.tls_resumed ? " resumed" : " full handshake");
  if (prewarms) line += " (kept warm)";
  context_.log.write(LogLevel::Debug, line);
}

void ConnectAttempts::failed(ConnectAttempt& attempt, const DialFailure& failure) {
  if (!std::exchange(attempt.started_again_, true) && recover_from(attempt, failure)) return attempt.start();
  ++context_.stats.open_failures;
  if (attempt.prewarms()) prewarm_failed_ = true;
  events_.connect_failed(attempt, failure, net::Loop::event_time());
}

/// Removes the cause of a failure, so that a second try may succeed; false: that is not in our power.
bool ConnectAttempts::recover_from(const ConnectAttempt& attempt, const DialFailure& failure) {
  if (failure.connect.kind == net::ConnectFailure::Kind::OutOfDescriptors) {
    return attempt.waiter() != nullptr && context_.owner != nullptr && context_.owner->free_a_descriptor();
  }
  if (!failure.tried_to_resume || failure.tls.kind == net::TlsFailure::Kind::Certificate) return false;
  // Some servers break when they are shown a session that they do not know any more.
  while (target_.tls_tickets()->take()) {
  }
  return true;
}

}  // namespace keepwarm::pool
