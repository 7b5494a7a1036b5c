#include "core/net/tcp_stream.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "core/net/tcp_node.h"

namespace keepwarm::net {

namespace {

constexpr std::size_t kMaxPieces = 64;  // of one writev

TcpNode* node_of(void* data) noexcept {
  return static_cast<TcpNode*>(data);
}
uv_stream_t* stream_of(TcpNode* node) noexcept {
  return reinterpret_cast<uv_stream_t*>(&node->handle);
}

void tell_broken(TcpNode* node, int error) {
  if (node->broken || node->events == nullptr) return;
  node->broken = true;
  node->events->on_broken(error);
}

/// libuv 1.44 takes a hang-up behind a short read for an end of the stream and does not read again, so that a reset
/// which came along with the last bytes would look like a clean FIN. 0, or the negative errno of the failure.
int error_behind_end(TcpNode* node) noexcept {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<uv_handle_t*>(&node->handle), &fd);
  char byte = 0;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && errno != EAGAIN && errno != EWOULDBLOCK ? -errno : 0;
}

void on_allocate(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  const auto memory = node_of(handle->data)->loop->read_buffer();
  *buffer = uv_buf_init(memory.data(), static_cast<unsigned>(memory.size()));
}

void on_read(uv_stream_t* stream, ssize_t count, const uv_buf_t* buffer) {
  TcpNode* node = node_of(stream->data);
  if (node->events == nullptr || count == 0) return;
  if (count > 0) return node->events->on_bytes({buffer->base, static_cast<std::size_t>(count)});
  const int error = count == UV_EOF ? error_behind_end(node) : static_cast<int>(count);
  if (error == 0) {
    node->ended = true;
    return node->events->on_end();
  }
  // libuv goes on watching a stream whose read failed; this one is over.
  uv_read_stop(stream);
  tell_broken(node, error);
}

int start_reading(TcpNode* node) noexcept {
  node->reading = true;
  return uv_read_start(stream_of(node), on_allocate, on_read);
}

void finish_now(TcpNode* node) noexcept {
  // shutdown(2) directly: uv_shutdown() waits for a queue that is empty here, for a request and a turn of the loop
  // more.
  uv_os_fd_t fd = -1;
  if (uv_fileno(reinterpret_cast<uv_handle_t*>(&node->handle), &fd) == 0) ::shutdown(fd, SHUT_WR);
}

void write_in_flight(TcpNode* node);

void on_written(uv_write_t* request, int status) {
  TcpNode* node = node_of(request->data);
  if (status == 0 && !node->queue->waiting.empty()) {
    node->queue->in_flight = std::exchange(node->queue->waiting, {});
    return write_in_flight(node);
  }
  node->queue.reset();
  if (status < 0) return tell_broken(node, status);
  if (node->finish_when_drained) finish_now(node);
  if (node->events != nullptr && !node->broken) node->events->on_drained();
}

void write_in_flight(TcpNode* node) {
  WriteQueue& queue = *node->queue;
  uv_buf_t buffer = uv_buf_init(queue.in_flight.data(), static_cast<unsigned>(queue.in_flight.size()));
  queue.request.data = node;
  // Fails only for a handle without a socket or one being closed, and this is neither.
  uv_write(&queue.request, stream_of(node), &buffer, 1, on_written);
}

/// The part of `pieces` behind the first `skip` bytes, appended to `out`.
void append_rest(std::string& out, std::span<const std::string_view> pieces, std::size_t skip) {
  for (const std::string_view piece : pieces) {
    const std::size_t gone = std::min(skip, piece.size());
    skip -= gone;
    out.append(piece.substr(gone));
  }
}

}  // namespace

TcpNode* make_tcp_node(Loop& loop) {
  auto* node = new TcpNode(loop);
  uv_tcp_init(&loop.uv(), &node->handle);
  node->handle.data = node;
  return node;
}

void close_tcp_node(TcpNode* node) noexcept {
  node->events = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&node->handle), [](uv_handle_t* handle) { delete node_of(handle->data); });
}

std::unique_ptr<TcpStream> TcpStream::adopt(Loop& loop, int fd, StreamEvents& events) {
  TcpNode* node = make_tcp_node(loop);
  if (uv_tcp_open(&node->handle, fd) != 0) {
    ::close(fd);
    close_tcp_node(node);
    return nullptr;
  }
  auto stream = from_connected(node);
  stream->set_events(events);
  return stream;
}

std::unique_ptr<TcpStream> TcpStream::from_connected(TcpNode* node) {
  return std::unique_ptr<TcpStream>(new TcpStream(node));
}

TcpStream::~TcpStream() {
  node_->events = nullptr;
  if (reset_) {
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
    append_rest(node_->queue->waiting, pieces, 0);
    return WriteResult::Queued;
  }
  std::array<uv_buf_t, kMaxPieces> buffers;  // NOLINT(cppcoreguidelines-pro-type-member-init): only what is set is used
  while (!pieces.empty()) {
    const std::size_t count = std::min(pieces.size(), kMaxPieces);
    std::size_t offered = 0;
    for (std::size_t i = 0; i < count; ++i) {
      buffers[i] = uv_buf_init(const_cast<char*>(pieces[i].data()), static_cast<unsigned>(pieces[i].size()));
      offered += pieces[i].size();
    }
    const int written = uv_try_write(stream_of(node_), buffers.data(), static_cast<unsigned>(count));
    if (written < 0 && written != UV_EAGAIN) return WriteResult::Failed;
    const auto taken = static_cast<std::size_t>(std::max(written, 0));
    if (taken < offered) {
      node_->queue = std::make_unique<WriteQueue>();
      append_rest(node_->queue->in_flight, pieces, taken);
      write_in_flight(node_);
      return WriteResult::Queued;
    }
    pieces = pieces.subspan(count);
  }
  return WriteResult::Done;
}

std::size_t TcpStream::queued_bytes() const noexcept {
  return node_->queue ? uv_stream_get_write_queue_size(stream_of(node_)) + node_->queue->waiting.size() : 0;
}

std::size_t TcpStream::unacknowledged_bytes() const noexcept {
  int in_kernel = 0;
  ::ioctl(fd(), SIOCOUTQ, &in_kernel);
  return queued_bytes() + static_cast<std::size_t>(std::max(in_kernel, 0));
}

void TcpStream::pause_reading() noexcept {
  if (!node_->reading) return;
  node_->reading = false;
  uv_read_stop(stream_of(node_));
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
  reset_ = true;
}

bool TcpStream::quiet() noexcept {
  char byte = 0;
  const ssize_t got = ::recv(fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

ssize_t TcpStream::read_now(std::span<char> to) noexcept {
  const ssize_t count = ::recv(fd(), to.data(), to.size(), MSG_DONTWAIT);
  return count < 0 ? -errno : count;
}

std::uint32_t TcpStream::round_trip_us() const noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(fd(), IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_rtt + 4 * info.tcpi_rttvar;
}

void TcpStream::acknowledge_now() noexcept {
  const int on = 1;
  ::setsockopt(fd(), IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

int TcpStream::fd() const noexcept {
  uv_os_fd_t fd = -1;
  uv_fileno(reinterpret_cast<const uv_handle_t*>(&node_->handle), &fd);
  return fd;
}

}  // namespace keepwarm::net
