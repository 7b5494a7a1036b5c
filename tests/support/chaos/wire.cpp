#include "tests/support/chaos/wire.h"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace chaos {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

void read_field(MessageHead& head, std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-length") {
    std::uint64_t length = 0;
    std::from_chars(value.data(), value.data() + value.size(), length);
    head.length = length;
  } else if (name == "transfer-encoding") {
    head.chunked = lower(value) == "chunked";
  } else if (name == "connection") {
    const std::string options = lower(value);
    head.close = head.close || options.find("close") != std::string::npos;
    head.keep_alive = head.keep_alive || options.find("keep-alive") != std::string::npos;
  } else if (name == "x-chaos-id") {
    head.id = value;
  } else if (name == "proxy-status") {
    head.own_answer = true;
  }
}

sockaddr_in loopback(std::uint16_t port) noexcept {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

void Outgoing::add(std::string text) {
  owned_.push_back(std::move(text));
  add_view(owned_.back());
}

void Outgoing::add_view(std::string_view bytes) {
  if (bytes.empty()) return;
  pieces_.push_back(bytes);
  left_ += bytes.size();
}

void Outgoing::add_body(std::string_view body, bool chunked, std::size_t chunk_size) {
  if (!chunked) return add_view(body);
  while (!body.empty()) {
    const std::string_view chunk = body.substr(0, chunk_size);
    std::array<char, 20> digits{};
    char* const end = std::to_chars(digits.data(), digits.data() + digits.size(), chunk.size(), 16).ptr;
    add(std::string(digits.data(), end) + "\r\n");
    add_view(chunk);
    add_view("\r\n");
    body.remove_prefix(chunk.size());
  }
  add_view("0\r\n\r\n");
}

long Outgoing::write_some(int fd) noexcept {
  std::array<iovec, kPieces> parts{};
  std::size_t count = 0;
  std::size_t planned = 0;
  for (const std::string_view piece : pieces_) {
    if (count == parts.size() || planned == left_) break;
    const std::size_t size = std::min(piece.size(), left_ - planned);
    parts[count++] = {const_cast<char*>(piece.data()), size};
    planned += size;
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  const ssize_t sent = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  auto rest = static_cast<std::size_t>(sent);
  left_ -= rest;
  while (rest > 0) {
    std::string_view& front = pieces_.front();
    const std::size_t step = std::min(rest, front.size());
    front.remove_prefix(step);
    rest -= step;
    if (front.empty()) pieces_.pop_front();
  }
  return static_cast<long>(sent);
}

int MessageHead::status() const noexcept {
  const std::size_t space = start_line.find(' ');
  return space == std::string::npos ? 0 : std::atoi(start_line.c_str() + space);
}

void MessageReader::feed(std::string_view bytes) {
  if (used_ == buffer_.size()) {
    buffer_.clear();
    used_ = 0;
  }
  buffer_.append(bytes);
}

void MessageReader::expect_length(std::uint64_t bytes) noexcept {
  state_ = State::Length;
  remaining_ = bytes;
}
void MessageReader::expect_chunked() noexcept {
  state_ = State::ChunkSize;
}
void MessageReader::expect_close() noexcept {
  state_ = State::Close;
}

MessageReader::Step MessageReader::next() {
  switch (state_) {
    case State::Head: return read_head();
    case State::Length:
      if (remaining_ > 0) return read_sized(State::Length);
      state_ = State::Head;
      return Step::Ended;
    case State::ChunkSize: return read_chunk_size();
    case State::ChunkData: return read_sized(State::ChunkEnd);
    case State::ChunkEnd: return read_chunk_end();
    case State::Trailer: return read_trailer();
    case State::Close: {
      piece_ = std::string_view(buffer_).substr(used_);
      used_ = buffer_.size();
      return piece_.empty() ? Step::NeedMore : Step::Body;
    }
  }
  return Step::Bad;
}

MessageReader::Step MessageReader::read_head() {
  const std::size_t end = buffer_.find("\r\n\r\n", used_);
  if (end == std::string::npos) return Step::NeedMore;
  std::string_view text = std::string_view(buffer_).substr(used_, end + 2 - used_);
  used_ = end + 4;
  head_ = MessageHead{};
  bool first = true;
  while (!text.empty()) {
    const std::size_t line_end = text.find("\r\n");
    const std::string_view one = text.substr(0, line_end);
    if (first) {
      head_.start_line = one;
    } else {
      read_field(head_, one);
    }
    first = false;
    text.remove_prefix(line_end + 2);
  }
  return head_.start_line.empty() ? Step::Bad : Step::Head;
}

MessageReader::Step MessageReader::read_sized(State after) {
  const std::size_t there = buffer_.size() - used_;
  if (there == 0) return Step::NeedMore;
  const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, there));
  piece_ = std::string_view(buffer_).substr(used_, size);
  used_ += size;
  remaining_ -= size;
  if (remaining_ == 0) state_ = after;
  return Step::Body;
}

std::optional<std::string_view> MessageReader::line() {
  const std::size_t end = buffer_.find("\r\n", used_);
  if (end == std::string::npos) return std::nullopt;
  const std::string_view text = std::string_view(buffer_).substr(used_, end - used_);
  used_ = end + 2;
  return text;
}

MessageReader::Step MessageReader::read_chunk_size() {
  const std::optional<std::string_view> text = line();
  if (!text) return Step::NeedMore;
  const auto [end, failed] = std::from_chars(text->data(), text->data() + text->size(), remaining_, 16);
  if (failed != std::errc{} || end == text->data()) return Step::Bad;
  state_ = remaining_ > 0 ? State::ChunkData : State::Trailer;
  return next();
}

MessageReader::Step MessageReader::read_chunk_end() {
  const std::optional<std::string_view> text = line();
  if (!text) return Step::NeedMore;
  if (!text->empty()) return Step::Bad;
  state_ = State::ChunkSize;
  return next();
}

MessageReader::Step MessageReader::read_trailer() {
  while (const std::optional<std::string_view> text = line()) {
    if (!text->empty()) continue;
    state_ = State::Head;
    return Step::Ended;
  }
  return Step::NeedMore;
}

Received receive(int fd, MessageReader& reader) noexcept {
  thread_local std::array<char, 128UL * 1024> buffer;
  const ssize_t size = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (size > 0) {
    reader.feed({buffer.data(), static_cast<std::size_t>(size)});
    return Received::Bytes;
  }
  if (size == 0) return Received::Fin;
  return errno == EAGAIN || errno == EINTR ? Received::Nothing : Received::Reset;
}

short wait_for(int fd, short events, Deadline deadline) noexcept {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left < 0) return 0;
    pollfd one{fd, events, 0};
    const int ready = ::poll(&one, 1, static_cast<int>(left) + 1);
    if (ready > 0) return one.revents;
    if (ready < 0 && errno != EINTR) return POLLERR;
  }
}

bool write_all(int fd, Outgoing& out, Deadline deadline) noexcept {
  while (out.left() > 0) {
    const long sent = out.write_some(fd);
    if (sent < 0) return false;
    if (sent == 0 && wait_for(fd, POLLOUT, deadline) == 0) return false;
  }
  return true;
}

int connect_to(std::uint16_t port) noexcept {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const sockaddr_in address = loopback(port);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

int listen_on_loopback(std::uint16_t& port) noexcept {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(fd, SOMAXCONN) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port = ntohs(address.sin_port);
  return fd;
}

void close_by(int fd, bool reset) noexcept {
  if (reset) {
    const linger now{1, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  ::close(fd);
}

}  // namespace chaos
