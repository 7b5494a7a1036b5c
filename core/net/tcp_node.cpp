#include "core/net/tcp_node.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "core/net/address.h"
#include "core/net/sock_diag.h"
#include "core/net/socket_calls.h"
#include "core/net/tcp_facts.h"

namespace keepwarm::net {

namespace {

/// Samples TCP_INFO, and keeps the smallest round trip of all samples.
std::optional<TcpFacts> sample(TcpNode& node) noexcept {
  const auto facts = tcp_facts(node.fd());
  if (facts && facts->min_rtt_us > 0) {
    node.min_rtt_us = node.min_rtt_us == 0 ? facts->min_rtt_us : std::min(node.min_rtt_us, facts->min_rtt_us);
  }
  return facts;
}

using NameCall = int(int, sockaddr*, socklen_t*);

/// getsockname(2) or getpeername(2); nullopt: the socket has no such address any more.
std::optional<SocketAddress> address_by(NameCall& call, int fd) noexcept {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  return call(fd, address, &size) == 0 ? SocketAddress::from(address) : std::nullopt;
}

}  // namespace

RoundTrip TcpNode::round_trip() noexcept {
  const auto facts = sample(*this);
  return facts ? RoundTrip{facts->rtt_us, facts->rtt_variation_us} : RoundTrip{};
}

std::optional<SendState> TcpNode::send_state() noexcept {
  const auto facts = sample(*this);
  if (!facts) return std::nullopt;
  // The kernel counts our SYN as a byte, which is subtracted. (A client's connection has no SYN of ours, but nobody
  // asks about those.)
  return SendState{.acknowledged = facts->bytes_acked - std::min<std::uint64_t>(facts->bytes_acked, 1),
                   .peer_ended = ended,
                   .min_round_trip = std::chrono::microseconds(min_rtt_us),
                   .round_trip = {facts->rtt_us, facts->rtt_variation_us},
                   .taken_at = Loop::now()};
}

PeerState TcpNode::peer_state() noexcept {
  pollfd socket{fd(), POLLRDHUP, 0};
  if (::poll(&socket, 1, 0) < 0) return {.ended = ended, .presence = PeerPresence::NotAnswered};
  // A unix socket whose peer was closed, or TCP that was reset. (Both would show it, too, if we had ended our own
  // direction.)
  if ((socket.revents & (POLLHUP | POLLERR)) != 0) return {.ended = true, .presence = PeerPresence::Gone};
  PeerState state{.ended = ended || (socket.revents & POLLRDHUP) != 0};
  if (!state.ended && reading) return {.ended = false, .presence = PeerPresence::Heard};
  // An end behind bytes that nobody reads may still be held back by the peer's kernel.
  const auto own = address_by(::getsockname, fd());
  const auto peer = address_by(::getpeername, fd());
  if (own && own->family() == AF_UNIX) {
    state.presence = PeerPresence::Present;
  } else {
    state.presence = own && peer ? loop().sock_diag().find(*peer, *own).presence : PeerPresence::Gone;
  }
  return state;
}

std::optional<IpAddress> TcpNode::local_address() const noexcept {
  const auto own = address_by(::getsockname, fd());
  return own ? own->ip() : std::nullopt;
}

std::optional<Endpoint> TcpNode::accepted_at() const {
  return Endpoint::bound_to(fd());
}

std::optional<std::uint32_t> TcpNode::peer_uid() noexcept {
  const auto own = address_by(::getsockname, fd());
  if (!own) return std::nullopt;
  if (own->family() == AF_UNIX) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
    return peer.uid;
  }
  const auto peer = address_by(::getpeername, fd());
  const OtherEnd other = peer ? loop().sock_diag().find(*peer, *own) : OtherEnd();
  return other.presence == PeerPresence::Present ? std::optional(other.uid) : std::nullopt;
}

void TcpNode::enable_keepalive() noexcept {
  set_keepalive(fd());
}

void TcpNode::limit_unacknowledged(Duration limit) noexcept {
  using Milliseconds = std::chrono::duration<std::int64_t, std::milli>;
  const auto milliseconds = std::chrono::ceil<Milliseconds>(limit).count();
  set_option(fd(), IPPROTO_TCP, TCP_USER_TIMEOUT,
             static_cast<int>(std::min<std::int64_t>(milliseconds, std::numeric_limits<int>::max())));
}

void TcpNode::acknowledge_now() noexcept {
  set_option(fd(), IPPROTO_TCP, TCP_QUICKACK, 1);
}

void TcpNode::continue_from(const SendHistory& sent) noexcept {
  written_ = sent.written;
  min_rtt_us = sent.min_rtt_us;
}

TcpNode* make_tcp_node(Loop& loop, TcpNode::Side side) {
  auto* node = new (side) TcpNode;
  uv_tcp_init(&loop.uv(), &node->handle);
  node->handle.data = node;
  return node;
}

void close_tcp_node(TcpNode* node) noexcept {
  node->events = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&node->handle),
           [](uv_handle_t* handle) { delete TcpNode::of(handle->data); });
}

}  // namespace keepwarm::net
