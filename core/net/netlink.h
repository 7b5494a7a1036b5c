#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <linux/netlink.h>
#include <string_view>

/// Messages of netlink(7), as they are read: nothing in them need be aligned, and no length in them is believed.
/// Private to core/net.
namespace keepwarm::net {

/// Takes a struct off the front of `bytes`. False: they are too few.
template <typename Struct>
[[nodiscard]] bool take_struct(std::string_view& bytes, Struct& to) noexcept {
  if (bytes.size() < sizeof to) return false;
  std::memcpy(&to, bytes.data(), sizeof to);
  bytes.remove_prefix(sizeof to);
  return true;
}

/// A header with what belongs to it: a message in a datagram, or an attribute in a message.
template <typename Header>
struct NetlinkPart {
  Header header{};
  std::string_view payload{};
};

/// Takes a header and its payload off the front of `bytes`, with the padding behind it. False: nothing is left that is
/// whole.
template <typename Header>
[[nodiscard]] bool take_part(std::string_view& bytes, NetlinkPart<Header>& part) noexcept {
  std::string_view rest = bytes;
  if (!take_struct(rest, part.header)) return false;
  std::size_t size = 0;
  if constexpr (requires { part.header.nlmsg_len; }) {
    size = part.header.nlmsg_len;
  } else {
    size = part.header.rta_len;
  }
  if (size < sizeof(Header) || size > bytes.size()) return false;
  part.payload = bytes.substr(sizeof(Header), size - sizeof(Header));
  bytes.remove_prefix(std::min(bytes.size(), (size + NLMSG_ALIGNTO - 1) / NLMSG_ALIGNTO * NLMSG_ALIGNTO));
  return true;
}

}  // namespace keepwarm::net
