#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <uv.h>

#include "core/base/result.h"
#include "core/net/endpoint.h"
#include "core/net/loop.h"
#include "core/net/timer.h"
#include "core/net/unix_socket.h"

namespace keepwarm::net {

/// What a listener reports to its user.
class AcceptEvents {
 public:
  /// A connection came: a non-blocking socket. If it is TCP, it has inherited TCP_NODELAY, and keepalive unless it
  /// listens at a loopback address; else `peer` is SocketAddress::unix_socket(). The callee owns `fd`.
  virtual void on_accepted(int fd, const SocketAddress& peer) = 0;

 protected:
  ~AcceptEvents() = default;
};

/// Why a listener could not be opened: "127.0.0.1:3128: Address already in use".
struct ListenFailure {
  int error = 0;  ///< errno
  std::string message;
  Endpoint endpoint = SocketAddress();  ///< the one asked for
};

/// A listening socket, TCP or unix, watched with uv_poll and accepted from with accept4() until EAGAIN. Not
/// uv_listen(): the reserve descriptor by which libuv 1.44 survives EMFILE can be lost to another thread, and then its
/// accept loop never returns.
///
/// When descriptors run out, or `has_capacity` says that too few are left for upstream connections, it stops watching
/// and tries again every kRetryAfter, so that a full daemon does not spin.
class Listener {
 public:
  static constexpr Duration kRetryAfter = std::chrono::milliseconds(100);
  static constexpr int kBacklog = 4096;  // the kernel takes the smaller of it and net.core.somaxconn

  /// `has_capacity`: asked before each accept; false pauses accepting until the next retry. References must outlive it.
  /// A unix socket at whose path nobody listens any more is replaced. The file that is made is open to everybody, and
  /// goes when the listener does.
  [[nodiscard]] static Result<std::unique_ptr<Listener>, ListenFailure> open(Loop& loop, const Endpoint& endpoint,
                                                                             AcceptEvents& events,
                                                                             std::function<bool()> has_capacity);
  /// Takes over a socket that listens already (systemd's LISTEN_FDS). The file of a unix socket then is not ours, and
  /// stays.
  [[nodiscard]] static Result<std::unique_ptr<Listener>, ListenFailure> adopt(Loop& loop, int fd, AcceptEvents& events,
                                                                              std::function<bool()> has_capacity);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// What it is bound to; with port 0 asked for, the port that the kernel chose.
  [[nodiscard]] const Endpoint& endpoint() const noexcept { return endpoint_; }

  /// Descriptors were freed: accepting goes on at once if it had paused for want of them.
  void capacity_returned();

  /// Before it is closed for good: accepts what the kernel has already queued, without waiting, so that nobody who was
  /// connected is reset. The path of a unix socket is gone from then on.
  void accept_last();

 private:
  Listener(Loop& loop, int fd, SocketFile file, AcceptEvents& events, std::function<bool()> has_capacity);
  [[nodiscard]] static Result<std::unique_ptr<Listener>, ListenFailure> watch(Loop& loop, int fd, SocketFile file,
                                                                              AcceptEvents& events,
                                                                              std::function<bool()> has_capacity);
  void set_inherited_options();
  void start_watching();
  void accept_pending(int max_count);
  void pause();

  struct Node;  // uv_poll_t and the descriptor; freed in libuv's close callback
  Node* node_;
  AcceptEvents& events_;
  std::function<bool()> has_capacity_;
  Endpoint endpoint_;
  SocketFile file_;
  bool paused_ = false;
  Timer retry_;
};

}  // namespace keepwarm::net
