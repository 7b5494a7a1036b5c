#include "tests/support/chaos/origin.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chaos {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kIdlePatience = 50ms;  // how often an idle connection looks at world.stop

constexpr short kEndsOnly = 0;  // poll() tells of an error and a hang-up, asked or not

enum class Next : std::uint8_t { Serve, Closed };

/// One upstream connection as the origin sees it.
class Connection {
 public:
  Connection(World& world, int fd, std::size_t host) : world_(world), fd_(fd), host_(host) {}

  void serve() {
    while (await_request() == Next::Serve && answer() == Next::Serve) {
    }
  }

 private:
  Next closed(bool reset) {
    close_by(fd_, reset);
    return Next::Closed;
  }

  /// Waits for a head, or closes the connection when its idle time is up.
  Next await_request() {
    const auto until = Clock::now() + (idle_ms_ < 0 ? kPatience : std::chrono::milliseconds(idle_ms_));
    while (true) {
      switch (reader_.next()) {
        case MessageReader::Step::Head: return Next::Serve;
        case MessageReader::Step::NeedMore: break;
        default: return closed(false);
      }
      const short events = wait_for(fd_, POLLIN, std::min(until, Clock::now() + kIdlePatience));
      if (world_.stop) return closed(false);
      if (events == 0 && Clock::now() >= until && reader_.at_start()) return lapse();
      if (events != 0 && ended(receive(fd_, reader_))) return closed(false);
    }
  }

