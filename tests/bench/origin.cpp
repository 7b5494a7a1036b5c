// The origin of the benchmark: answers every request on every connection, cheaply.
//
//   /            a small answer, about 200 bytes with its head, once the request's body has been read
//   /bytes/N     N bytes
//   /gather/N    as /, but only when N requests wait for it: so N connections are open at a time
//   /counters    how many connections and requests there were before this one, as JSON
//
// On the same port it is a name server for proxies that ask one themselves.
//
// With --idle-close MS it closes a connection that long after its last answer; --rtt MS plays a server that is far
// away: its answers take that long, and what it closes meets requests that were on their way for half of it. --hint S
// has its answers say "Keep-Alive: timeout=S".
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <deque>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <vector>

#include "tests/bench/tools/arguments.h"
#include "tests/bench/tools/clock.h"
#include "tests/bench/tools/dns.h"
#include "tests/bench/tools/message.h"
#include "tests/bench/tools/socket.h"
#include "tests/bench/tools/stop.h"

namespace keepwarm::bench {
namespace {

constexpr std::size_t kChunk = std::size_t{256} * 1024;

struct Connection {
  Fd fd;
  std::string partial;           ///< the start of a head whose rest has not come
  std::string unsent;            ///< of a head, then:
  std::uint64_t to_send = 0;     ///< bytes of the body that /bytes/N still owes
  std::uint64_t to_read = 0;     ///< bytes of the request's body that have not come
  std::string path;              ///< of the request whose body is being read
  bool last = false;             ///< the request asked for the connection's end behind its answer
  Nanos answered_at = 0;         ///< when the last answer was seen by the other side; 0: never
  std::uint64_t generation = 0;  ///< moves with each request and close: older entries of the queues are void
};

/// Something that is due for a connection; the queues are in order since their delays are constant.
struct Due {
  Nanos at;
  Connection* connection;
  std::uint64_t generation;
};

class Origin {
 public:
  Origin(const sockaddr_in& address, Nanos idle_close, Nanos round_trip, const std::string& hint)
      : listener_(listen_on(address)), idle_close_(idle_close), round_trip_(round_trip) {
    if (!hint.empty()) hint_ = "Keep-Alive: timeout=" + hint + "\r\n";
    sockaddr_in here = address;
    here.sin_port = htons(port_of(listener_));
    names_ = receive_on(here);
    listener_ipv6_ = listen_on_ipv6_loopback(port_of(listener_));
    poller_.add_reader(listener_, &listener_);
    poller_.add_reader(names_, &names_);
    if (listener_ipv6_.open()) poller_.add_reader(listener_ipv6_, &listener_ipv6_);
    std::printf("listening on %u\n", port_of(listener_));
    std::fflush(stdout);
  }

  void run() {
    while (stop_requested == 0) {
      const std::span<epoll_event> events = poller_.wait(until_next_due());
      render_answer();
      for (const epoll_event& event : events) {
        if (event.data.ptr == &names_) {
          answer_name();
        } else if (event.data.ptr == &listener_ || event.data.ptr == &listener_ipv6_) {
          accept_all(*static_cast<Fd*>(event.data.ptr));
        } else {
          serve(*static_cast<Connection*>(event.data.ptr));
        }
      }
      run_queues();
    }
  }

 private:
  void answer_name() {
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t got = ::recvfrom(names_.number(), buffer_.data(), buffer_.size(), 0, address, &size);
    if (got <= 0) return;
    const std::string answer = dns_answer({buffer_.data(), static_cast<std::size_t>(got)});
    ::sendto(names_.number(), answer.data(), answer.size(), 0, address, size);
  }

  void accept_all(const Fd& listener) {
    for (Fd socket = accept_from(listener); socket.open(); socket = accept_from(listener)) {
      Connection* connection = nullptr;
      if (free_.empty()) {
        connection = &connections_.emplace_back();
      } else {
        connection = free_.back();
        free_.pop_back();
      }
      connection->fd = std::move(socket);
      ++accepted_;
      poller_.add_connection(connection->fd, connection);
    }
  }

