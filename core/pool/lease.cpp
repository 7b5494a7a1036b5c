#include "core/pool/lease.h"

#include "core/pool/host_pool.h"

namespace keepwarm::pool {

void Lease::give_back(const GiveBack& how) {
  Connection* connection = std::exchange(connection_, nullptr);
  connection->host_.give_back(*connection, how);
}

void Lease::close(CloseReason reason) noexcept {
  if (Connection* connection = std::exchange(connection_, nullptr)) connection->host_.close(*connection, reason);
}

std::unique_ptr<net::Stream> Lease::detach() {
  Connection* connection = std::exchange(connection_, nullptr);
  return connection->host_.detach(*connection);
}

}  // namespace keepwarm::pool
