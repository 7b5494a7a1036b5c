#include "core/net/route_messages.h"

#include <array>
#include <cstring>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <optional>
#include <sys/socket.h>

#include "core/net/netlink.h"

namespace keepwarm::net {

namespace {

using Attribute = NetlinkPart<rtattr>;

std::uint16_t kind_of(const Attribute& attribute) noexcept {
  constexpr unsigned kFlags = NLA_F_NESTED | NLA_F_NET_BYTEORDER;
  return static_cast<std::uint16_t>(attribute.header.rta_type & ~kFlags);
}

template <std::size_t kSize>
std::optional<IpAddress> address_of(std::string_view bytes) noexcept {
  std::array<std::uint8_t, kSize> to;  // NOLINT(cppcoreguidelines-pro-type-member-init): set whole
  if (bytes.size() != kSize) return std::nullopt;
  std::memcpy(to.data(), bytes.data(), kSize);
  return IpAddress(to);
}

std::optional<IpAddress> address_of(int family, std::string_view bytes) noexcept {
  if (family == AF_INET) return address_of<4>(bytes);
  return family == AF_INET6 ? address_of<16>(bytes) : std::nullopt;
}

/// The address of "anything": what a route without a destination is for.
std::optional<IpAddress> any_address(int family) noexcept {
  if (family == AF_INET) return IpAddress(std::array<std::uint8_t, 4>{});
  return family == AF_INET6 ? std::optional(IpAddress(std::array<std::uint8_t, 16>{})) : std::nullopt;
}

std::uint32_t number_in(std::string_view bytes) noexcept {
  std::uint32_t number = 0;
  return take_struct(bytes, number) ? number : 0;
}

void add_address(NetworkState& state, std::string_view payload) {
  ifaddrmsg header{};
  if (!take_struct(payload, header)) return;
  std::optional<IpAddress> address;
  for (Attribute attribute; take_part(payload, attribute);) {
    const std::uint16_t kind = kind_of(attribute);
    // Of a link from point to point, IFA_ADDRESS is the other end.
    if (kind == IFA_LOCAL || (kind == IFA_ADDRESS && !address))
      address = address_of(header.ifa_family, attribute.payload);
  }
  if (address) state.addresses.push_back(*address);
}

bool leads_packets(const rtmsg& route) noexcept {
  if ((route.rtm_flags & RTM_F_CLONED) != 0) return false;  // what the kernel has noted of one destination
  return route.rtm_type != RTN_BROADCAST && route.rtm_type != RTN_ANYCAST && route.rtm_type != RTN_MULTICAST;
}

/// What says where packets go. Not among it is what changes by itself, as the time that is left does (RTA_CACHEINFO).
bool tells_way(std::uint16_t kind) noexcept {
  switch (kind) {
    case RTA_OIF:
    case RTA_GATEWAY:
    case RTA_VIA:
    case RTA_PREFSRC:
    case RTA_MULTIPATH:
    case RTA_ENCAP:
    case RTA_NH_ID: return true;
    default: return false;
  }
}

void add_route(NetworkState& state, std::string_view payload) {
  rtmsg header{};
  if (!take_struct(payload, header) || !leads_packets(header)) return;
  Route route;
  route.table = header.rtm_table;
  route.own = header.rtm_type == RTN_LOCAL;
  std::optional<IpAddress> to = any_address(header.rtm_family);
  route.way += static_cast<char>(header.rtm_type);
  for (Attribute attribute; take_part(payload, attribute);) {
    const std::uint16_t kind = kind_of(attribute);
    if (kind == RTA_DST) to = address_of(header.rtm_family, attribute.payload);
    if (kind == RTA_TABLE) route.table = number_in(attribute.payload);
    if (kind == RTA_PRIORITY) route.metric = number_in(attribute.payload);
    if (tells_way(kind)) route.way.append(1, static_cast<char>(kind)).append(attribute.payload);
  }
  if (!to || header.rtm_dst_len > to->bits()) return;
  route.to = {*to, header.rtm_dst_len};
  state.routes.push_back(std::move(route));
}

/// An interface that goes down takes its routes along, and the kernel does not name those of IPv4.
bool link_is_down(std::string_view payload) noexcept {
  ifinfomsg header{};
  return take_struct(payload, header) && (header.ifi_flags & IFF_UP) == 0;
}

}  // namespace

bool tells_of_change(std::uint16_t type, std::string_view payload) noexcept {
  switch (type) {
    case RTM_NEWADDR:
    case RTM_DELADDR:
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
    case RTM_NEWRULE:
    case RTM_DELRULE:
    case RTM_DELLINK: return true;
    case RTM_NEWLINK: return link_is_down(payload);
    default: return false;
  }
}

void add_to_state(NetworkState& state, std::uint16_t type, std::string_view payload) {
  switch (type) {
    case RTM_NEWADDR: return add_address(state, payload);
    case RTM_NEWROUTE: return add_route(state, payload);
    case RTM_NEWRULE: state.rules.emplace_back(payload); return;
    default: return;
  }
}

}  // namespace keepwarm::net
