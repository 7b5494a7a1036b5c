#include "core/pool/lease.h"

#include "core/net/loop.h"

namespace keepwarm::pool {

void Lease::give_back(const GiveBack& how) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->owner().lease.give_back(*connection, how, net::Loop::event_time());
}

bool Lease::keep_bound(const GiveBack& how) {
  const bool kept = connection_->owner().lease.keep_bound(*connection_, how, net::Loop::event_time());
  if (!kept) connection_ = nullptr;
  return kept;
}

bool Lease::still_usable() const {
  return connection_->owner().idle.still_usable(*connection_, net::Loop::event_time());
}

void Lease::was_closed_idle(TimePoint seen_at) {
  connection_->owner().idle.was_closed_idle(*connection_, seen_at);
}

void Lease::close_connection(CloseReason reason) noexcept {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->owner().lease.close(*connection, reason, net::Loop::event_time());
}

std::unique_ptr<net::Stream> Lease::detach() {
  Connection* connection = std::exchange(connection_, nullptr);
  return connection->owner().lease.detach(*connection, net::Loop::event_time());
}

}  // namespace keepwarm::pool
