#include "core/net/tcp_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

#include "core/net/descriptor.h"
#include "core/net/socket_calls.h"
#include "core/net/tcp_node.h"
#include "core/net/tls/tls_client.h"

namespace keepwarm::net {

namespace {

constexpr std::size_t kMaxPieces = 64;  // of one sendmsg
/// Pieces of at most this size in all are copied together: that is cheaper than a list of them for sendmsg(2).
constexpr std::size_t kCopiedPieces = 2048;
/// So much is read from one stream at most before the others have their turn, which delays them by some 1.5 ms if its
/// bytes are only passed on. With a quarter of it a bulk transfer would cost a quarter more CPU for each byte.
constexpr std::size_t kReadAtOnce = std::size_t{4} << 20U;

void report_broken(TcpNode* node, int error) {
  if (node->broken || node->events == nullptr) return;
  node->broken = true;
  node->events->on_broken(error);
}

ssize_t receive(int fd, std::span<char> to) noexcept {
  const ssize_t count = receive_bytes(fd, to.data(), to.size());
  return count < 0 ? -errno : count;
}

/// Reports what has come. The node stays until libuv's close callback, whatever its user does inside an event.
void read_ready(TcpNode* node) {
  const std::span<char> buffer = node->loop().read_buffer();
  for (std::size_t taken = 0; taken < kReadAtOnce && node->reading && node->events != nullptr;) {
    const ssize_t count = receive(node->fd(), buffer);
    if (count == -EAGAIN || count == -EINTR) return;
    if (count <= 0) {
      if (count < 0) return report_broken(node, static_cast<int>(count));
      if (node->failed_by_us) return report_broken(node, -ECONNABORTED);  // the peer has not ended
      if (node->met_reset) return report_broken(node, -ECONNRESET);
      node->ended = true;
      return node->events->on_end();
    }
    taken += static_cast<std::size_t>(count);
    node->events->on_bytes({buffer.data(), static_cast<std::size_t>(count)});
    // The kernel reports what is left again.
    if (static_cast<std::size_t>(count) < buffer.size() || Loop::share_is_spent()) return;
  }
}

/// libuv only tells us that a socket can be read; it is given no buffer to read into. Its read(2) costs a quarter of a
/// microsecond more than recv(2), and when the peer hangs up behind a short read it reports a clean end, though it may
/// have been a reset.
void on_allocate(uv_handle_t*, std::size_t, uv_buf_t* buffer) {
  *buffer = uv_buf_init(nullptr, 0);
}

/// Called with UV_ENOBUFS, since on_allocate() gave no buffer.
void on_readable(uv_stream_t* stream, ssize_t, const uv_buf_t*) {
  TcpNode* const node = TcpNode::of(stream->data);
  Loop::begin_event();
  if (node->reading && !node->ended && !node->broken) return read_ready(node);
  // Either nobody reads from it yet (watch_before_connected()). Or nothing more will come, and libuv would call this in
  // each turn. Reading is not stopped as soon as the end was read: mostly the stream is closed before there is a second
  // call, which saves a system call.
  uv_read_stop(stream);
}

std::uint16_t low_bits(std::uint32_t turn) noexcept {
  return static_cast<std::uint16_t>(turn);
}

void start_reading(TcpNode* node) noexcept {
  node->reading = true;
  node->reading_since = low_bits(node->loop().turn());
  uv_read_start(node->stream(), on_allocate, on_readable);
}

void finish_now(TcpNode* node) noexcept {
  // shutdown(2) directly: uv_shutdown() waits for a queue that is empty here, for a request and a turn of the loop
  // more.
  ::shutdown(node->fd(), SHUT_WR);
}

void write_in_flight(TcpNode* node);

void on_written(uv_write_t* request, int status) {
  Loop::begin_event();
  TcpNode* node = TcpNode::of(request->data);
  if (status == 0 && !node->queue->waiting.empty()) {
    node->queue->in_flight = std::exchange(node->queue->waiting, {});
    return write_in_flight(node);
  }
  node->queue.reset();
  if (status < 0) return report_broken(node, status);
  if (node->finish_when_drained) finish_now(node);
  if (node->events != nullptr && !node->broken) node->events->on_drained();
}

void write_in_flight(TcpNode* node) {
  WriteQueue& queue = *node->queue;
  uv_buf_t buffer = uv_buf_init(queue.in_flight.data(), static_cast<unsigned>(queue.in_flight.size()));
  queue.request.data = node;
  // Fails only for a handle without a socket or one being closed, and this is neither.
  uv_write(&queue.request, node->stream(), &buffer, 1, on_written);
}

ssize_t send_copied(int fd, std::span<const std::string_view> pieces) noexcept {
  std::array<char, kCopiedPieces> together;  // NOLINT(cppcoreguidelines-pro-type-member-init): what is set is used
  char* end = together.data();
  for (const std::string_view piece : pieces) end = std::copy(piece.begin(), piece.end(), end);
  return send_bytes(fd, together.data(), static_cast<std::size_t>(end - together.data()));
}

ssize_t send_gathered(int fd, std::span<const std::string_view> pieces) noexcept {
  std::array<iovec, kMaxPieces> vectors;  // NOLINT(cppcoreguidelines-pro-type-member-init): only what is set is used
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    vectors[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
  }
  msghdr message{};
  message.msg_iov = vectors.data();
  message.msg_iovlen = pieces.size();
  return ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/// Writes what the kernel takes at once of `pieces`, `size` bytes in all. Not through libuv, which takes longer and
/// makes a more expensive system call. Only while nothing is queued. Returns the bytes taken, or a negative errno other
/// than -EAGAIN.
ssize_t write_now(int fd, std::span<const std::string_view> pieces, std::size_t size) noexcept {
  ssize_t taken = -1;
  if (pieces.size() == 1) {
    taken = send_bytes(fd, pieces[0].data(), size);
  } else if (size <= kCopiedPieces) {
    taken = send_copied(fd, pieces);
  } else {
    taken = send_gathered(fd, pieces);
  }
  if (taken >= 0) return taken;
  return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
}

/// A write failed, which may be all that the kernel says about it. From here on nothing comes but what has come, and
/// whoever reads sees the end behind that. (Of an RST behind its FIN, EPIPE tells: that is a clean end.)
WriteResult refused(TcpNode* node, int error) noexcept {
  node->met_reset = error == -ECONNRESET;
  node->failed_by_us = error != -EPIPE && !node->met_reset;
  ::shutdown(node->fd(), SHUT_RD);
  return WriteResult::Failed;
}

/// The part of `pieces` behind the first `skip` bytes, appended to `out`.
void append_rest(std::string& out, std::span<const std::string_view> pieces, std::size_t skip) {
  for (const std::string_view piece : pieces) {
    const std::size_t gone = std::min(skip, piece.size());
    skip -= gone;
    out.append(piece.substr(gone));
  }
}

class DetachedTcp final : public DetachedStream {
 public:
  DetachedTcp(Descriptor descriptor, const SendHistory& sent) noexcept
      : descriptor_(std::move(descriptor)), sent_(sent) {}
  [[nodiscard]] std::unique_ptr<Stream> attach(TlsClient& client, std::shared_ptr<TlsTickets>) override {
    return TcpStream::adopt(client.loop(), descriptor_.release(), sent_);
  }

 private:
  Descriptor descriptor_;
  SendHistory sent_;
};

}  // namespace

std::unique_ptr<TcpStream> TcpStream::adopt(Loop& loop, int fd, StreamEvents& events) {
  auto stream = from_descriptor(make_tcp_node(loop, TcpNode::Side::Client), fd);
  if (stream) stream->set_events(events);
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::adopt(Loop& loop, int fd, const SendHistory& sent) {
  TcpNode* const node = make_tcp_node(loop, TcpNode::Side::Upstream);
  node->continue_from(sent);
  return from_descriptor(node, fd);
}

std::unique_ptr<TcpStream> TcpStream::from_descriptor(TcpNode* node, int fd) {
  if (uv_tcp_open(&node->handle, fd) != 0) {
    ::close(fd);
    close_tcp_node(node);
    return nullptr;
  }
  return from_connected(node);
}

void TcpStream::watch_before_connected(TcpNode* node) noexcept {
  uv_read_start(node->stream(), on_allocate, on_readable);
}

std::unique_ptr<TcpStream> TcpStream::from_connected(TcpNode* node) {
  return std::unique_ptr<TcpStream>(new TcpStream(node));
}

TcpStream::~TcpStream() {
  node_->events = nullptr;
  if (node_->reset_on_close) {
    const linger reset{1, 0};
    ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  }
  close_tcp_node(node_);
}

void TcpStream::set_events(StreamEvents& events) noexcept {
  node_->events = &events;
}

WriteResult TcpStream::write(std::span<const std::string_view> pieces) {
  if (node_->queue) {
    std::string& waiting = node_->queue->waiting;
    const std::size_t before = waiting.size();
    append_rest(waiting, pieces, 0);
    node_->count_written(waiting.size() - before);
    return WriteResult::Queued;
  }
  while (!pieces.empty()) {
    const auto now = pieces.first(std::min(pieces.size(), kMaxPieces));
    std::size_t offered = 0;
    for (const std::string_view piece : now) offered += piece.size();
    const ssize_t written = write_now(fd(), now, offered);
    if (written < 0) return refused(node_, static_cast<int>(written));
    const auto taken = static_cast<std::size_t>(written);
    node_->count_written(taken);
    if (taken < offered) {
      node_->queue = std::make_unique<WriteQueue>();
      append_rest(node_->queue->in_flight, pieces, taken);
      node_->count_written(node_->queue->in_flight.size());
      write_in_flight(node_);
      return WriteResult::Queued;
    }
    pieces = pieces.subspan(now.size());
  }
  return WriteResult::Done;
}

std::size_t TcpStream::queued_bytes() const noexcept {
  return node_->queue ? uv_stream_get_write_queue_size(node_->stream()) + node_->queue->waiting.size() : 0;
}

std::size_t TcpStream::unacknowledged_bytes() const noexcept {
  int in_kernel = 0;
  ::ioctl(fd(), SIOCOUTQ, &in_kernel);
  return queued_bytes() + static_cast<std::size_t>(std::max(in_kernel, 0));
}

void TcpStream::pause_reading() noexcept {
  if (!node_->reading) return;
  node_->reading = false;
  uv_read_stop(node_->stream());
}

void TcpStream::resume_reading() noexcept {
  if (node_->reading || node_->ended || node_->broken) return;
  start_reading(node_);
}

void TcpStream::finish_writing() noexcept {
  if (!node_->queue) return finish_now(node_);
  node_->finish_when_drained = true;
}

void TcpStream::reset_on_close() noexcept {
  node_->reset_on_close = true;
}

bool TcpStream::check_idle_alive() noexcept {
  char byte = 0;
  const ssize_t got = ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool TcpStream::check_idle_alive_cached(TimePoint since) noexcept {
  // What was resumed in this turn may not be among what the loop polls yet.
  const bool polled =
      node_->reading && !node_->ended && !node_->broken && node_->reading_since != low_bits(node_->loop().turn());
  return (polled && node_->loop().input_of(fd(), since) == Loop::Input::None) || check_idle_alive();
}

ssize_t TcpStream::read_now(std::span<char> to) noexcept {
  return receive(fd(), to);
}

TcpPath& TcpStream::path() noexcept {
  return *node_;
}

SendHistory TcpStream::sent() const noexcept {
  return node_->sent();
}

std::unique_ptr<DetachedStream> TcpStream::detach() {
  if (node_->queue || node_->ended || node_->broken) return nullptr;
  // A duplicate, since libuv closes its own: it cannot be made to give up a descriptor without closing it.
  Descriptor descriptor = Descriptor::duplicate_of(fd());
  if (!descriptor) return nullptr;
  return std::make_unique<DetachedTcp>(std::move(descriptor), node_->sent());
}

int TcpStream::fd() const noexcept {
  return node_->fd();
}

}  // namespace keepwarm::net
