#include "core/net/tcp_node.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "core/net/socket_calls.h"
#include "core/net/tcp_facts.h"

namespace keepwarm::net {

namespace {

// See TcpPath::enable_keepalive().
constexpr int kKeepaliveAfter = 15;    // seconds
constexpr int kKeepaliveInterval = 4;  // seconds
constexpr int kKeepaliveCount = 3;

/// A socket that is not TCP lacks some of the options. It is left as it is then.
/// Samples TCP_INFO, and keeps the smallest round trip of all samples.
std::optional<TcpFacts> sample(TcpNode& node) noexcept {
  const auto facts = tcp_facts(node.fd());
  if (facts && facts->min_rtt_us > 0) {
    node.min_rtt_us = node.min_rtt_us == 0 ? facts->min_rtt_us : std::min(node.min_rtt_us, facts->min_rtt_us);
  }
  return facts;
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

void TcpNode::enable_keepalive() noexcept {
  set_option(fd(), IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveAfter);
  set_option(fd(), IPPROTO_TCP, TCP_KEEPINTVL, kKeepaliveInterval);
  set_option(fd(), IPPROTO_TCP, TCP_KEEPCNT, kKeepaliveCount);
  set_option(fd(), SOL_SOCKET, SO_KEEPALIVE, 1);
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
