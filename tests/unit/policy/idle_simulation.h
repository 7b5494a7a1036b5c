#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "core/base/clock.h"
#include "core/policy/close_risk_estimator.h"
#include "core/policy/settings.h"

/// Clients of servers that close idle connections, on a clock of their own: what becomes of their requests under the
/// policy of this folder, and under what others do. The policy is the real one; the pool and TCP are small models.
///
/// The pool: a stack of connections, one exchange on each at a time. TCP: each packet takes `latency`, and up to a
/// fifth more; none overtakes another. A server's FIN leaves `timeout` after its last answer unless a request comes
/// before, and what comes after it is never read. Answers take no time. The smoothed round trip is reckoned as Linux
/// does.
namespace keepwarm::policy::simulation {

/// Numbers in [0, 1) that are the same with every library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  double roll() { return static_cast<double>(engine_() >> 11U) * 0x1p-53; }
  Duration between(Duration least, Duration most);

 private:
  std::mt19937_64 engine_;
};

struct Request {
  Duration gap;  ///< since the one before was answered; with `overlapping`, since it came
  bool post;
};

struct Scene {
  Duration timeout;  ///< of the server
  Duration latency;  ///< one way
  double dies = 0;   ///< this share of the requests is read, and then the connection is closed without an answer
  bool overlapping = false;
  std::vector<Request> requests{};
};

/// What a client does.
struct Conduct {
  enum class Kind : std::uint8_t {
    Keepwarm,
    Alone,  ///< keepwarm where no host knows of the others
    Fixed,  ///< reuses what has been idle for less than settings.idle_timeout, and closes it then
    Oracle  ///< knows when the server will close, and whether a request will be in time
  };
  Kind kind = Kind::Keepwarm;
  HostSettings settings;
};

struct Tally {
  std::uint64_t requests = 0;
  std::uint64_t posts = 0;
  std::uint64_t opened = 0;
  std::uint64_t retries = 0;
  std::uint64_t closes_seen = 0;
  std::uint64_t get_failures = 0;
  std::uint64_t post_failures = 0;       ///< those that the server read and did not answer apart
  std::uint64_t late_post_failures = 0;  ///< those of them after three closes of the same server
  std::uint64_t posts_executed_twice = 0;

  Tally& operator+=(const Tally& other);
};

struct Server {
  Scene scene;
  std::uint64_t seed = 0;  ///< of the packets
};

/// `prior`: what those before have told, and what this one adds to it.
[[nodiscard]] Tally simulate(const Server& server, const Conduct& conduct, CloseRiskEstimator& prior);
/// All of them at the same time.
[[nodiscard]] Tally simulate(std::span<const Server> servers, const Conduct& conduct, CloseRiskEstimator& prior);

}  // namespace keepwarm::policy::simulation
