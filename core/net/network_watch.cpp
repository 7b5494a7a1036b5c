#include "core/net/network_watch.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/rtnetlink.h>
#include <memory>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include <uv.h>

#include "core/net/descriptor.h"
#include "core/net/netlink.h"
#include "core/net/route_messages.h"

namespace keepwarm::net {

namespace {

using Message = NetlinkPart<nlmsghdr>;

/// Tables that cannot be read are tried again after kReadEach, and at longer and longer intervals up to this.
constexpr Duration kRetryEach = std::chrono::minutes(1);

/// Of a datagram: the kernel makes those of a dump no larger (NLMSG_GOODSIZE, or 32 KiB if the reader has room).
using Buffer = std::array<char, std::size_t{32} * 1024>;

constexpr std::uint32_t group(rtnetlink_groups number) noexcept {
  return std::uint32_t{1} << (number - 1);
}
constexpr std::uint32_t kGroups = group(RTNLGRP_LINK) | group(RTNLGRP_IPV4_IFADDR) | group(RTNLGRP_IPV6_IFADDR) |
                                  group(RTNLGRP_IPV4_ROUTE) | group(RTNLGRP_IPV6_ROUTE) | group(RTNLGRP_IPV4_RULE) |
                                  group(RTNLGRP_IPV6_RULE);

Descriptor open_socket(std::uint32_t groups) noexcept {
  Descriptor socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  sockaddr_nl own{};
  own.nl_family = AF_NETLINK;
  own.nl_groups = groups;
  if (!socket || ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) != 0) return {};
  return socket;
}

/// The next datagram, if it is of the kernel; anybody on the machine may send one. Empty: another's. nullopt: none is
/// there, and errno says why; ENOBUFS: some of it, or others before it, are lost.
std::optional<std::string_view> receive(int fd, Buffer& buffer) noexcept {
  sockaddr_nl sender{};
  socklen_t size = sizeof sender;
  const ssize_t received = ::recvfrom(fd, buffer.data(), buffer.size(), MSG_DONTWAIT | MSG_TRUNC,
                                      reinterpret_cast<sockaddr*>(&sender), &size);
  if (received < 0) return std::nullopt;
  if (sender.nl_pid != 0) return std::string_view();
  if (static_cast<std::size_t>(received) > buffer.size()) {
    errno = ENOBUFS;
    return std::nullopt;
  }
  return std::string_view(buffer.data(), static_cast<std::size_t>(received));
}

bool ask_for(int fd, std::uint16_t type) noexcept {
  struct {
    nlmsghdr header;
    rtmsg body;  // of the three kinds of question the longest; all begin with the family, which may be any
  } question{};
  question.header.nlmsg_len = sizeof question;
  question.header.nlmsg_type = type;
  question.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  question.header.nlmsg_seq = type;
  return ::send(fd, &question, sizeof question, MSG_DONTWAIT) == static_cast<ssize_t>(sizeof question);
}

enum class Dump : std::uint8_t { Whole, Changed, Failed };

/// One table. The kernel answers within the calls, so nothing waits.
Dump read_table(int fd, std::uint16_t type, NetworkState& state) {
  if (!ask_for(fd, type)) return Dump::Failed;
  auto buffer = std::make_unique<Buffer>();
  bool changed = false;
  while (const auto datagram = receive(fd, *buffer)) {
    std::string_view rest = *datagram;
    for (Message message; take_part(rest, message);) {
      changed |= (message.header.nlmsg_flags & NLM_F_DUMP_INTR) != 0;
      if (message.header.nlmsg_type == NLMSG_ERROR) return Dump::Failed;
      if (message.header.nlmsg_type == NLMSG_DONE) return changed ? Dump::Changed : Dump::Whole;
      add_to_state(state, message.header.nlmsg_type, message.payload);
    }
    if (state.routes.size() > NetworkWatch::kMaxRoutes) return Dump::Whole;
  }
  return Dump::Failed;
}

/// nullopt: they cannot be read now, or changed meanwhile.
std::optional<NetworkState> read_tables() {
  const Descriptor socket = open_socket(0);
  if (!socket) return std::nullopt;
  NetworkState state;
  if (read_table(socket.get(), RTM_GETADDR, state) != Dump::Whole) return std::nullopt;
  if (read_table(socket.get(), RTM_GETRULE, state) == Dump::Changed) return std::nullopt;  // some kernels have none
  if (read_table(socket.get(), RTM_GETROUTE, state) != Dump::Whole) return std::nullopt;
  if (state.routes.size() > NetworkWatch::kMaxRoutes) state.routes.clear();
  return state;
}

/// Takes all messages that have come. True: one of them tells of a change, or some were lost.
bool drain(int fd) {
  Buffer buffer;  // NOLINT(cppcoreguidelines-pro-type-member-init): what is set is used
  bool changed = false;
  while (true) {
    const auto datagram = receive(fd, buffer);
    if (!datagram && errno == ENOBUFS) {
      changed = true;
      continue;
    }
    if (!datagram) return changed;
    std::string_view rest = *datagram;
    for (Message message; take_part(rest, message);) {
      changed |= tells_of_change(message.header.nlmsg_type, message.payload);
    }
  }
}

}  // namespace

