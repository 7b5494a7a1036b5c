#include "core/net/listener.h"

#include <cerrno>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>
#include <utility>

#include "core/net/socket_calls.h"

namespace keepwarm::net {

namespace {

constexpr int kAcceptsPerTurn = 64;  // so that a flood of connections does not starve those that are open

ListenFailure failure_of(int error, const std::string& where) {
  return {error, where + ": " + std::generic_category().message(error)};
}

/// 0, or an errno.
int bind_address(int fd, const SocketAddress& address) noexcept {
  set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family() == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  return ::bind(fd, address.get(), address.size()) == 0 ? 0 : errno;
}

/// 0, or an errno.
int bind_path(int fd, const std::string& path, SocketFile& file) {
  const int error = remove_stale_socket(path);
  return error != 0 ? error : file.bind(fd, path);
}

}  // namespace

struct Listener::Node {
  uv_poll_t handle{};
  int fd = -1;
  Listener* listener = nullptr;
};

Result<std::unique_ptr<Listener>, ListenFailure> Listener::open(Loop& loop, const Endpoint& endpoint,
                                                                AcceptEvents& events,
                                                                std::function<bool()> has_capacity) {
  const auto failed = [&endpoint](int error) {
    ListenFailure failure = failure_of(error, endpoint.text());
    if (error == ENOTSOCK) failure.message = endpoint.text() + ": a file is there that is not a socket";
    failure.endpoint = endpoint;
    return failure;
  };
  const int fd = ::socket(endpoint.address().family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return failed(errno);
  SocketFile file;
  int error = endpoint.is_unix() ? bind_path(fd, endpoint.path(), file) : bind_address(fd, endpoint.address());
  if (error == 0 && ::listen(fd, kBacklog) != 0) error = errno;
  if (error != 0) {
    ::close(fd);
    return failed(error);
  }
  return watch(loop, fd, std::move(file), events, std::move(has_capacity));
}

Result<std::unique_ptr<Listener>, ListenFailure> Listener::adopt(Loop& loop, int fd, AcceptEvents& events,
                                                                 std::function<bool()> has_capacity) {
  const std::string where = "descriptor " + std::to_string(fd);
  int listening = 0;
  socklen_t size = sizeof listening;
  if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return failure_of(errno, where);
  if (listening == 0) return ListenFailure{EINVAL, where + ": is not a listening socket"};
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return watch(loop, fd, {}, events, std::move(has_capacity));
}

Result<std::unique_ptr<Listener>, ListenFailure> Listener::watch(Loop& loop, int fd, SocketFile file,
                                                                 AcceptEvents& events,
                                                                 std::function<bool()> has_capacity) {
  std::unique_ptr<Listener> listener(new Listener(loop, fd, std::move(file), events, std::move(has_capacity)));
  listener->set_inherited_options();
  if (const int error = uv_poll_init(&loop.uv(), &listener->node_->handle, fd); error != 0) {
    ::close(fd);
    delete listener->node_;
    listener->node_ = nullptr;
    return failure_of(-error, listener->endpoint_.text());
  }
  listener->node_->handle.data = listener->node_;
  listener->start_watching();
  return listener;
}

Listener::Listener(Loop& loop, int fd, SocketFile file, AcceptEvents& events, std::function<bool()> has_capacity)
    : node_(new Node{{}, fd, this}),
      events_(events),
      has_capacity_(std::move(has_capacity)),
      endpoint_(Endpoint::bound_to(fd)),
      file_(std::move(file)),
      retry_(loop, [this] { capacity_returned(); }) {}

Listener::~Listener() {
  if (node_ == nullptr) return;
  node_->listener = nullptr;
  uv_poll_stop(&node_->handle);
  ::close(node_->fd);  // now, not in the close callback: the port is free when the destructor returns
  uv_close(reinterpret_cast<uv_handle_t*>(&node_->handle),
           [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
}

/// What accepted sockets inherit costs no system call for each.
void Listener::set_inherited_options() {
  if (endpoint_.is_unix()) return;
  set_option(node_->fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A machine that vanishes says nothing. Who comes over loopback cannot.
  if (!endpoint_.address().is_loopback()) set_keepalive(node_->fd);
}

void Listener::start_watching() {
  uv_poll_start(&node_->handle, UV_READABLE, [](uv_poll_t* handle, int, int) {
    if (Listener* listener = static_cast<Node*>(handle->data)->listener) listener->accept_pending(kAcceptsPerTurn);
  });
}

void Listener::capacity_returned() {
  if (!std::exchange(paused_, false)) return;
  retry_.disarm();
  start_watching();  // libuv reports at once if somebody is queued
}

void Listener::pause() {
  paused_ = true;
  uv_poll_stop(&node_->handle);
  retry_.arm(kRetryAfter);
}

void Listener::accept_last() {
  file_.remove();  // first: nobody must join a queue that is not accepted from again
  accept_pending(kBacklog);
}

void Listener::accept_pending(int max_count) {
  Node* node = node_;
  for (int i = 0; i < max_count; ++i) {
    if (!has_capacity_()) return pause();
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = ::accept4(node->fd, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN && errno != EWOULDBLOCK) pause();
      return;
    }
    const auto address = SocketAddress::from(reinterpret_cast<sockaddr*>(&peer));
    Loop::begin_event();
    events_.on_accepted(fd, address.value_or(SocketAddress()));
    if (node->listener == nullptr) return;  // destroyed inside; the node lives until its close callback
  }
}

}  // namespace keepwarm::net
