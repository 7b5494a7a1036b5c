#include "tests/bench/load/client.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tests/bench/tools/message.h"

namespace keepwarm::bench {

Client::Outcome Client::begin(const Request& request, Nanos started) {
  started_ = started;
  request_ = &request;
  last_ = false;
  partial_.clear();
  if (!channel_.open() && !connect()) return fail("connect: " + std::string(std::strerror(errno)));
  if (served_ == 0 && !request.tunnel.empty()) {
    state_ = State::AwaitingTunnel;
    unsent_ = request.tunnel;
    return push();
  }
  return ask();
}

/// The request goes out, behind the handshake if there has to be one; that may take several calls.
Client::Outcome Client::ask() {
  if (wire_.plan.tls && served_ == 0) {
    state_ = State::Handshaking;
    if (channel_.handshake(wire_.tls) != 1) {
      return errno == EAGAIN ? Outcome::Pending : fail("handshake: " + std::string(std::strerror(errno)));
    }
  }
  state_ = State::AwaitingHead;
  unsent_ = request_->head;
  body_unsent_ = wire_.plan.body;
  return push();
}

bool Client::connect() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  served_ = 0;
  connected_ = false;
  if (wire_.plan.per_connection == 1) {
    // From several addresses in turn: one has no more than 28,232 ports, and each rests for a while after use.
    const int late = 1;
    ::setsockopt(fd.number(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &late, sizeof late);
    sockaddr_in source{};
    source.sin_family = AF_INET;
    source.sin_addr.s_addr = htonl(INADDR_LOOPBACK + static_cast<std::uint32_t>(wire_.connections % 32));
    if (::bind(fd.number(), reinterpret_cast<const sockaddr*>(&source), sizeof source) != 0) return false;
  }
  ++wire_.connections;
  const sockaddr_in& target = wire_.plan.target;
  if (::connect(fd.number(), reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 && errno != EINPROGRESS) {
    return false;
  }
  wire_.poller.add_connection(fd, this);
  channel_ = Channel(std::move(fd));
  return true;
}

Client::Outcome Client::on_event(std::uint32_t events) {
  if (!channel_.open()) return Outcome::Pending;
  if ((events & EPOLLOUT) != 0) connected_ = true;
  if (state_ == State::Handshaking) return ask();
  if ((events & EPOLLOUT) != 0 && state_ != State::Idle) {
    const Outcome outcome = push();
    if (outcome != Outcome::Pending) return outcome;
  }
  constexpr std::uint32_t kEnd = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  if ((events & (EPOLLIN | kEnd)) == 0) return Outcome::Pending;
  return pull((events & kEnd) != 0);
}

Client::Outcome Client::push() {
  while (!unsent_.empty() || body_unsent_ > 0) {
    const bool in_head = !unsent_.empty();
    const std::string_view part =
        in_head ? unsent_
                : std::string_view(wire_.filler).substr(0, std::min<std::uint64_t>(body_unsent_, wire_.filler.size()));
    const ssize_t sent = channel_.send(part, in_head && body_unsent_ > 0);
    if (sent < 0 && errno == EAGAIN) return Outcome::Pending;
    if (sent < 0) return fail("send: " + std::string(std::strerror(errno)));
    if (in_head) {
      unsent_.remove_prefix(static_cast<std::size_t>(sent));
    } else {
      body_unsent_ -= static_cast<std::uint64_t>(sent);
      wire_.bytes_out += static_cast<std::uint64_t>(sent);
    }
  }
  return Outcome::Pending;
}

Client::Outcome Client::pull(bool to_the_end) {
  while (channel_.open()) {
    const ssize_t got = channel_.receive(wire_.buffer.data(), wire_.buffer.size());
    if (got < 0 && errno == EAGAIN) return Outcome::Pending;
    if (got <= 0) {
      if (state_ != State::Idle) return fail(got == 0 ? "closed" : "receive: " + std::string(std::strerror(errno)));
      channel_.reset();
      return Outcome::Pending;
    }
    if (state_ == State::Idle) {  // nobody asked
      channel_.reset();
      return Outcome::Pending;
    }
    const Outcome outcome = take({wire_.buffer.data(), static_cast<std::size_t>(got)});
    if (outcome != Outcome::Pending) {
      // The end that may have come along would not be told again.
      if (to_the_end) channel_.reset();
      return outcome;
    }
    // Of TLS a call gives one record at most, and more may have been read from the socket.
    if (got < static_cast<ssize_t>(wire_.buffer.size()) && !channel_.secure() && !to_the_end) return Outcome::Pending;
  }
  return Outcome::Pending;
}

Client::Outcome Client::take(std::string_view bytes) {
  std::string joined;
  if (!partial_.empty()) {
    joined = std::exchange(partial_, {}).append(bytes);
    bytes = joined;
  }
  if (state_ != State::ReadingBody) {
    const std::string_view head = head_of(bytes);
    if (head.empty()) {
      partial_ = bytes;
      return Outcome::Pending;
    }
    bytes.remove_prefix(head.size());
    const Outcome outcome = take_head(head);
    if (outcome != Outcome::Pending || state_ != State::ReadingBody) return outcome;
  }
  if (bytes.size() > body_unread_) return fail("more than Content-Length");
  wire_.bytes_in += bytes.size();
  body_unread_ -= bytes.size();
  return body_unread_ == 0 ? complete() : Outcome::Pending;
}

Client::Outcome Client::take_head(std::string_view head) {
  const std::string_view status = head.substr(0, head.find("\r\n")).substr(std::string_view("HTTP/1.1 ").size(), 3);
  if (!status.starts_with('2')) return fail("status " + std::string(status));
  if (state_ == State::AwaitingTunnel) {
    return ask();
  }
  const std::optional<std::uint64_t> length = content_length(head);
  if (!length) return fail("no Content-Length");
  last_ = equal_ignoring_case(field(head, "connection").value_or(""), "close") || head.starts_with("HTTP/1.0");
  body_unread_ = *length;
  state_ = State::ReadingBody;
  return Outcome::Pending;
}

Client::Outcome Client::complete() {
  state_ = State::Idle;
  ++served_;
  if (last_ || body_unsent_ > 0 || served_ == wire_.plan.per_connection) channel_.reset();
  return Outcome::Completed;
}

Client::Outcome Client::fail(std::string what) {
  state_ = State::Idle;
  failure_ = std::move(what);
  channel_.reset();
  return Outcome::Failed;
}

}  // namespace keepwarm::bench
