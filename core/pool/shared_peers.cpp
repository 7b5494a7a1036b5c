#include "core/pool/shared_peers.h"

#include <algorithm>
#include <utility>

#include "core/net/loop.h"

namespace keepwarm::pool {

namespace {

using namespace std::chrono_literals;

/// Where each worker has as many clients as connections, transfers would be needed all the time, and a further
/// connection costs less than the messages. So there may be kTransfersAtOnce at once, then one in each interval. At
/// max_connections no further connection can be opened, and there is no such bound.
constexpr Duration kTransferInterval = 10ms;
constexpr int kTransfersAtOnce = 64;

/// How often a worker that waits asks the others for a place of a bound connection.
constexpr Duration kDisplaceEvery = 100ms;

/// How often a worker tells the others that the host is in use.
constexpr Duration kTellOthersEvery = 1s;

}  // namespace

// ---- Taking part ----

SharedPeers::SharedPeers(PeerPool& own, IdlePeer& own_idle, PoolContext& context, const Origin& origin)
    : Peers(own, false), own_idle_(own_idle), context_(context), origin_(origin) {
  settings_changed();
}

void SharedPeers::settings_changed() {
  auto host = context_.shared->host(origin_, own_.settings());
  if (host == host_) return;
  leave();
  host_ = std::move(host);
  host_->enter(context_.worker, *this);
  host_->add(own_.open());
  host_->idle_rose(context_.worker, own_.idle());
  host_->used(used_at_);
  host_->show_expiring(context_.worker, expiring_);
}

void SharedPeers::leave() noexcept {
  if (!host_) return;
  stop_awaiting();
  host_->leave(context_.worker, *this);
  const std::uint32_t places = own_.open() + std::exchange(freed_places_, 0) + std::exchange(given_places_, 0);
  for (std::uint32_t count = places; count > 0; --count) free_place(host_, context_.worker, TimePoint::max());
  // Answers still to come go to nobody.
  pending_transfers_ = 0;
  place_requested_ = false;
  host_.reset();
}

template <typename Message>
void SharedPeers::post_to_others(Message message) {
  for (std::uint32_t worker = 0; worker < host_->workers(); ++worker) {
    if (worker == context_.worker) continue;
    context_.shared->post(worker, [host = host_, worker, message] {
      if (SharedPeers* const peers = host->peers_of(worker)) message(*peers);
    });
  }
}

// ---- Messages ----

void SharedPeers::send(const Host& host, std::uint32_t worker, TransferReply reply) {
  host->shared_pool().post(worker, [host, worker, reply = std::move(reply)]() mutable {
    if (SharedPeers* const peers = host->peers_of(worker)) return peers->receive(std::move(reply));
    // Its pool has left since: nobody is there to take anything.
    if (reply.connection) {
      const Origin& origin = host->origin();
      record_close(host->shared_pool().context(worker), host_and_port(origin.host, origin.port),
                   CloseReason::Reconfigured, {});
    }
    if (reply.connection || reply.place) free_place(host, worker, TimePoint::max());
  });
}

void SharedPeers::send_request(std::uint32_t worker, TransferRequest what, const CheckoutRequirements& requirements) {
  context_.shared->post(worker, [host = host_, worker, from = context_.worker, what, requirements] {
    if (SharedPeers* const peers = host->peers_of(worker)) return peers->serve_request(from, what, requirements);
    send(host, from, {.to = what});
  });
}

void SharedPeers::serve_request(std::uint32_t worker, TransferRequest what, const CheckoutRequirements& requirements) {
  const TimePoint now = net::Loop::event_time();
  const Host host = host_;
  const bool or_place = what == TransferRequest::ConnectionOrPlace;
  PeerPool::Gift gift = own_.give_to_peer(requirements, or_place, now);
  send(host, worker, {.to = what, .connection = std::move(gift.connection), .place = gift.place});
}

void SharedPeers::receive(TransferReply reply) {
  if (reply.to == TransferRequest::Connection && pending_transfers_ > 0) --pending_transfers_;
  if (reply.to == TransferRequest::ConnectionOrPlace) place_requested_ = false;
  if (reply.place) ++given_places_;
  own_.received_from_peer(std::move(reply.connection), net::Loop::event_time());
}

// ---- max_connections ----

policy::Admission SharedPeers::reserve() {
  if (given_places_ > 0) {
    --given_places_;
    return policy::Admission::Connect;
  }
  if (host_->reserve(own_.settings().max_connections)) return policy::Admission::Connect;
  return own_.idle() > 0 ? policy::Admission::ReplaceIdle : policy::Admission::Wait;
}

void SharedPeers::give_free_places(TimePoint older_than) {
  // Places that were given to us and not used are passed on in the same way.
  const std::uint32_t places = std::exchange(freed_places_, 0) + std::exchange(given_places_, 0);
  for (std::uint32_t count = places; count > 0; --count) free_place(host_, context_.worker, older_than);
}

/// Gives a place to the worker that has waited longest for one, if that is since before `older_than`; else nobody has
/// it.
void SharedPeers::free_place(const Host& host, std::uint32_t worker, TimePoint older_than) {
  if (const auto waiting = host->claim(worker, older_than)) {
    return send(host, *waiting, {.connection = nullptr, .place = true});
  }
  host->release();
  // Race: a worker may have begun to wait meanwhile, and have looked for a place before the release: it has to look
  // again. All such workers do, since the first may not need it any more.
  while (const auto waiting = host->claim(worker, older_than)) send(host, *waiting, {});
}

bool SharedPeers::await_place(const CheckoutRequirements& requirements, TimePoint since) {
  awaiting_ = true;
  host_->await(context_.worker, since);
  // Race: who gives something back from now on sees that we wait. What was given back before, we see.
  if (!full()) return true;
  if (place_requested_) return false;
  const auto other = host_->most_idle(context_.worker);
  if (!other) {
    ask_for_bound_places(net::Loop::event_time());
    return false;
  }
  place_requested_ = true;
  send_request(*other, TransferRequest::ConnectionOrPlace, requirements);
  return false;
}

/// Nobody has an idle connection, but some may lie idle that are bound to clients. The places of those that give way go
/// to whoever waits.
void SharedPeers::ask_for_bound_places(TimePoint now) {
  if (now < next_displacement_) return;
  next_displacement_ = now + kDisplaceEvery;
  post_to_others([asker = context_.worker](SharedPeers& peers) {
    if (!peers.host_->anybody_waits()) return;
    const TimePoint then = net::Loop::event_time();
    const auto stays = peers.own_idle_.displace_bound(peers.own_.settings().queue_timeout, then);
    if (!stays || *stays == Duration::zero()) return;
    peers.context_.shared->post(asker, [host = peers.host_, asker, due = then + *stays] {
      if (SharedPeers* const waiting = host->peers_of(asker)) waiting->ask_again_at(due);
    });
  });
}

/// At another worker one may give way from `due` on.
void SharedPeers::ask_again_at(TimePoint due) {
  due = std::max(due, next_displacement_);
  if (!armed() || this->due() > due) context_.deadlines.arm(*this, due);
}

/// A bound connection may give way now: whoever waits looks for a place again.
void SharedPeers::on_deadline(TimePoint now) {
  if (awaiting_) own_.received_from_peer(nullptr, now);
}

void SharedPeers::stop_awaiting() noexcept {
  if (std::exchange(awaiting_, false)) host_->stop_awaiting(context_.worker);
}

// ---- Idle connections ----

void SharedPeers::idle_fell() noexcept {
  if (claimed_excess_ > 0) --claimed_excess_;
  host_->idle_fell(context_.worker, own_.idle() - claimed_excess_);
}

std::uint32_t SharedPeers::excess_of_all() {
  host_->idle_rose(context_.worker, own_.idle());
  // Its own count was stored first: of two workers that do this at the same time, at least one sees both counts.
  const policy::HostSettings& settings = own_.settings();
  claimed_excess_ = host_->claim_excess(context_.worker, settings.max_idle, settings.max_connections);
  return claimed_excess_;
}

bool SharedPeers::place_awaited() const noexcept {
  return host_->anybody_waits();
}

bool SharedPeers::needed_elsewhere(TimePoint older_than) {
  if (!host_->anybody_waits()) return false;
  pass_to_ = host_->claim(context_.worker, older_than);
  return pass_to_.has_value();
}

void SharedPeers::pass_on(std::unique_ptr<TransferredConnection> connection) {
  const auto worker = std::exchange(pass_to_, std::nullopt);
  if (worker) send(host_, *worker, {.connection = std::move(connection)});
}

// ---- Connections of others ----

bool SharedPeers::ask_for_transfer(const CheckoutRequirements& requirements, TimePoint now) {
  if (requirements.fresh_only) return false;
  const policy::HostSettings& settings = own_.settings();
  if (!requirements.replayable && settings.unsafe_reuse == policy::UnsafeReuse::Never) return false;
  if (host_->idle() <= own_.idle() + pending_transfers_) return false;
  if (!full()) {
    if (next_transfer_ > now + kTransfersAtOnce * kTransferInterval) return false;
    next_transfer_ = std::max(next_transfer_, now) + kTransferInterval;
  }
  const auto other = host_->most_idle(context_.worker);
  if (!other) return false;
  ++pending_transfers_;
  send_request(*other, TransferRequest::Connection, requirements);
  return true;
}

// ---- What is told to all ----

void SharedPeers::close_idle_since(TimePoint since, Duration age) {
  for (std::uint32_t worker = 0; worker < host_->workers(); ++worker) {
    if (worker == context_.worker || host_->idle_at(worker) == 0) continue;
    context_.shared->post(worker, [host = host_, worker, since, age] {
      if (SharedPeers* const peers = host->peers_of(worker)) {
        peers->own_idle_.close_idle_since(since, age, net::Loop::event_time());
      }
    });
  }
}

void SharedPeers::report_close(const policy::IdlePeriod& period) {
  policy::IdlePeriod told = period;
  told.lapse_test = false;  // whether it was a lapse test is this worker's business
  post_to_others([told](SharedPeers& peers) { peers.own_idle_.learn_close(told); });
}

// ---- keep_warm ----

bool SharedPeers::take_prewarming(bool able) noexcept {
  if (able) return host_->claim_prewarming(context_.worker);
  host_->resign_prewarming(context_.worker);
  return false;
}

void SharedPeers::show_expiring(std::uint32_t count) noexcept {
  expiring_ = count;
  host_->show_expiring(context_.worker, count);
}

void SharedPeers::used(TimePoint now) noexcept {
  used_at_ = now;
  if (now - others_told_at_ < kTellOthersEvery) return;
  others_told_at_ = now;
  host_->used(now);
}

TimePoint SharedPeers::last_used() const noexcept {
  return std::max(used_at_, host_->last_used());
}

void SharedPeers::remind_prewarmer() {
  const auto worker = host_->prewarmer();
  if (!worker || *worker == context_.worker) return;
  context_.shared->post(*worker, [host = host_, worker = *worker] {
    if (SharedPeers* const peers = host->peers_of(worker)) peers->own_.check_warmth(net::Loop::event_time());
  });
}

}  // namespace keepwarm::pool
