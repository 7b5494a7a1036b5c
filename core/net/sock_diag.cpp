#include "core/net/sock_diag.h"

#include <cerrno>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/net/netlink.h"

namespace keepwarm::net {

namespace {

/// The interface over which a machine speaks with itself, whatever address it uses (LOOPBACK_IFINDEX of the kernel). It
/// is named in each question, or a socket that is bound to it (`curl --interface lo`) is not found.
constexpr std::uint32_t kLoopbackInterface = 1;
constexpr std::uint8_t kClosedToReading = 1;  // RCV_SHUTDOWN of the kernel
constexpr std::size_t kMaxAnswer = 512;

struct DiagRequest {
  nlmsghdr header;
  inet_diag_req_v2 socket;
};
static_assert(sizeof(DiagRequest) == sizeof(SockDiagQuestion));

void put_address(const SocketAddress& address, __be32 (&bytes)[4], __be16& port) noexcept {
  if (address.family() == AF_INET6) {
    const auto* const v6 = reinterpret_cast<const sockaddr_in6*>(address.get());
    std::memcpy(bytes, &v6->sin6_addr, sizeof v6->sin6_addr);
    port = v6->sin6_port;
  } else {
    const auto* const v4 = reinterpret_cast<const sockaddr_in*>(address.get());
    std::memcpy(bytes, &v4->sin_addr, sizeof v4->sin_addr);
    port = v4->sin_port;
  }
}

std::uint32_t interface_of(const SocketAddress& address) noexcept {
  if (address.family() != AF_INET6) return kLoopbackInterface;
  const std::uint32_t scope = reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_scope_id;
  return scope != 0 ? scope : kLoopbackInterface;
}

OtherEnd unknown_by_error(int error) noexcept {
  const bool passes = error == EAGAIN || error == ENOBUFS || error == ENOMEM || error == EMFILE || error == ENFILE;
  return {.presence = passes ? PeerPresence::NotAnswered : PeerPresence::Unknown};
}

/// Which directions of the socket are shut down, from the attributes behind an answer.
std::uint8_t shut_down_in(std::string_view attributes) noexcept {
  for (NetlinkPart<rtattr> attribute; take_part(attributes, attribute);) {
    if (attribute.header.rta_type == INET_DIAG_SHUTDOWN && !attribute.payload.empty()) {
      return static_cast<std::uint8_t>(attribute.payload.front());
    }
  }
  return 0;
}

}  // namespace

SockDiagQuestion sock_diag_question(const SocketAddress& own, const SocketAddress& peer,
                                    std::uint32_t number) noexcept {
  DiagRequest request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_seq = number;
  request.socket.sdiag_family = static_cast<std::uint8_t>(own.family());
  request.socket.sdiag_protocol = IPPROTO_TCP;
  request.socket.idiag_states = ~0U;
  inet_diag_sockid& id = request.socket.id;
  put_address(own, id.idiag_src, id.idiag_sport);
  put_address(peer, id.idiag_dst, id.idiag_dport);
  id.idiag_if = interface_of(own);
  id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  SockDiagQuestion bytes{};
  std::memcpy(bytes.data(), &request, sizeof request);
  return bytes;
}

std::optional<OtherEnd> read_sock_diag_answer(std::string_view answer, const SockDiagQuestion& question) noexcept {
  DiagRequest asked{};
  std::memcpy(&asked, question.data(), sizeof asked);
  nlmsghdr header{};
  if (!take_struct(answer, header) || header.nlmsg_seq != asked.header.nlmsg_seq) return std::nullopt;
  if (header.nlmsg_type == NLMSG_ERROR) {
    int error = 0;
    return take_struct(answer, error) ? unknown_by_error(-error) : OtherEnd();
  }
  inet_diag_msg socket{};
  if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY || !take_struct(answer, socket)) return OtherEnd();
  // If there is no such connection, the kernel names a listener at its own address.
  if (socket.idiag_state == TCP_LISTEN || socket.id.idiag_dport != asked.socket.id.idiag_dport) {
    return OtherEnd();
  }
  const bool is_read = (shut_down_in(answer) & kClosedToReading) == 0;
  if (socket.idiag_inode == 0 || !is_read) return OtherEnd{.presence = PeerPresence::Gone};
  return OtherEnd{.presence = PeerPresence::Present, .uid = socket.idiag_uid};
}

int SockDiag::open() noexcept {
  socket_ = Descriptor(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_SOCK_DIAG));
  return socket_ ? 0 : errno;
}

OtherEnd SockDiag::find(const SocketAddress& own, const SocketAddress& peer) noexcept {
  const int error = socket_ ? 0 : open();
  if (error != 0) return unknown_by_error(error);
  const SockDiagQuestion question = sock_diag_question(own, peer, ++number_);
  const ssize_t sent = ::send(socket_.get(), question.data(), question.size(), MSG_DONTWAIT);
  return sent < 0 ? unknown_by_error(errno) : read_answer(question);
}

OtherEnd SockDiag::read_answer(const SockDiagQuestion& question) noexcept {
  std::array<char, kMaxAnswer> buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): what is set is used
  while (true) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return unknown_by_error(errno);
    const auto other = read_sock_diag_answer({buffer.data(), static_cast<std::size_t>(size)}, question);
    if (other) return *other;
  }
}

}  // namespace keepwarm::net
