#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <uv.h>

#include "core/base/slab.h"
#include "core/net/loop.h"
#include "core/net/send_history.h"
#include "core/net/stream.h"
#include "core/net/tcp_path.h"

namespace keepwarm::net {

/// What the kernel did not take at once. Exists only while something is queued, so that a connection which keeps up, or
/// is idle, owns no buffer.
struct WriteQueue {
  uv_write_t request{};
  std::string in_flight;  ///< being written by `request`
  std::string waiting;    ///< goes next
};

/// The part of a TCP connection that libuv points into, and that therefore lives until libuv's close callback: it is
/// made before the connection is there (connector.cpp), and taken over by a TcpStream once it is. It is also the
/// TcpPath of that stream. Private to core/net.
struct TcpNode final : TcpPath {
  /// Who connected. Nodes of the two sides lie in slabs of their own: clients that stay do not hold the memory of
  /// upstream connections that have gone, nor the other way round.
  enum class Side : std::uint8_t { Client, Upstream };

  static void* operator new(std::size_t, Side side) {
    return side == Side::Client ? allocate_in_slab<TcpNode, struct OfClient>() : allocate_in_slab<TcpNode>();
  }
  static void operator delete(void* node) noexcept { free_in_slab(node); }
  static void operator delete(void* node, Side) noexcept { free_in_slab(node); }

  [[nodiscard]] static TcpNode* of(void* data) noexcept { return static_cast<TcpNode*>(data); }
  [[nodiscard]] Loop& loop() const noexcept { return Loop::of(*handle.loop); }
  /// -1: it has no socket yet. uv_fileno() says the same, at a cost of 25 instructions, and is asked three times in
  /// each exchange; what it reads is part of libuv's ABI.
  [[nodiscard]] int fd() const noexcept { return handle.io_watcher.fd; }
  [[nodiscard]] uv_stream_t* stream() noexcept { return reinterpret_cast<uv_stream_t*>(&handle); }

  [[nodiscard]] RoundTrip round_trip() noexcept override;
  [[nodiscard]] std::optional<SendState> send_state() noexcept override;
  [[nodiscard]] PeerState peer_state() noexcept override;
  [[nodiscard]] std::optional<IpAddress> local_address() const noexcept override;
  [[nodiscard]] std::optional<Endpoint> accepted_at() const override;
  [[nodiscard]] std::optional<std::uint32_t> peer_uid() noexcept override;
  void enable_keepalive() noexcept override;
  void limit_unacknowledged(Duration limit) noexcept override;
  void acknowledge_now() noexcept override;

  void count_written(std::size_t bytes) noexcept { written_ += bytes; }
  [[nodiscard]] SendHistory sent() const noexcept { return {written_, min_rtt_us}; }
  void continue_from(const SendHistory& sent) noexcept;

  // There is one node for each connection, so the small members come first, where they fill a gap.
  std::uint32_t min_rtt_us = 0;  ///< SendHistory
  /// The low bits of the loop's turn in which reading was last resumed. If an old turn looks like this one, the one
  /// consequence is a system call more (TcpStream::check_idle_alive_cached()).
  std::uint16_t reading_since = 0;
  bool reading : 1 = false;
  bool ended : 1 = false;   ///< the peer's FIN was reported
  bool broken : 1 = false;  ///< on_broken() was reported
  bool finish_when_drained : 1 = false;
  bool reset_on_close : 1 = false;
  bool failed_by_us : 1 = false;  ///< a write failed for a reason that is not the peer's end
  bool met_reset : 1 = false;     ///< a write failed by the peer's RST, of which reading is not told any more
  uv_tcp_t handle{};
  StreamEvents* events = nullptr;  ///< nullptr: nobody listens any more
  std::unique_ptr<WriteQueue> queue;
};

/// A node whose handle is initialised and has no socket yet. The caller passes it to close_tcp_node() or to a
/// TcpStream.
[[nodiscard]] TcpNode* make_tcp_node(Loop& loop, TcpNode::Side side);

/// Closes the handle; the node is freed in the close callback. No event comes any more.
void close_tcp_node(TcpNode* node) noexcept;

}  // namespace keepwarm::net
