#pragma once

#include <memory>
#include <string>

#include <uv.h>

#include "core/net/loop.h"
#include "core/net/stream.h"

namespace keepwarm::net {

/// What the kernel did not take at once. Exists only while something is queued, so that a connection which keeps up, or
/// is idle, owns no buffer.
struct WriteQueue {
  uv_write_t request{};
  std::string in_flight;  ///< being written by `request`
  std::string waiting;    ///< goes next
};

/// What of a TCP connection libuv points into, and so must live until libuv's close callback: made before the
/// connection is there (connector.cpp), taken over by a TcpStream once it is.
struct TcpNode {
  explicit TcpNode(Loop& owner) noexcept : loop(&owner) {}
  uv_tcp_t handle{};
  Loop* loop;
  StreamEvents* events = nullptr;  ///< nullptr: nobody listens any more
  std::unique_ptr<WriteQueue> queue;
  std::uint32_t reading_since = 0;  ///< the turn of the loop in which reading was last resumed
  bool reading = false;
  bool ended = false;   ///< the peer's FIN was told
  bool broken = false;  ///< on_broken was told
  bool finish_when_drained = false;
};

/// A node with an initialised handle without a socket. Ends in close_tcp_node() or in a TcpStream.
[[nodiscard]] TcpNode* make_tcp_node(Loop& loop);

/// Closes the handle; the node is freed in the close callback. No event comes any more.
void close_tcp_node(TcpNode* node) noexcept;

}  // namespace keepwarm::net
