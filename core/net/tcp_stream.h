#pragma once

#include <cstdint>
#include <memory>

#include <uv.h>

#include "core/base/result.h"
#include "core/base/slab.h"
#include "core/net/loop.h"
#include "core/net/send_history.h"
#include "core/net/stream.h"

namespace keepwarm::net {

struct TcpNode;

/// A plain connection over uv_tcp_t: TCP, or a unix socket, which libuv treats alike once it is open. A unix socket has
/// no round trip and no acknowledgements; and it has no reset, so that the other side sees a clean end where TCP would
/// show a cut. The libuv handle and what a write under way needs live in a node that libuv's close callback frees, so
/// destroying the stream inside one of its own events is safe.
class TcpStream final : public Stream, public Slabbed<TcpStream> {
 public:
  /// Takes over the connected stream socket `fd` of a client; on failure closes it and returns nullptr. Reading begins
  /// with the first resume_reading().
  [[nodiscard]] static std::unique_ptr<TcpStream> adopt(Loop& loop, int fd, StreamEvents& events);
  /// Takes over the socket of an upstream connection, which has sent `sent` so far. Its events are to be set before
  /// resume_reading().
  [[nodiscard]] static std::unique_ptr<TcpStream> adopt(Loop& loop, int fd, const SendHistory& sent = {});
  /// For a node whose uv_tcp_connect() has begun: libuv then has to do with epoll once less than when it is first asked
  /// to read from it after the connect. Nothing is read before resume_reading().
  static void watch_before_connected(TcpNode* node) noexcept;
  /// Takes over the node of a uv_tcp_t that has just been connected. Events are to be set before resume_reading().
  [[nodiscard]] static std::unique_ptr<TcpStream> from_connected(TcpNode* node);

  ~TcpStream() override;
  TcpStream(const TcpStream&) = delete;
  TcpStream& operator=(const TcpStream&) = delete;

  void set_events(StreamEvents& events) noexcept override;
  [[nodiscard]] WriteResult write(std::span<const std::string_view> pieces) override;
  [[nodiscard]] std::size_t queued_bytes() const noexcept override;
  [[nodiscard]] std::size_t unacknowledged_bytes() const noexcept override;
  void pause_reading() noexcept override;
  void resume_reading() noexcept override;
  void finish_writing() noexcept override;
  void reset_on_close() noexcept override;
  [[nodiscard]] bool check_idle_alive() noexcept override;
  [[nodiscard]] bool check_idle_alive_cached(TimePoint since) noexcept override;
  [[nodiscard]] TcpPath& path() noexcept override;
  [[nodiscard]] std::unique_ptr<DetachedStream> detach() override;

  /// Reads at once, past libuv and without an event, what has arrived: its size, 0 at the end, or a negative errno;
  /// -EAGAIN: nothing has. For a user that has to know inside another's event.
  [[nodiscard]] ssize_t read_now(std::span<char> to) noexcept;

  [[nodiscard]] SendHistory sent() const noexcept;
  [[nodiscard]] int fd() const noexcept;

 private:
  explicit TcpStream(TcpNode* node) noexcept : node_(node) {}
  [[nodiscard]] static std::unique_ptr<TcpStream> from_descriptor(TcpNode* node, int fd);

  TcpNode* node_;  // freed in libuv's close callback, after the destructor
};

}  // namespace keepwarm::net
