#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "core/base/clock.h"

/// What the closes of its connections have shown of a server's idle timeout (core/doc/design.md §6.3). No server has to
/// announce that, and most do not.
///
/// **The estimate.** Each idle period of a connection ends in one of two ways. The server closes it at some age: that
/// is its timeout, measured (its FIN reaches us at exactly that age: both delays cancel). Or it is leased, or closed by
/// us: then the timeout is at least that age, a right-censored lifetime. Usual estimators of such data (Kaplan and
/// Meier, J. Am. Stat. Assoc. 53, 1958) ask for the distribution. Here it is nearly always one number, and one failure
/// costs more than many connections, so what is followed is the lower edge: `learned()` is the smallest age of the last
/// closes. The first close counts at once.
///
/// **What is no idle timeout** (RFC 9112 §9.5: a server may close at any time). A close less than 250 ms after an
/// answer: a request limit, or a `close` that was not said. Closes of clearly different ages at one moment and one
/// address: the server restarts. Each close of such a burst is ignored, and those that counted already are retracted.
///
/// **How it grows again.** Once the timeout is known we close first (§6.3), and closes are not seen any more. So now
/// and then a connection whose time is over is left to lapse, as a test. A connection that outlived a close (25 % and
/// 250 ms longer, on the same address) contradicts it; after four contradictions without another close of that age the
/// close is dropped. So a timeout that was raised is found in a few minutes, and a lone close by a restart is
/// forgotten; servers of different timeouts at different addresses do not contradict each other. A close that was not
/// seen again for an hour is forgotten, too: its address may be gone. Without any close `survived()` grows: what three
/// connections lived through replaces the assumption.
///
/// **Where it fails.**
/// * Servers of different timeouts behind one address: those that keep connections longer contradict the others. What
///   was learned swings, and each time that the lower timeout was dropped a request may meet its close. If closes of
///   both coincide by chance, they look like a restart.
/// * A FIN or RST that is lost, or a NAT that drops silently: nothing is seen. The silence is found by other means.
/// * A NAT or balancer with a timeout of its own that says so with RST: learned as the server's, which serves as well.
/// * Timers that tick coarsely (gunicorn checks once a second): closes scatter over one tick above the timeout. Of
///   several the smallest is near the lower edge; the first may be a tick above it: `idle_margin` is for that.
/// * A restart with only one idle connection is taken for a timeout until it was contradicted: connections are closed
///   early meanwhile. A timeout that was lowered is found by the first close; that may be a failure.
/// * A timeout under 250 ms is never learned.
namespace keepwarm::policy {

/// How an idle period of one connection ended, in this worker or in another one.
struct IdlePeriod {
  Duration age;           ///< from the last response byte received to its end
  std::uint64_t address;  ///< any hash of the server's address
  TimePoint ended;
  bool lapse_test = false;  ///< the connection was left to lapse after lapse_test_begun()
};

/// Whether two idle ages differ by more than they do by chance: by more than 250 ms, and by more than a quarter.
[[nodiscard]] constexpr bool clearly_longer(Duration age, Duration than) noexcept {
  return age - than > std::chrono::milliseconds(250) && age - than > than / 4;
}

/// One for each pool key; a plain value of about 200 bytes that owns nothing and reads no clock.
class IdleHistory {
 public:
  /// The server closed (FIN, RST or 408) a connection that was idle; also a stale failure, with the age at which the
  /// end was seen, unless the server had read the request. `margin` (HostSettings::idle_margin): a close disproves
  /// longer ages, and those that are shorter than its own by less than this.
  void closed(const IdlePeriod& period, Duration margin) noexcept;

  /// The connection was still open when its idle period ended: a request on it was answered, or we closed it. Once for
  /// each period. Nearly always costs two comparisons.
  void survived(const IdlePeriod& period) noexcept {
    if (would_change(period.age) || period.lapse_test) note_survival(period);
  }
  /// Whether a survival of this age, unless it is a lapse test's, would change anything.
  [[nodiscard]] bool would_change(Duration age) const noexcept { return age > threshold_; }

  /// A connection was found dead at some age, and nobody knows when it had ended, or why: nothing is learned of it, but
  /// longer ages than this are not proved any more.
  void invalidate_survival(Duration age) noexcept;

  /// A connection is open at this age, and its idle period goes on: proves the age for younger ones.
  void seen_open(Duration age) noexcept {
    if (age > proved_) proved_ = age;
  }

  /// The server's idle timeout, as far as closes tell; nullopt: none was seen, or they were contradicted.
  [[nodiscard]] std::optional<Duration> learned() const noexcept {
    return learned_ == Duration::max() ? std::nullopt : std::optional(learned_);
  }
  /// The longest idle age of any connection that was seen open, and that no close disproved.
  [[nodiscard]] Duration proved() const noexcept { return proved_; }
  /// The age that three connections have reached (the third-longest); zero: fewer have.
  [[nodiscard]] Duration survived() const noexcept { return longest_[kSurvivals - 1]; }

  /// Whether a connection whose time is over, because learned() limits it, should be left to lapse instead of being
  /// closed. Never two at a time; once three closes are known there is a pause between tests, of a minute at first and
  /// of up to ten while each test confirms what is known. The connection may serve only replayable requests. However
  /// its idle period ends, that must be reported with `lapse_test` set.
  [[nodiscard]] bool may_test_lapse(TimePoint now) noexcept;
  void lapse_test_begun(TimePoint now) noexcept;

 private:
  static constexpr std::size_t kCloses = 8;
  static constexpr std::size_t kSurvivals = 3;
  /// Milliseconds of the clock, modulo 2^32: differences count.
  using Stamp = std::uint32_t;

  struct Close {
    std::uint32_t address = 0;
    std::uint32_t age = 0;  ///< in steps of 100 µs, rounded down; 0: no entry
    Stamp at = 0;
    std::uint32_t contradicted = 0;  ///< how many idle periods did, since a close of about this age was seen last
  };

  void note_survival(const IdlePeriod& period) noexcept;
  void contradict(Duration age, std::uint32_t address) noexcept;
  [[nodiscard]] bool is_of_burst(const Close& close) noexcept;
  void add(const Close& close) noexcept;
  [[nodiscard]] Close& victim() noexcept;
  void forget_old(TimePoint now) noexcept;
  [[nodiscard]] bool knows_little() const noexcept;
  void lapse_test_ended(const IdlePeriod& period, bool closed) noexcept;
  void update() noexcept;

  std::array<Close, kCloses> closes_{};
  std::array<Duration, kSurvivals> longest_{};  ///< survived ages of different idle periods, the longest first
  Duration learned_ = Duration::max();          ///< the smallest of closes_
  Duration threshold_{};                        ///< survivals up to here change nothing
  Duration proved_{};
  TimePoint next_lapse_test_{};
  Stamp burst_at_ = 0;  ///< the last close of a burst
  std::uint8_t lapse_test_pause_min_ = 1;
  bool bursting_ = false;  ///< there was a burst: burst_at_ is set
  bool testing_lapse_ = false;
};

static_assert(sizeof(IdleHistory) <= 200, "one for each of 10,000 hosts");

}  // namespace keepwarm::policy
