#include "core/net/dns/address_order.h"

#include <array>
#include <cstdint>
#include <sys/socket.h>
#include <unistd.h>

namespace keepwarm::net {
namespace {

/// RFC 4007 §5 with the numbers of RFC 4291 §2.7: of link, of site, of the world.
enum class Scope : std::uint8_t { Link = 2, Site = 5, Global = 14 };

Scope scope_of(const IpAddress& ip) noexcept {
  if (ip.is_loopback() || ip.is_link_local()) return Scope::Link;
  const bool site_local = !ip.is_v4() && ip.bytes()[0] == 0xFE && (ip.bytes()[1] & 0xC0) == 0xC0;
  return site_local ? Scope::Site : Scope::Global;
}

/// A row of the table in RFC 6724 §2.1.
struct Policy {
  std::array<std::uint8_t, 4> prefix;
  unsigned bits;
  unsigned precedence;
  unsigned label;
};
constexpr Policy kLoopback{{}, 128, 50, 0};
constexpr Policy kV4{{}, 96, 35, 4};
constexpr Policy kWorld{{}, 0, 40, 1};
constexpr std::array<Policy, 5> kPrefixes = {{{{0x20, 0x01, 0x00, 0x00}, 32, 5, 5},
                                              {{0x20, 0x02}, 16, 30, 2},
                                              {{0xFC}, 7, 3, 13},
                                              {{0xFE, 0xC0}, 10, 1, 11},
                                              {{0x3F, 0xFE}, 16, 1, 12}}};

const Policy& policy_of(const IpAddress& ip) noexcept {
  if (ip.is_v4()) return kV4;
  if (ip.is_loopback()) return kLoopback;
  for (const Policy& policy : kPrefixes) {
    bool same = true;
    for (unsigned bit = 0; bit < policy.bits; ++bit) {
      const auto mask = static_cast<std::uint8_t>(0x80U >> (bit % 8));
      same = same && ((policy.prefix[bit / 8] ^ ip.bytes()[bit / 8]) & mask) == 0;
    }
    if (same) return policy;
  }
  return kWorld;
}

/// Where we would come from to this address: connecting a UDP socket sends nothing.
std::optional<IpAddress> source_for(SocketAddress destination) noexcept {
  destination.set_port(9);  // any but 0
  const int fd = ::socket(destination.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  std::optional<IpAddress> source;
  if (::connect(fd, destination.get(), destination.size()) == 0) {
    sockaddr_storage name{};
    socklen_t size = sizeof name;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0) {
      if (const auto address = SocketAddress::from(reinterpret_cast<const sockaddr*>(&name))) source = address->ip();
    }
  }
  ::close(fd);
  return source;
}

}  // namespace

bool prefers_v6(const Path& v6, const Path& v4) noexcept {
  if (!v6.source || !v4.source) return v6.source.has_value();  // rule 1
  const auto scope_fits = [](const Path& path) { return scope_of(path.destination) == scope_of(*path.source); };
  if (scope_fits(v6) != scope_fits(v4)) return scope_fits(v6);  // rule 2
  const auto label_fits = [](const Path& path) {
    return policy_of(path.destination).label == policy_of(*path.source).label;
  };
  if (label_fits(v6) != label_fits(v4)) return label_fits(v6);  // rule 5
  const unsigned precedence6 = policy_of(v6.destination).precedence;
  const unsigned precedence4 = policy_of(v4.destination).precedence;
  if (precedence6 != precedence4) return precedence6 > precedence4;  // rule 6
  return scope_of(v6.destination) <= scope_of(v4.destination);       // rule 8
}

bool comes_first_anyway(const SocketAddress& v6) noexcept {
  const IpAddress best(std::array<std::uint8_t, 4>{192, 0, 2, 1});  // a global one, and a way to it
  return prefers_v6({*v6.ip(), source_for(v6)}, {best, best});
}

std::vector<SocketAddress> in_preferred_order(const std::vector<SocketAddress>& v6,
                                              const std::vector<SocketAddress>& v4) {
  bool v6_first = true;
  if (!v6.empty() && !v4.empty()) {
    v6_first = prefers_v6({*v6.front().ip(), source_for(v6.front())}, {*v4.front().ip(), source_for(v4.front())});
  }
  std::vector<SocketAddress> ordered = v6_first ? v6 : v4;
  const std::vector<SocketAddress>& rest = v6_first ? v4 : v6;
  ordered.insert(ordered.end(), rest.begin(), rest.end());
  return ordered;
}

}  // namespace keepwarm::net