  void close(Connection& connection) {
    if (!connection.fd.open()) return;
    std::erase(gathered_, &connection);
    const std::uint64_t generation = connection.generation + 1;
    connection = Connection{};
    connection.generation = generation;
    free_.push_back(&connection);
  }

  void serve(Connection& connection) {
    if (!connection.fd.open() || !flush(connection)) return;
    ssize_t got = 0;
    do {
      got = ::recv(connection.fd.number(), buffer_.data(), buffer_.size(), 0);
      if (got == 0 || (got < 0 && errno != EAGAIN)) return close(connection);
      if (got > 0) take(connection, {buffer_.data(), static_cast<std::size_t>(got)});
    } while (got == static_cast<ssize_t>(buffer_.size()) && connection.fd.open());
  }

  /// Bytes from the other side: bodies are counted, heads answered; what is left over starts the next head.
  void take(Connection& connection, std::string_view bytes) {
    std::string joined;
    if (!connection.partial.empty()) {
      joined = std::move(connection.partial);
      joined += bytes;
      connection.partial.clear();
      bytes = joined;
    }
    while (!bytes.empty() && connection.fd.open()) {
      if (connection.to_read > 0) {
        const std::uint64_t taken = std::min<std::uint64_t>(connection.to_read, bytes.size());
        connection.to_read -= taken;
        bytes.remove_prefix(static_cast<std::size_t>(taken));
      } else {
        const std::string_view head = head_of(bytes);
        if (head.empty()) {
          connection.partial = bytes;
          return;
        }
        bytes.remove_prefix(head.size());
        begin(connection, head);
      }
      if (connection.to_read == 0) request_ended(connection);
    }
  }

  static void begin(Connection& connection, std::string_view head) {
    const std::size_t target = head.find(' ') + 1;
    std::string_view path = head.substr(target, head.find(' ', target) - target);
    if (path.starts_with("http")) path.remove_prefix(std::min(path.find('/', path.find("//") + 2), path.size()));
    connection.path = path;
    connection.last = head.substr(target, head.find("\r\n") - target).ends_with("HTTP/1.0") ||
                      equal_ignoring_case(field(head, "connection").value_or(""), "close");
    if (!head.starts_with("GET ")) connection.to_read = content_length(head).value_or(0);
  }

  void request_ended(Connection& connection) {
    ++requests_;
    if (idle_close_ == 0 && round_trip_ == 0) return answer(connection);
    const Nanos time = now();
    // On its way when the server closed, which the other side has yet to learn: nobody reads it.
    if (connection.answered_at != 0 && time - connection.answered_at >= idle_close_ - round_trip_) return;
    ++connection.generation;
    answers_.push_back({time + round_trip_, &connection, connection.generation});
  }

  void answer(Connection& connection) {
    constexpr std::string_view kBytes = "/bytes/";
    constexpr std::string_view kGather = "/gather/";
    constexpr std::string_view kCounters = "/counters";
    const std::string_view path = connection.path;
    if (path.starts_with(kBytes)) {
      std::uint64_t size = 0;
      std::from_chars(path.data() + kBytes.size(), path.data() + path.size(), size);
      connection.unsent += head(size);
      connection.to_send += size;
    } else if (path.starts_with(kGather)) {
      std::size_t wanted = 0;
      std::from_chars(path.data() + kGather.size(), path.data() + path.size(), wanted);
      gathered_.push_back(&connection);
      if (gathered_.size() >= wanted) answer_gathered();
      return;
    } else if (path == kCounters) {
      const std::string body =
          "{\"connections\": " + std::to_string(--accepted_) + ", \"requests\": " + std::to_string(--requests_) + "}\n";
      connection.unsent += head(body.size()) + body;
    } else {
      connection.unsent += small_answer_;
    }
    (void)flush(connection);
  }

  void answer_gathered() {
    for (Connection* connection : gathered_) {
      // One that fails here is closed by its own event.
      if (::send(connection->fd.number(), small_answer_.data(), small_answer_.size(), MSG_DONTWAIT) < 0) continue;
    }
    gathered_.clear();
  }

