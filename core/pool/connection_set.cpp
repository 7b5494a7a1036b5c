#include "core/pool/connection_set.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace keepwarm::pool {

Connection& ConnectionSet::add(std::unique_ptr<net::Stream> stream, const net::SocketAddress& address, TimePoint now) {
  const policy::ConnectionFacts facts{.opened_at = now, .idle_since = now};
  return add(std::make_unique<Connection>(owner_, std::move(stream), address, facts));
}

Connection& ConnectionSet::add_transferred(std::unique_ptr<net::Stream> stream, const net::SocketAddress& address,
                                           const policy::ConnectionFacts& facts, TimePoint now) {
  Connection& added = add(std::make_unique<Connection>(owner_, std::move(stream), address, facts));
  added.sample_round_trip(now);
  added.waited_ = true;
  added.lease_age_ = now - facts.returned_at;
  return added;
}

Connection& ConnectionSet::add(std::unique_ptr<Connection> connection) {
  Connection& added = *connection;
  added.index_ = size();
  all_.push_back(std::move(connection));
  return added;
}

std::unique_ptr<Connection> ConnectionSet::remove(Connection& connection) noexcept {
  if (connection.state_ == Connection::State::Idle) {
    IdleList::remove(connection);
    --idle_count_;
  }
  const std::uint32_t index = connection.index_;
  std::unique_ptr<Connection> owned = std::move(all_[index]);
  if (index + 1 < all_.size()) {
    all_[index] = std::move(all_.back());
    all_[index]->index_ = index;
  }
  all_.pop_back();
  return owned;
}

void ConnectionSet::make_idle(Connection& connection, TimePoint due, TimePoint now) noexcept {
  assert(connection.state_ == Connection::State::Leased);
  connection.state_ = Connection::State::Idle;
  connection.waited_ = true;
  connection.facts.returned_at = now;
  if (idle_.empty()) longest_before_ = {};
  longest_before_ = std::max(longest_before_, now - connection.facts.idle_since);
  idle_.push_front(connection);
  ++idle_count_;
  deadlines_.arm(connection, due);
}

void ConnectionSet::lease(Connection& connection, TimePoint now) noexcept {
  assert(connection.state_ == Connection::State::Idle);
  IdleList::remove(connection);
  --idle_count_;
  DeadlineWheel::disarm(connection);
  connection.state_ = Connection::State::Leased;
  connection.lease_age_ = now - connection.facts.returned_at;
}

/// The idle ones are in the order in which they joined, so the search ends at the first one that joined too late to
/// have been idle since then; those behind it joined later still.
Connection* ConnectionSet::find_idle_since(TimePoint since) noexcept {
  Connection* connection = idle_.back();
  while (connection != nullptr && connection->facts.returned_at - longest_before_ <= since) {
    if (connection->idle_since() <= since) return connection;
    connection = idle_.previous(*connection);
  }
  return nullptr;
}

}  // namespace keepwarm::pool