struct NetworkWatch::Node {
  void listen() noexcept {
    uv_poll_start(&handle, UV_READABLE, [](uv_poll_t* poll, int status, int) {
      Loop::begin_event();
      Node& node = *static_cast<Node*>(poll->data);
      if (node.watch == nullptr) return;
      if (status != 0) node.listen();  // messages were lost: libuv takes that for the socket's end, and has stopped
      node.watch->on_messages();
    });
  }

  uv_poll_t handle{};
  Descriptor socket;
  NetworkWatch* watch = nullptr;
};

NetworkWatch::NetworkWatch(Loop& loop, Events events)
    : events_(std::move(events)), timer_(loop, [this] { read_again(); }) {
  Descriptor socket = open_socket(kGroups);
  if (!socket) return;
  auto node = std::make_unique<Node>();
  if (uv_poll_init(&loop.uv(), &node->handle, socket.get()) != 0) return;
  node->handle.data = node.get();
  node->socket = std::move(socket);
  node->watch = this;
  node_ = node.release();
  node_->listen();
  uv_unref(reinterpret_cast<uv_handle_t*>(&node_->handle));  // it is nothing that a loop would have to wait for
  read_again();
}

NetworkWatch::~NetworkWatch() {
  if (node_ == nullptr) return;
  node_->watch = nullptr;
  uv_poll_stop(&node_->handle);
  uv_close(reinterpret_cast<uv_handle_t*>(&node_->handle),
           [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
}

void NetworkWatch::on_messages() {
  if (!drain(node_->socket.get()) || due_) return;
  const Duration too_early = reads_paid_until_ - Loop::event_time() - (kBurst - 1) * kReadEach;
  if (too_early <= Duration::zero()) return read_again();
  set_uncertain(true);
  read_later(too_early);
}

void NetworkWatch::set_uncertain(bool uncertain) {
  if (std::exchange(uncertain_, uncertain) != uncertain) events_.on_uncertain(uncertain);
}

void NetworkWatch::read_later(Duration after) {
  due_ = true;
  timer_.arm(after);
}

void NetworkWatch::read_again() {
  due_ = false;
  set_uncertain(false);  // also if it fails: a system that does not let us read would never be certain again
  reads_paid_until_ = std::max(reads_paid_until_, Loop::event_time()) + kReadEach;
  std::optional<NetworkState> after = read_tables();
  if (!after) return read_later(std::exchange(retry_after_, std::min(2 * retry_after_, kRetryEach)));
  retry_after_ = kReadEach;
  std::optional<NetworkState> before = std::exchange(state_, std::move(after));
  if (!before) return;
  const NetworkChange change = NetworkChange::between(std::move(*before), *state_);
  if (!change.empty()) events_.on_change(change);
}

}  // namespace keepwarm::net
