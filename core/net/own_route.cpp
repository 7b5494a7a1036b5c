#include "core/net/own_route.h"

#include <array>
#include <cstring>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <string_view>
#include <sys/socket.h>

#include "core/net/descriptor.h"
#include "core/net/netlink.h"

namespace keepwarm::net {

namespace {

constexpr std::uint32_t kQuestion = 1;  // its number

/// RTM_GETROUTE for one destination; the kernel says what it would do with a packet to it.
struct RouteQuestion {
  nlmsghdr header;
  rtmsg route;
  rtattr attribute;
  std::array<unsigned char, sizeof(in6_addr)> destination;
};

RouteQuestion question_of(const SocketAddress& address) noexcept {
  RouteQuestion question{};
  const bool v6 = address.family() == AF_INET6;
  const std::size_t size = v6 ? sizeof(in6_addr) : sizeof(in_addr);
  if (v6) {
    std::memcpy(question.destination.data(), &reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr, size);
  } else {
    std::memcpy(question.destination.data(), &reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr, size);
  }
  question.attribute.rta_type = RTA_DST;
  question.attribute.rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  question.route.rtm_family = static_cast<unsigned char>(address.family());
  question.route.rtm_dst_len = static_cast<unsigned char>(8 * size);
  question.header.nlmsg_type = RTM_GETROUTE;
  question.header.nlmsg_flags = NLM_F_REQUEST;
  question.header.nlmsg_seq = kQuestion;
  question.header.nlmsg_len = static_cast<std::uint32_t>(offsetof(RouteQuestion, destination) + size);
  return question;
}

/// nullopt: it is not the answer, which may follow.
std::optional<bool> read_route_answer(std::string_view datagram) noexcept {
  NetlinkPart<nlmsghdr> message;
  if (!take_part(datagram, message) || message.header.nlmsg_seq != kQuestion) return std::nullopt;
  rtmsg route{};
  // An error is an answer, too: nothing leads there.
  if (message.header.nlmsg_type != RTM_NEWROUTE || !take_struct(message.payload, route)) return false;
  return route.rtm_type == RTN_LOCAL || route.rtm_type == RTN_ANYCAST;
}

}  // namespace

std::optional<bool> leads_to_this_machine(const SocketAddress& address) noexcept {
  if (address.family() != AF_INET && address.family() != AF_INET6) return false;
  const Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  const RouteQuestion question = question_of(address);
  if (!socket || ::send(socket.get(), &question, question.header.nlmsg_len, MSG_DONTWAIT) < 0) return std::nullopt;
  std::array<char, 4096> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): what is set is used
  while (true) {
    sockaddr_nl sender{};
    socklen_t size = sizeof sender;
    const ssize_t count = ::recvfrom(socket.get(), buffer.data(), buffer.size(), MSG_DONTWAIT,
                                     reinterpret_cast<sockaddr*>(&sender), &size);
    if (count < 0) return std::nullopt;
    if (sender.nl_pid != 0) continue;  // anybody on the machine may send one
    if (const auto own = read_route_answer({buffer.data(), static_cast<std::size_t>(count)})) return own;
  }
}

}  // namespace keepwarm::net
