// The floor of the benchmark: joins each client connection to one upstream connection and parses nothing.
//
// Upstream connections of clients that left serve the next ones (--fresh 1: each client has one of its own). That is
// only right for clients that leave between exchanges: it is a measure, not a proxy.
#include <cerrno>
#include <cstdio>
#include <deque>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>
#include <vector>

#include "tests/bench/tools/arguments.h"
#include "tests/bench/tools/socket.h"
#include "tests/bench/tools/stop.h"

namespace keepwarm::bench {
namespace {

struct End {
  Fd fd;
  End* other = nullptr;  ///< none: an upstream connection that waits for a client
  bool upstream = false;
  bool asked = false;   ///< upstream: bytes went there since the last came back, so a client that leaves spoils it
  bool paused = false;  ///< not read, since the other end does not take more
  std::string unsent;   ///< what this end did not take yet
};

class Relay {
 public:
  Relay(const sockaddr_in& address, const sockaddr_in& upstream, bool fresh)
      : listener_(listen_on(address)), upstream_(upstream), fresh_(fresh) {
    poller_.add_reader(listener_, nullptr);
    std::printf("listening on %u\n", port_of(listener_));
    std::fflush(stdout);
  }

  void run() {
    while (stop_requested == 0) {
      for (const epoll_event& event : poller_.wait(-1)) {
        if (event.data.ptr == nullptr) {
          accept_all();
        } else {
          serve(*static_cast<End*>(event.data.ptr), event.events);
        }
      }
      // Not earlier: an event of this turn may still name them.
      free_.insert(free_.end(), closed_.begin(), closed_.end());
      closed_.clear();
    }
  }

 private:
  void accept_all() {
    for (Fd socket = accept_from(listener_); socket.open(); socket = accept_from(listener_)) {
      End& client = add(std::move(socket), false);
      End& upstream = idle_.empty() ? connect() : *idle_.back();
      if (!idle_.empty()) idle_.pop_back();
      client.other = &upstream;
      upstream.other = &client;
    }
  }

  End& connect() {
    // Blocking: on loopback it is done at once.
    Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(socket.number(), reinterpret_cast<const sockaddr*>(&upstream_), sizeof upstream_) != 0)
      die("connect");
    return add(std::move(socket), true);
  }

  End& add(Fd socket, bool upstream) {
    const int on = 1;
    ::setsockopt(socket.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (free_.empty()) free_.push_back(&ends_.emplace_back());
    End& end = *free_.back();
    free_.pop_back();
    end.fd = std::move(socket);
    end.upstream = upstream;
    poller_.add_connection(end.fd, &end);
    return end;
  }

  void close(End& end) {
    const Fd closed = std::move(end.fd);
    if (end.upstream) std::erase(idle_, &end);
    end = End{};
    closed_.push_back(&end);
  }

  void serve(End& end, std::uint32_t events) {
    if (!end.fd.open()) return;
    if ((events & EPOLLOUT) != 0 && !end.unsent.empty()) {
      if (!send(end, std::exchange(end.unsent, {}))) return leave(end);
      if (end.unsent.empty() && end.other != nullptr && std::exchange(end.other->paused, false))
        pump(*end.other, events);
    }
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0 && end.fd.open() && !end.paused) pump(end, events);
  }

  /// Reads `from` until it is empty or the other end is full.
  void pump(End& from, std::uint32_t events) {
    const bool to_the_end = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    while (true) {
      const ssize_t got = ::recv(from.fd.number(), buffer_.data(), buffer_.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0 || from.other == nullptr) return leave(from);
      (from.upstream ? from : *from.other).asked = !from.upstream;
      if (!send(*from.other, {buffer_.data(), static_cast<std::size_t>(got)})) return leave(*from.other);
      from.paused = !from.other->unsent.empty();
      if (from.paused || (got < static_cast<ssize_t>(buffer_.size()) && !to_the_end)) return;
    }
  }

  /// Keeps what the end does not take; false if it is gone.
  static bool send(End& to, std::string_view bytes) {
    ssize_t sent = ::send(to.fd.number(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) return false;
    sent = std::max<ssize_t>(sent, 0);
    if (static_cast<std::size_t>(sent) < bytes.size()) to.unsent.assign(bytes.substr(static_cast<std::size_t>(sent)));
    return true;
  }

  /// `end` has come to its end. Between exchanges a client's upstream connection is as good as new.
  void leave(End& end) {
    End* const other = std::exchange(end.other, nullptr);
    const bool reusable = !end.upstream && !fresh_ && end.unsent.empty();
    close(end);
    if (other == nullptr) return;
    other->other = nullptr;
    if (reusable && !other->asked && other->unsent.empty()) {
      other->paused = false;
      idle_.push_back(other);
    } else {
      close(*other);
    }
  }

  Poller poller_;
  Fd listener_;
  sockaddr_in upstream_;
  bool fresh_;
  std::deque<End> ends_;  ///< never shrinks: pointers into it stay valid
  std::vector<End*> free_;
  std::vector<End*> closed_;
  std::vector<End*> idle_;
  std::string buffer_ = std::string(std::size_t{256} * 1024, '\0');
};

}  // namespace
}  // namespace keepwarm::bench

int main(int argc, char** argv) {
  using namespace keepwarm::bench;
  Arguments arguments(argc, argv);
  const sockaddr_in address = parse_address(arguments.text("listen", "127.0.0.1:0"));
  const sockaddr_in upstream = parse_address(arguments.text("upstream"));
  const bool fresh = arguments.whole("fresh", 0) != 0;
  arguments.check();
  prepare_process();
  watch_for_stop();
  Relay(address, upstream, fresh).run();
}