  /// The idle time is up.
  Next lapse() {
    if (afterwards_ == Afterwards::Idle408) {
      Outgoing out;
      out.add("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      write_all(fd_, out, Clock::now() + kPatience);
      return finish_politely();
    }
    // Everything must have arrived before an RST, which would destroy what is still under way.
    int unsent = 1;
    while (::ioctl(fd_, SIOCOUTQ, &unsent) == 0 && unsent > 0 && wait_for(fd_, kEndsOnly, Clock::now() + 1ms) == 0) {
    }
    return closed(afterwards_ == Afterwards::IdleReset);
  }

  /// FIN, then away once the other side has left too: nothing that it sends meanwhile turns the FIN into an RST.
  Next finish_politely() {
    ::shutdown(fd_, SHUT_WR);
    const auto until = Clock::now() + kPatience;
    while (wait_for(fd_, POLLIN, until) != 0) {
      MessageReader dropped;
      if (ended(receive(fd_, dropped))) break;
    }
    return closed(false);
  }

  /// Finds out which request it is, and checks that it came where it belongs.
  bool identify() {
    const MessageHead& head = reader_.head();
    std::size_t id = 0;
    std::from_chars(head.id.data(), head.id.data() + head.id.size(), id);
    if (head.id.empty() || id >= world_.records.size()) {
      world_.error(0, "the origin got a request that nobody sent: " + head.start_line);
      return false;
    }
    id_ = id;
    plan_ = world_.plan(id);
    const std::string line = std::string(name_of(plan_.method)) + " /chaos/" + head.id + " HTTP/1.1";
    if (head.start_line != line) world_.error(id, "the request line became " + head.start_line);
    if (plan_.host != host_) world_.error(id, "the request came to another host");
    const int before = world_.records[id].arrivals.fetch_add(1);
    second_time_ = before > 0;
    if (before >= (plan_.idempotent() ? 2 : 1)) world_.error(id, "the origin got it too often");
    const OriginFault fault = world_.records[id].fault;
    if (second_time_ && (fault == OriginFault::MidHead || fault == OriginFault::MidBody)) {
      world_.error(id, "sent again after a response byte");
    }
    return true;
  }

  [[nodiscard]] OriginFault fault() const noexcept {
    if (second_time_) return OriginFault::None;
    if (plan_.origin_fault == OriginFault::MidBody && plan_.method == Method::Head) return OriginFault::None;
    if (plan_.origin_fault == OriginFault::EarlyAnswer && plan_.up_size == 0) return OriginFault::None;
    return plan_.origin_fault;
  }

  void record(OriginFault fault) {
    Record& record = world_.records[id_];
    record.fault_on_fresh = served_ == 0;
    record.fault = fault;
  }

  Next answer() {
    if (!identify()) return closed(true);
    const OriginFault fault = this->fault();
    if (fault == OriginFault::AfterHead) {
      record(fault);
      return closed(plan_.reset);
    }
    if (fault == OriginFault::EarlyAnswer) {
      record(fault);
      return answer_early();
    }
    if (!read_body()) return closed(false);
    if (fault == OriginFault::BeforeByte) {
      record(fault);
      return closed(plan_.reset);
    }
    if (fault == OriginFault::MidHead || fault == OriginFault::MidBody) {
      record(fault);
      return answer_in_part(fault);
    }
    Outgoing out;
    compose(out);
    if (!write_all(fd_, out, Clock::now() + kPatience)) return closed(false);
    return after_answer();
  }

  Next after_answer() {
    ++served_;
    if (says_close()) return finish_politely();
    afterwards_ = plan_.afterwards;
    idle_ms_ = afterwards_ == Afterwards::Keep ? -1 : plan_.idle_ms;
    return Next::Serve;
  }

  /// The whole answer while the request body is still coming, which is then read to its end.
  Next answer_early() {
    Outgoing out;
    compose(out);
    if (!write_all(fd_, out, Clock::now() + kPatience) || !read_body()) return closed(false);
    return after_answer();
  }

  Next answer_in_part(OriginFault fault) {
    Outgoing out;
    const std::size_t head = compose(out);
    const std::size_t body = out.left() - head;
    const bool in_head = fault == OriginFault::MidHead || body == 0;
    const auto part = static_cast<double>(in_head ? head - 1 : body - 1) * plan_.where;
    out.truncate((in_head ? 1 : head) + static_cast<std::size_t>(part));
    write_all(fd_, out, Clock::now() + kPatience);
    // A body that ends with the connection is whole after a FIN: only an RST shows that it is not.
    return closed(plan_.reset || plan_.down_framing == Framing::Close);
  }

  [[nodiscard]] bool says_close() const noexcept {
    return plan_.afterwards == Afterwards::SayClose || plan_.down_framing == Framing::Close;
  }

  /// Puts the answer together; the size of its head.
  std::size_t compose(Outgoing& out) {
    std::string head = plan_.old_origin ? "HTTP/1.0 200 OK\r\n" : "HTTP/1.1 200 OK\r\n";
    head += "X-Chaos-Id: " + std::to_string(id_) + "\r\n";
    if (plan_.down_framing == Framing::Length) head += "Content-Length: " + std::to_string(plan_.down_size) + "\r\n";
    if (plan_.down_framing == Framing::Chunked) head += "Transfer-Encoding: chunked\r\n";
    if (says_close()) head += "Connection: close\r\n";
    head += "\r\n";
    const std::size_t size = head.size();
    out.add(std::move(head));
    if (plan_.method != Method::Head) {
      out.add_body(world_.down_body(id_), plan_.down_framing == Framing::Chunked, plan_.chunk_size);
    }
    return size;
  }

  /// Reads and checks the request body; false when it was cut.
  bool read_body() {
    const std::string_view wanted = world_.up_body(id_);
    if (reader_.head().chunked) {
      reader_.expect_chunked();
    } else {
      reader_.expect_length(reader_.head().length.value_or(0));
    }
    std::size_t got = 0;
    bool same = true;
    const auto until = Clock::now() + kPatience;
    while (true) {
      switch (reader_.next()) {
        case MessageReader::Step::Body:
          same = same && wanted.substr(std::min(got, wanted.size()), reader_.piece().size()) == reader_.piece();
          got += reader_.piece().size();
          break;
        case MessageReader::Step::Ended:
          if (!same || got != wanted.size()) world_.error(id_, "the origin got another request body");
          return true;
        case MessageReader::Step::NeedMore: {
          if (wait_for(fd_, POLLIN, until) == 0) {
            world_.error(id_, "the origin waits for the request body in vain");
            return false;
          }
          if (ended(receive(fd_, reader_))) return false;
          break;
        }
        case MessageReader::Step::Head:
        case MessageReader::Step::Bad:
          world_.error(id_, "the origin got a request body that is not framed well");
          return false;
      }
    }
  }

  World& world_;
  int fd_;
  std::size_t host_;
  MessageReader reader_;
  std::size_t id_ = 0;
  Plan plan_;
  bool second_time_ = false;
  std::size_t served_ = 0;
  Afterwards afterwards_ = Afterwards::Keep;
  int idle_ms_ = -1;
};

}  // namespace

Origins::Origins(World& world) : world_(world) {
  for (std::size_t host = 0; host < world.hosts; ++host) {
    std::uint16_t port = 0;
    const int listener = listen_on_loopback(port);
    listeners_.push_back(listener);
    world.ports.push_back(port);
    acceptors_.emplace_back([this, listener, host] { accept_on(listener, host); });
  }
}

Origins::~Origins() {
  for (const int listener : listeners_) ::shutdown(listener, SHUT_RDWR);  // wakes accept()
  for (std::thread& thread : acceptors_) thread.join();
  for (const int listener : listeners_) ::close(listener);
  while (open_ > 0) std::this_thread::sleep_for(1ms);
}

void Origins::accept_on(int listener, std::size_t host) {
  while (true) {
    const int fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    ++connections_;
    ++open_;
    std::thread([this, fd, host] {
      Connection(world_, fd, host).serve();
      --open_;
    }).detach();
  }
}

}  // namespace chaos
