#include "core/net/dns/channel.h"

#include <ares.h>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

namespace keepwarm::net {
namespace {

/// Of a TCP channel: a server may close the connection just when the next question goes out.
constexpr int kTcpTries = 2;

}  // namespace

/// c-ares' own functions lose a question when a socket's buffer is full, which a burst of names can bring about, and
/// take the refusal of one datagram for that of the next. And they know no scope of an IPv6 address.
struct Channel::Sockets {
  static ares_socket_t open(int family, int type, int protocol, void*) {
    const int fd = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    const int yes = 1;
    if (fd >= 0 && type == SOCK_STREAM) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
  }
  static int close(ares_socket_t fd, void*) { return ::close(fd); }
  static int connect(ares_socket_t fd, const sockaddr*, ares_socklen_t, void* channel) {
    const SocketAddress& server = static_cast<Channel*>(channel)->server_;
    return ::connect(fd, server.get(), server.size());
  }
  static ares_ssize_t receive(ares_socket_t fd, void* data, std::size_t size, int flags, sockaddr* from,
                              ares_socklen_t* from_size, void* channel) {
    auto& self = *static_cast<Channel*>(channel);
    if (self.way_ == Way::Udp && self.under_way_ == 0 && self.answers_read_ > 0) {
      errno = EAGAIN;  // c-ares reads until there is nothing left; all that was asked for is here
      return -1;
    }
    ++self.answers_read_;
    return ::recvfrom(fd, data, size, flags, from, from_size);
  }
  static ares_ssize_t send(ares_socket_t fd, const iovec* parts, int count, void* argument) {
    const bool datagram = static_cast<Channel*>(argument)->way_ == Way::Udp;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(parts);
    message.msg_iovlen = static_cast<std::size_t>(count);
    ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (!datagram || sent >= 0) return sent;
    // An earlier datagram was refused, and this one has not been sent. Its own refusal is read from the socket, which
    // ends both.
    if (errno == ECONNREFUSED) sent = ::sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent >= 0 || (errno != EAGAIN && errno != ENOBUFS && errno != ECONNREFUSED)) return sent;
    std::size_t size = 0;  // as if it had been lost on its way
    for (int i = 0; i < count; ++i) size += parts[i].iov_len;
    return static_cast<ares_ssize_t>(size);
  }
  static constexpr ares_socket_functions kFunctions{open, close, connect, receive, send};
};

Channel::Channel(Loop& loop, const SocketAddress& server, Way way)
    : loop_(loop), server_(server), way_(way), opened_at_(Loop::now()) {
  ares_options options{};
  // Every answer is ours to judge, a truncated one included. A UDP socket stays open between questions.
  options.flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_IGNTC;
  options.flags |= way == Way::Udp ? ARES_FLAG_STAYOPEN : ARES_FLAG_USEVC;
  options.timeout = static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(kPatience).count());
  options.tries = way == Way::Udp ? 1 : kTcpTries;
  options.ndots = 1;
  std::string lookups = "b";
  options.lookups = lookups.data();
  in_addr nobody{};  // the server follows: with its port, perhaps IPv6
  options.servers = &nobody;
  options.nservers = 1;
  options.sock_state_cb = [](void* channel, int fd, int readable, int writable) {
    static_cast<Channel*>(channel)->watch(fd, readable != 0, writable != 0);
  };
  options.sock_state_cb_data = this;
  // All that c-ares would else read in the system's files and the environment.
  int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
              ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE;
#ifdef ARES_OPT_QUERY_CACHE
  given |= ARES_OPT_QUERY_CACHE;  // of no size: answers are kept by the resolver
#endif
  if (ares_init_options(&ares_, &options, given) != ARES_SUCCESS) {
    ares_ = nullptr;
    return;
  }
  ares_set_socket_functions(ares_, &Sockets::kFunctions, this);
  ares_addr_port_node node{};
  node.family = server.family();
  node.udp_port = node.tcp_port = server.port();
  const auto ip = server.ip();
  assert(ip);
  std::memcpy(&node.addr, ip->bytes().data(), ip->bytes().size());
  if (ares_set_servers_ports(ares_, &node) != ARES_SUCCESS) {
    ares_destroy(ares_);
    ares_ = nullptr;
  }
}

Channel::~Channel() {
  if (ares_ != nullptr) ares_destroy(ares_);  // ends all questions, and closes the sockets
  for (auto& [fd, poll] : polls_) close_poll(poll);
}

void Channel::send(std::string_view message, OnMessage on_message, void* argument) {
  ++asked_;
  ++under_way_;
  ares_send(ares_, reinterpret_cast<const unsigned char*>(message.data()), static_cast<int>(message.size()), on_message,
            argument);
}

void Channel::end_late() {
  ares_process_fd(ares_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

void Channel::watch(int fd, bool readable, bool writable) {
  const auto found = polls_.find(fd);
  if (!readable && !writable) {
    if (found == polls_.end()) return;
    close_poll(found->second);  // before c-ares closes the socket
    polls_.erase(found);
    return;
  }
  uv_poll_t* poll = found == polls_.end() ? nullptr : found->second;
  if (poll == nullptr) {
    poll = new uv_poll_t;
    if (uv_poll_init(&loop_.uv(), poll, fd) != 0) {
      delete poll;
      return;  // the question will be unanswered
    }
    poll->data = this;
    uv_unref(reinterpret_cast<uv_handle_t*>(poll));
    polls_.emplace(fd, poll);
  }
  uv_poll_start(poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_ready);
}

void Channel::close_poll(uv_poll_t* poll) {
  uv_close(reinterpret_cast<uv_handle_t*>(poll), [](uv_handle_t* h) { delete reinterpret_cast<uv_poll_t*>(h); });
}

void Channel::on_ready(uv_poll_t* poll, int status, int events) {
  Loop::begin_event();
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<uv_handle_t*>(poll), &fd);
  // An error is found by c-ares when it reads.
  const bool readable = status != 0 || (events & UV_READABLE) != 0;
  const bool writable = status == 0 && (events & UV_WRITABLE) != 0;
  auto& channel = *static_cast<Channel*>(poll->data);
  channel.answers_read_ = 0;
  ares_process_fd(channel.ares_, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
  const auto found = channel.polls_.find(fd);
  if (status == 0 || found == channel.polls_.end() || found->second != poll) return;
  uv_poll_start(poll, UV_READABLE, on_ready);  // libuv has stopped it, and yet c-ares has not closed the socket
}

}  // namespace keepwarm::net
