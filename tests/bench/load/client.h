#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tests/bench/load/channel.h"
#include "tests/bench/load/plan.h"
#include "tests/bench/tools/clock.h"
#include "tests/bench/tools/socket.h"

namespace keepwarm::bench {

/// What all clients share; outlives them.
struct Wire {
  const Plan& plan;
  Poller& poller;
  const TlsClients& tls;
  std::string buffer;          ///< received bytes; between calls nothing in it matters
  std::string filler;          ///< request bodies are made of it
  std::uint64_t bytes_in = 0;  ///< of bodies
  std::uint64_t bytes_out = 0;
  std::uint64_t connections = 0;
};

/// One client: at most one connection, at most one request at a time.
class Client {
 public:
  enum class Outcome { Pending, Completed, Failed };

  Client(Wire& wire, std::size_t number) : wire_(wire), number_(number) {}

  /// Connects, for a request to come. Should that fail, the request connects.
  void arrive() { (void)connect(); }
  /// Asks, on a new connection if there is none. `started` is what latency counts from. Failed: it could not be sent.
  Outcome begin(const Request& request, Nanos started);
  /// For each event of its connection. Completed and Failed are told once for each begin().
  Outcome on_event(std::uint32_t events);

  [[nodiscard]] std::size_t number() const noexcept { return number_; }  ///< among all clients
  [[nodiscard]] Nanos started() const noexcept { return started_; }
  /// True once, after its first request has ended: from then on it takes part.
  [[nodiscard]] bool joins() noexcept { return !std::exchange(joined_, true); }
  /// Its connection is established.
  [[nodiscard]] bool connected() const noexcept { return channel_.open() && connected_; }
  [[nodiscard]] bool busy() const noexcept { return state_ != State::Idle; }
  /// What failed, for the report.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  enum class State { Idle, AwaitingTunnel, Handshaking, AwaitingHead, ReadingBody };

  bool connect();
  Outcome ask();
  Outcome push();
  Outcome pull(bool to_the_end);
  Outcome take(std::string_view bytes);
  Outcome take_head(std::string_view head);
  Outcome complete();
  Outcome fail(std::string what);

  Wire& wire_;
  std::size_t number_;
  Channel channel_;
  const Request* request_ = nullptr;
  State state_ = State::Idle;
  Nanos started_ = 0;
  std::string_view unsent_;  ///< of the head or of the CONNECT
  std::uint64_t body_unsent_ = 0;
  std::uint64_t body_unread_ = 0;
  std::string partial_;  ///< the start of a head whose rest has not come
  long served_ = 0;      ///< on this connection
  bool connected_ = false;
  bool joined_ = false;
  bool last_ = false;  ///< the answer announced the connection's end
  std::string failure_;
};

}  // namespace keepwarm::bench
