#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/ip.h"

/// What the network of this machine looks like, and what a change of it means for open connections. A laptop leaves its
/// Wi-Fi, a VPN comes up, a lease brings another address: then connections are dead, and nobody tells them. Pure.
namespace keepwarm {

/// An entry of a routing table.
struct Route {
  Cidr to;
  std::uint32_t table = 0;
  std::uint32_t metric = 0;  ///< of several for the same addresses in one table, the lowest serves
  bool own = false;          ///< `to` are addresses of this machine
  std::string way;           ///< interface, gateway and the like, in whatever form: for comparison only

  bool operator==(const Route&) const = default;
};

/// All of it at one moment.
struct NetworkState {
  std::vector<IpAddress> addresses;  ///< of this machine
  std::vector<Route> routes;
  std::vector<std::string> rules;  ///< which table serves which packets (ip-rule(8)), in whatever form
};

/// What two moments have not in common. In doubt a connection counts as affected, which costs its warmth and no more.
class NetworkChange {
 public:
  [[nodiscard]] static NetworkChange between(NetworkState before, NetworkState after);

  [[nodiscard]] bool empty() const noexcept {
    return gone_.empty() && came_.empty() && changed_.empty() && !rules_differ_;
  }
  [[nodiscard]] bool any_address_gone() const noexcept { return !gone_.empty(); }
  /// A connection from this address is dead: nothing that is sent to the address arrives any more.
  [[nodiscard]] bool address_gone(const IpAddress& own) const noexcept;
  /// Packets for `peer` may take another way than before. What lies on the way (a NAT, a firewall) then knows nothing
  /// of the connections that are open.
  [[nodiscard]] bool route_changed(const IpAddress& peer) const noexcept;
  /// Name servers may give other answers than before: this machine is in another network, or in one more.
  [[nodiscard]] bool concerns_names() const noexcept;
  [[nodiscard]] std::string text() const;  ///< for the log

 private:
  [[nodiscard]] bool served_by_other(const Route& changed, const IpAddress& peer) const noexcept;

  std::vector<IpAddress> gone_;
  std::vector<IpAddress> came_;
  std::vector<Route> changed_;  ///< that came or went
  std::vector<Route> stayed_;
  bool rules_differ_ = false;
};

}  // namespace keepwarm
