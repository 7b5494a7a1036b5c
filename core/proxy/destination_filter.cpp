#include "core/proxy/destination_filter.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sys/stat.h>
#include <utility>

#include "core/net/own_route.h"

namespace keepwarm::proxy {

namespace {

/// An address of this machine: what 0.0.0.0 and :: reach on Linux, too. Asked for rarely (a wildcard listener's port,
/// or a client that is not local), so the kernel is asked anew each time: interfaces and routes come and go.
bool is_own_address(const net::SocketAddress& address) {
  if (address.is_loopback() || address.is_unspecified()) return true;
  const std::vector<net::SocketAddress> own = net::local_addresses();
  const auto is_it = [&address](const net::SocketAddress& each) { return each.same_host(address); };
  if (std::any_of(own.begin(), own.end(), is_it)) return true;
  // If it cannot be known now (out of descriptors, say), better refuse than let through.
  return own.empty() || net::leads_to_this_machine(address).value_or(true);
}

/// Device and inode; nullopt: nothing is there.
std::optional<std::pair<dev_t, ino_t>> identity_of(const std::string& path) noexcept {
  struct stat there {};
  if (::stat(path.c_str(), &there) != 0) return std::nullopt;
  return std::pair(there.st_dev, there.st_ino);
}

}  // namespace

net::AddressFilter::Verdict DestinationFilter::verdict(const net::SocketAddress& address) const {
  if (is_ourselves(address)) return Verdict::Ourselves;
  if (address.in_any(rules_.denied)) return Verdict::Denied;
  if (!local_client_ && !rules_.denied_is_explicit && is_machine_local(address)) return Verdict::Denied;
  return Verdict::Allowed;
}

bool DestinationFilter::is_own_unix_path(std::string_view path) const {
  if (rules_.unix_listeners.empty()) return false;
  const std::string normal = std::filesystem::path(path).lexically_normal().string();
  const auto identity = identity_of(normal);
  const auto is_it = [&](const std::string& own) {
    return own == normal || (identity && identity_of(own) == identity);
  };
  return std::any_of(rules_.unix_listeners.begin(), rules_.unix_listeners.end(), is_it);
}

bool DestinationFilter::is_ourselves(const net::SocketAddress& address) const {
  return std::any_of(rules_.listeners.begin(), rules_.listeners.end(), [&address](const net::SocketAddress& listener) {
    if (listener.port() != address.port()) return false;
    if (listener.is_unspecified()) return is_own_address(address);
    // 0.0.0.0 and :: connect to the loopback address of their family.
    return listener.same_host(address) || (address.is_unspecified() && listener.is_loopback());
  });
}

bool DestinationFilter::is_machine_local(const net::SocketAddress& address) const {
  return address.is_link_local() || is_own_address(address);
}

}  // namespace keepwarm::proxy
