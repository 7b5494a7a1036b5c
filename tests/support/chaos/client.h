#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

#include "tests/support/chaos/plan.h"
#include "tests/support/chaos/wire.h"

namespace chaos {

/// What became of the requests of a run. Each is counted once.
struct Tally {
  std::atomic<std::size_t> exact{0};       ///< answered, byte for byte
  std::atomic<std::size_t> refused{0};     ///< answered by an error, as the origin's behaviour demands
  std::atomic<std::size_t> cut{0};         ///< visibly cut, as the origin's behaviour demands
  std::atomic<std::size_t> stale{0};       ///< not replayable, and met a connection that was being closed
  std::atomic<std::size_t> unanswered{0};  ///< pipelined behind an answer that ended the connection
  std::atomic<std::size_t> aborted{0};     ///< the client left
};

/// A client of the proxy that goes through its requests one after the other, in a thread of its own.
class Client {
 public:
  Client(World& world, Tally& tally, std::uint16_t proxy_port)
      : world_(world), tally_(tally), proxy_port_(proxy_port) {}

  void run(std::size_t first_id, std::size_t count);

 private:
  enum class Outcome : std::uint8_t { Complete, Refused, Cut };
  enum class Go : std::uint8_t { On, Finished };

  void exchange(std::deque<std::size_t> batch);
  std::size_t compose(std::size_t id, Outgoing& out);
  void limit_to_fault(const Plan& plan, std::size_t head_size, Outgoing& out);
  Go take_steps(std::deque<std::size_t>& batch);
  bool start_answer(std::size_t id);
  void take_piece(std::size_t id);
  void end_answer(std::deque<std::size_t>& batch, Outcome outcome);
  void connection_ended(std::deque<std::size_t>& batch, Received how);
  void judge(std::size_t id, Outcome outcome);
  [[nodiscard]] bool may_fail(std::size_t id) const;
  void disconnect(bool reset);

  World& world_;
  Tally& tally_;
  std::uint16_t proxy_port_;
  int fd_ = -1;
  MessageReader reader_;
  // Of the answer that is being read:
  bool begun_ = false;  ///< its head is here
  std::size_t got_ = 0;
  bool same_ = true;
  bool last_of_connection_ = false;  ///< an answer said that no other follows
};

}  // namespace chaos