  /// Sends what is due and can be sent; false if that ended the connection.
  bool flush(Connection& connection) {
    while (!connection.unsent.empty() || connection.to_send > 0) {
      const bool in_head = !connection.unsent.empty();
      const char* from = in_head ? connection.unsent.data() : zeros_.data();
      const std::uint64_t size =
          in_head ? connection.unsent.size() : std::min<std::uint64_t>(connection.to_send, kChunk);
      const ssize_t sent = ::send(connection.fd.number(), from, static_cast<std::size_t>(size),
                                  in_head && connection.to_send > 0 ? MSG_MORE : 0);
      if (sent < 0 && errno == EAGAIN) return true;
      if (sent < 0) {
        close(connection);
        return false;
      }
      if (in_head) {
        connection.unsent.erase(0, static_cast<std::size_t>(sent));
      } else {
        connection.to_send -= static_cast<std::uint64_t>(sent);
      }
      if (connection.last && connection.unsent.empty() && connection.to_send == 0) {
        ::shutdown(connection.fd.number(), SHUT_WR);
      }
    }
    return true;
  }

  Nanos until_next_due() const {
    Nanos next = -1;
    for (const std::deque<Due>* queue : {&answers_, &closes_}) {
      if (!queue->empty() && (next < 0 || queue->front().at < next)) next = queue->front().at;
    }
    return next < 0 ? -1 : std::max<Nanos>(next - now(), 0);
  }

  void run_queues() {
    if (answers_.empty() && closes_.empty()) return;
    const Nanos time = now();
    for (; !answers_.empty() && answers_.front().at <= time; answers_.pop_front()) {
      const auto& [at, connection, generation] = answers_.front();
      if (connection->generation != generation) continue;
      answer(*connection);
      connection->answered_at = time;
      if (idle_close_ > 0) closes_.push_back({time + idle_close_, connection, connection->generation});
    }
    for (; !closes_.empty() && closes_.front().at <= time; closes_.pop_front()) {
      const auto& [at, connection, generation] = closes_.front();
      if (connection->generation == generation) close(*connection);
    }
  }

  /// A head like those of real servers; its date is of this second.
  std::string head(std::uint64_t length) const {
    return "HTTP/1.1 200 OK\r\nDate: " + date_ + "\r\nServer: origin\r\n" + hint_ +
           "Content-Type: text/plain; charset=utf-8\r\nContent-Length: " + std::to_string(length) + "\r\n\r\n";
  }

  void render_answer() {
    const std::time_t second = std::time(nullptr);
    if (second == rendered_at_) return;
    rendered_at_ = second;
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    char text[64];
    date_.assign(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts));
    constexpr std::string_view kBody = "The quick brown fox jumps over the lazy dog, every time. \r\n";
    small_answer_ = head(kBody.size()) + std::string(kBody);
  }

  Poller poller_;
  Fd listener_;
  Fd listener_ipv6_;
  Fd names_;
  Nanos idle_close_;
  Nanos round_trip_;
  std::deque<Connection> connections_;  ///< never shrinks: pointers into it stay valid
  std::vector<Connection*> free_;
  std::vector<Connection*> gathered_;  ///< what waits for /gather/N
  std::deque<Due> answers_;
  std::deque<Due> closes_;
  std::string buffer_ = std::string(kChunk, '\0');
  std::string zeros_ = std::string(kChunk, '0');
  std::string date_;
  std::string hint_;  ///< a field of every answer, or nothing
  std::string small_answer_;
  std::time_t rendered_at_ = 0;
  std::uint64_t accepted_ = 0;
  std::uint64_t requests_ = 0;
};

}  // namespace
}  // namespace keepwarm::bench

int main(int argc, char** argv) {
  using namespace keepwarm::bench;
  Arguments arguments(argc, argv);
  const sockaddr_in address = parse_address(arguments.text("listen", "0.0.0.0:0"));
  const Nanos idle_close = arguments.whole("idle-close", 0) * kMillisecond;
  const Nanos round_trip = arguments.whole("rtt", 0) * kMillisecond;
  const std::string hint = arguments.text("hint", "");
  arguments.check();
  prepare_process();
  watch_for_stop();
  Origin(address, idle_close, round_trip, hint).run();
}
