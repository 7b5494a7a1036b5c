#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/ip.h"
#include "core/net/address.h"
#include "core/net/connector.h"

/// Which addresses a client must not reach through the proxy.
namespace keepwarm::proxy {

/// What must not be connected to, checked on the resolved address (core/doc/design.md §5 "itself", §9).
struct DestinationRules {
  std::vector<net::SocketAddress> listeners;  ///< our own; an unspecified address stands for every local one
  std::vector<std::string> unix_listeners{};  ///< paths of our own, lexically normal
  std::vector<Cidr> denied;                   ///< deny_destinations
  bool denied_is_explicit = false;            ///< then nothing but `denied` is refused to clients that are not local
};

/// The filter for one kind of client: local ones (loopback, unix socket) may reach loopback, others may not.
class DestinationFilter final : public net::AddressFilter {
 public:
  DestinationFilter(const DestinationRules& rules, bool local_client) noexcept
      : rules_(rules), local_client_(local_client) {}

  [[nodiscard]] Verdict verdict(const net::SocketAddress& address) const override;
  /// By name, and by inode, since links give one socket several paths.
  [[nodiscard]] bool is_own_unix_path(std::string_view path) const override;

 private:
  [[nodiscard]] bool is_ourselves(const net::SocketAddress& address) const;
  [[nodiscard]] bool is_machine_local(const net::SocketAddress& address) const;

  const DestinationRules& rules_;
  bool local_client_;
};

}  // namespace keepwarm::proxy
