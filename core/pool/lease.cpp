#include "core/pool/lease.h"

#include "core/pool/host_pool.h"

namespace keepwarm::pool {

void Lease::give_back(const GiveBack& how) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->host_.give_back(*connection, how);
}

bool Lease::keep_bound(const GiveBack& how) {
  const bool kept = connection_->host_.keep_bound(*connection_, how);
  if (!kept) connection_ = nullptr;
  return kept;
}

bool Lease::still_usable() const {
  return connection_->host_.still_usable(*connection_);
}

void Lease::was_closed_idle(TimePoint moment) {
  connection_->host_.idle_closed(*connection_, moment);
}

void Lease::close(CloseReason reason) noexcept {
  if (Connection* connection = std::exchange(connection_, nullptr)) connection->host_.close(*connection, reason);
}

std::unique_ptr<net::Stream> Lease::detach() {
  Connection* connection = std::exchange(connection_, nullptr);
  return connection->host_.detach(*connection);
}

}  // namespace keepwarm::pool
