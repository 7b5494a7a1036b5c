#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/base/deadline_wheel.h"
#include "core/base/intrusive_list.h"
#include "core/pool/bound_holder.h"
#include "core/pool/connection.h"

/// All open connections of one pool key.
namespace keepwarm::pool {

/// Owns the connections, and keeps the idle ones as a stack: the one returned last is the first to serve, the rest
/// lapse. The only place that changes the state of a connection. Each operation takes the same time however many there
/// are. Owned by a HostPool.
class ConnectionSet {
 public:
  /// `deadlines`, and whom `owner` names, must outlive the set.
  ConnectionSet(DeadlineWheel& deadlines, const Connection::Owner& owner) noexcept
      : deadlines_(deadlines), owner_(owner) {}

  [[nodiscard]] std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(all_.size()); }
  [[nodiscard]] std::uint32_t idle() const noexcept { return idle_count_; }
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
  /// In no order. Valid until one is added or removed.
  [[nodiscard]] const std::vector<std::unique_ptr<Connection>>& all() const noexcept { return all_; }

  /// One that has just been opened. It is leased.
  Connection& add(std::unique_ptr<net::Stream> stream, const net::SocketAddress& address, TimePoint now);
  /// One that lay idle at another worker until now, with what is known of it. It is leased.
  Connection& add_transferred(std::unique_ptr<net::Stream> stream, const net::SocketAddress& address,
                              const policy::ConnectionFacts& facts, TimePoint now);
  /// Takes it out, whatever its state.
  [[nodiscard]] std::unique_ptr<Connection> remove(Connection& connection) noexcept;

  /// Puts a leased one on top of the idle ones: it listens to its stream, until its time is over at `due`.
  void make_idle(Connection& connection, TimePoint due, TimePoint now) noexcept;
  /// Takes an idle one for an exchange.
  void lease(Connection& connection, TimePoint now) noexcept;
  /// Sets the end of an idle one's time anew.
  void hold_until(Connection& connection, TimePoint due) { deadlines_.arm(connection, due); }

  // The idle ones, from the one returned last to the one returned first; nullptr: there is none (any more).
  [[nodiscard]] Connection* newest_idle() noexcept { return idle_.front(); }
  [[nodiscard]] Connection* oldest_idle() noexcept { return idle_.back(); }
  [[nodiscard]] Connection* next_older(Connection& connection) noexcept { return idle_.next(connection); }
  [[nodiscard]] Connection* next_newer(Connection& connection) noexcept { return idle_.previous(connection); }

  /// Of the connections that are bound to a client and lie idle: another one, the newest.
  void hold_bound(BoundHolder& holder, TimePoint now) noexcept {
    holder.held_since = now;
    bound_[holder.authenticated ? 1 : 0].push_back(holder);
  }
  /// The one idle longest on which credentials were sent, or on which none were; nullptr: there is none.
  [[nodiscard]] BoundHolder* oldest_bound(bool authenticated) noexcept { return bound_[authenticated ? 1 : 0].front(); }

  /// Calls `visit` with each idle connection, the oldest first. It may close the one that it is called with, and no
  /// other.
  template <typename Visit>
  void for_each_idle(Visit visit) {
    for (Connection* connection = idle_.back(); connection != nullptr;) {
      Connection* const newer = idle_.previous(*connection);
      visit(*connection);
      connection = newer;
    }
  }
  /// The oldest idle one for which `matches` says so; nullptr: none.
  template <typename Predicate>
  [[nodiscard]] Connection* find_idle(Predicate matches) {
    Connection* connection = idle_.back();
    while (connection != nullptr && !matches(*connection)) connection = idle_.previous(*connection);
    return connection;
  }

  /// The oldest idle one of those that have been idle since then or longer; nullptr: none.
  [[nodiscard]] Connection* find_idle_since(TimePoint since) noexcept;

 private:
  using IdleList = IntrusiveList<Connection, Connection>;

  Connection& add(std::unique_ptr<Connection> connection);

  DeadlineWheel& deadlines_;
  Connection::Owner owner_;
  std::vector<std::unique_ptr<Connection>> all_;  ///< each knows its own index
  IdleList idle_;                                 ///< front: returned last
  /// Without credentials, and with; front: idle longest.
  std::array<IntrusiveList<BoundHolder, BoundHolder>, 2> bound_;
  std::uint32_t idle_count_ = 0;
  /// The longest idle age that any idle one had when it joined them: more than 0 if its client read slowly.
  Duration longest_before_{};
};

}  // namespace keepwarm::pool
