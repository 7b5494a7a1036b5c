// Who gets which connection of a HostPool, and which connections are opened for those who wait.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/pool/host_pool.h"

namespace keepwarm::pool {

using policy::Fit;

// ---- Coming and leaving ----

void HostPool::checkout(Waiter& waiter, const CheckoutRequirements& requirements, TimePoint now) {
  last_request_ = {now, requirements.local_client};
  if (settings_->keep_warm > 0) keep_warm(now);
  // The usual case. It frees nothing that a waiter could use, and so leaves nothing to settle.
  if (Connection* const connection = take_idle(requirements, now)) {
    ++context_.stats.leases_reused;
    return waiter.events().on_lease(Lease(*connection), {});
  }
  const SettleScope scope(*this, now);
  waiters_.add(waiter, requirements, settings_->queue_timeout, now);
}

void HostPool::waiter_left(ConnectAttempt* attempt, TimePoint now) noexcept {
  const SettleScope scope(*this, now);
  if (attempt != nullptr) attempts_.release(*attempt);
}

void HostPool::waiter_timed_out(Waiter& waiter, TimePoint now) {
  // While a connection is being opened for it, connect_timeout bounds its wait; yet it may lose that one to another.
  if (waiter.source() != Waiter::Source::None) return waiters_.extend(waiter, settings_->queue_timeout, now);
  const SettleScope scope(*this, now);
  // It was only held back for a moment, since many were being opened.
  const TimePoint over = waiter.since() + settings_->queue_timeout;
  if (now < over) return waiters_.extend(waiter, over - now, now);
  if (idle_.displace_bound(settings_->queue_timeout, now) == Duration::zero()) {
    return waiters_.extend(waiter, policy::ConnectPacing::kPatience, now);
  }
  waiters_.remove(waiter);
  waiter.events().on_checkout_failed({.queue_timeout = true});
}

// ---- Serving ----

Connection* HostPool::take_idle(const CheckoutRequirements& requirements, TimePoint now) {
  Connection* const connection = idle_.find(requirements, now);
  if (connection == nullptr) return nullptr;
  connections_.lease(*connection, now);
  if (warmer_) warmer_->leased(*connection);
  peers_->idle_fell();
  return connection;
}

void HostPool::serve(Waiter& waiter, Connection& connection, const OpeningTimes& times) {
  if (ConnectAttempt* const attempt = waiters_.remove(waiter)) attempts_.release(*attempt);
  ++(connection.reused() ? context_.stats.leases_reused : context_.stats.leases_fresh);
  waiter.events().on_lease(Lease(connection), times);
}

/// Gives a connection that was just opened or returned to the first in line that it serves. At max_connections it
/// serves nobody who stands behind a waiter that it cannot serve and that waits for a place: it is closed for that one
/// instead.
bool HostPool::offer(Connection& connection, const OpeningTimes& times, TimePoint now) {
  if (waiters_.empty()) return false;
  const bool fresh = !connection.reused();
  const bool nobody_passes = !fresh && peers_->full();
  Waiter* first = nullptr;
  Waiter* barrier = nullptr;
  Fit fit_of_first = Fit::No;
  for (std::size_t each = 0; each < WaiterQueue::kClasses; ++each) {
    Waiter* const waiter = waiters_.front(each);
    if (waiter == nullptr) continue;
    const CheckoutRequirements requirements = waiter->requirements();
    const bool for_it = fresh && target_.reachable(connection, requirements.local_client);
    const Fit fit = for_it ? Fit::Trusted : idle_.fit(connection, requirements, now);
    if (fit != Fit::No && (first == nullptr || waiter->order() < first->order())) {
      first = waiter;
      fit_of_first = fit;
    }
    if (fit != Fit::No || !nobody_passes) continue;
    Waiter* const waits = waiters_.first_without_source(each);
    if (waits != nullptr && (barrier == nullptr || waits->order() < barrier->order())) barrier = waits;
  }
  if (first == nullptr || (barrier != nullptr && barrier->order() < first->order())) return false;
  connection.set_trusted(fit_of_first == Fit::Trusted);
  serve(*first, connection, times);
  return true;
}

// ---- Settling ----

/// Serves whoever can be served, in a fixed order, until nothing changes any more:
///
///   1. free places of max_connections go to the worker whose waiter has waited longest;
///   2. so do connections that have just fallen idle;
///   3. idle connections serve waiters of this worker;
///   4. waiters adopt the connects that nobody claims;
///   5. for each of the others another worker is asked for an idle connection, or one is opened;
///   6. if no more may be opened, the first in line is registered with the other workers.
///
/// That the host is not in use any more is noted after it, by settled().
void HostPool::settle(TimePoint now) {
  if (waiters_.empty()) {
    pacing_.settled();
    if (peers_->alone() && attempts_.unclaimed() == 0) return;
  }
  bool again = true;
  while (again) {
    const TimePoint ours_wait_since = waiters_.waiting_without_source_since();
    peers_->give_free_places(ours_wait_since);
    const bool fell_idle = std::exchange(life_.fell_idle, false);
    while (fell_idle && connections_.idle() > 0 && peers_->needed_elsewhere(ours_wait_since)) {
      peers_->pass_on(transfer(*connections_.newest_idle(), now));
    }
    again = serve_from_idle(now);
    again |= find_sources(now);
  }
}

/// Idle connections serve those who wait, the first in line first. True: somebody was served.
bool HostPool::serve_from_idle(TimePoint now) {
  bool served = false;
  unsigned tried = 0;  // a bit for each class that no idle connection serves
  std::uint64_t barrier = ~std::uint64_t{0};
  while (connections_.idle() > 0) {
    Waiter* first = nullptr;
    std::size_t its_class = 0;
    for (std::size_t each = 0; each < WaiterQueue::kClasses; ++each) {
      Waiter* const waiter = (tried >> each & 1U) == 0 ? waiters_.front(each) : nullptr;
      if (waiter == nullptr || (first != nullptr && first->order() < waiter->order())) continue;
      first = waiter;
      its_class = each;
    }
    if (first == nullptr || first->order() > barrier) break;
    if (Connection* const connection = take_idle(first->requirements(), now)) {
      serve(*first, *connection, {});
      served = true;
      continue;
    }
    tried |= 1U << its_class;
    Waiter* const waits = peers_->full() ? waiters_.first_without_source(its_class) : nullptr;
    if (waits != nullptr) barrier = std::min(barrier, waits->order());
  }
  return served;
}

/// Sees to it that a connection is on its way for each waiter that none of the idle ones serves. True: things have
/// changed so that it is worth beginning anew.
bool HostPool::find_sources(TimePoint now) {
  while (waiters_.awaiting_transfer() > peers_->pending_transfers()) waiters_.refuse_transfer();
  for (const bool local : {true, false}) {
    while (Waiter* const waiter = waiters_.first_without_source_of(local)) {
      ConnectAttempt* const attempt = attempts_.adoptable(local, now);
      if (attempt == nullptr) break;
      attempts_.adopt(*attempt, *waiter);
      waiters_.connecting(*waiter, *attempt);
    }
  }
  const bool pools = settings_->reuse && settings_->max_idle > 0 && !context_.draining && !life_.retired;
  if (!pools && attempts_.unclaimed() > 0) {
    for (std::uint32_t cancelled = attempts_.cancel_unclaimed(); cancelled > 0; --cancelled) peers_->place_freed();
    return true;
  }
  while (Waiter* const waiter = waiters_.first_without_source()) {
    const CheckoutRequirements requirements = waiter->requirements();
    const bool may_be_transferred = !requirements.fresh_only && !waiter->transfer_refused();
    // An answer that its waiter does not wait for any more is for the next one.
    const bool spare_answer = peers_->pending_transfers() > waiters_.awaiting_transfer();
    if (may_be_transferred && (spare_answer || peers_->ask_for_transfer(requirements, now))) {
      waiters_.await_transfer(*waiter);
      continue;
    }
    if (!pacing_.may_begin(attempts_.count(), now)) {
      waiters_.recall(*waiter, policy::ConnectPacing::kPatience, now);
      break;
    }
    const policy::Admission admission = peers_->reserve();
    if (admission == policy::Admission::Wait) {
      const std::optional<Duration> until_place = idle_.displace_bound(settings_->queue_timeout, now);
      if (until_place == Duration::zero()) return true;
      if (until_place) waiters_.recall(*waiter, *until_place, now);
      return peers_->await_place(requirements, waiters_.waiting_without_source_since());
    }
    if (admission == policy::Admission::ReplaceIdle) return close_oldest_idle(CloseReason::PoolFull, now);
    waiters_.connecting(*waiter, attempts_.start_for(*waiter, settings_->connect_timeout, now));
  }
  peers_->stop_awaiting();
  return false;
}

}  // namespace keepwarm::pool
