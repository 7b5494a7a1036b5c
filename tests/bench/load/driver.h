#pragma once
#include <deque>
#include <functional>
#include <queue>
#include <random>
#include <vector>

#include "tests/bench/load/client.h"
#include "tests/bench/load/plan.h"
#include "tests/bench/load/window.h"

namespace keepwarm::bench {

/// Has the clients ask as the plan says, and measures its windows.
class Driver {
 public:
  explicit Driver(const Plan& plan);

  void run();
  /// A line of JSON for each window that was closed.
  void report() const;

 private:
  struct Pause {
    Nanos until;
    Client* client;
    bool operator>(const Pause& other) const noexcept { return until > other.until; }
  };

  void turn();
  [[nodiscard]] bool warm() const;
  [[nodiscard]] bool window_due() const;
  [[nodiscard]] bool window_over() const;
  void open_window();
  void close_window();
  void add_clients();
  [[nodiscard]] bool holds_back(const Client& client) const;
  void start_due();
  void start(Client& client, Nanos planned);
  void settle(Client& client, Client::Outcome outcome);
  void next(Client& client);
  [[nodiscard]] Nanos until_next_start() const;
  [[nodiscard]] bool no_more() const { return plan_.total != 0 && started_ >= plan_.total; }
  [[nodiscard]] bool paced() const { return plan_.pause_to > 0; }

  const Plan& plan_;
  Poller poller_;
  TlsClients tls_;
  Wire wire_;
  std::deque<Client> clients_;
  std::vector<Client*> idle_;   ///< at a fixed rate: clients without a request
  std::vector<Client*> again_;  ///< whose request failed: not at once, or a proxy that is gone keeps us in recursion
  std::deque<Nanos> late_;      ///< at a fixed rate: requests that are due and found no client
  std::priority_queue<Pause, std::vector<Pause>, std::greater<>> pauses_;
  std::minstd_rand random_{1};

  Nanos time_ = 0;  ///< of this turn
  Nanos began_ = 0;
  Nanos next_arrival_ = 0;
  std::size_t next_host_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t ended_ = 0;  ///< of all, the warm-up's too

  std::size_t joined_ = 0;  ///< clients that have had an answer

  Window window_;  ///< the open one; while none is, it takes what nobody will read
  std::vector<Window> closed_;
};

}  // namespace keepwarm::bench
