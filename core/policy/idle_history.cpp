#include "core/policy/idle_history.h"

#include <algorithm>

namespace keepwarm::policy {

namespace {

using namespace std::chrono_literals;

/// A close sooner after an answer is no idle timeout.
constexpr Duration kMinAge = 250ms;
/// Closes of clearly different ages that come within this time of each other are no idle timeouts.
constexpr std::int32_t kBurstMs = 250;
/// A close that so many idle periods contradict is dropped.
constexpr std::uint32_t kContradictions = 4;
constexpr std::int32_t kForgetAfterMs = 60 * 60 * 1000;
constexpr int kLongestPauseMin = 10;
/// Until so many closes are known lapse tests follow one another without a pause.
constexpr int kEnough = 3;

using Step = std::chrono::duration<std::uint32_t, std::ratio<1, 10'000>>;

constexpr Duration from_steps(std::uint32_t steps) noexcept {
  return std::chrono::duration_cast<Duration>(Step(steps));
}

constexpr std::uint32_t to_steps(Duration age) noexcept {
  constexpr Duration kMost = 24h;
  return static_cast<std::uint32_t>(std::min(age, kMost) / from_steps(1));
}

constexpr bool clearly_differ(std::uint32_t one, std::uint32_t other) noexcept {
  return clearly_longer(from_steps(std::max(one, other)), from_steps(std::min(one, other)));
}

std::uint32_t folded(std::uint64_t address) noexcept {
  return static_cast<std::uint32_t>(address ^ (address >> 32U));
}

std::uint32_t stamp(TimePoint at) noexcept {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
}

/// In milliseconds; negative if `from` is the later one, as observations of other threads may be.
std::int32_t elapsed(std::uint32_t from, std::uint32_t to) noexcept {
  return static_cast<std::int32_t>(to - from);
}

bool coincide(std::uint32_t one, std::uint32_t other) noexcept {
  const std::int32_t between = elapsed(one, other);
  return between <= kBurstMs && between >= -kBurstMs;
}

}  // namespace

void IdleHistory::closed(const IdlePeriod& period, Duration margin) noexcept {
  if (period.lapse_test) lapse_test_ended(period, true);
  if (period.age < kMinAge) return;
  const Close close{folded(period.address), to_steps(period.age), stamp(period.ended), 0};
  contradict(period.age, close.address);  // it outlived the closes at younger ages
  invalidate_survival(std::max(period.age - margin, Duration::zero()));
  forget_old(period.ended);
  if (!is_of_burst(close)) add(close);
  update();
}

void IdleHistory::note_survival(const IdlePeriod& period) noexcept {
  if (period.lapse_test) lapse_test_ended(period, false);
  seen_open(period.age);
  Duration age = period.age;
  for (Duration& longest : longest_) {
    if (age > longest) std::swap(age, longest);
  }
  contradict(period.age, folded(period.address));
  update();
}

void IdleHistory::contradict(Duration age, std::uint32_t address) noexcept {
  for (Close& close : closes_) {
    if (close.age == 0 || close.address != address || !clearly_longer(age, from_steps(close.age))) continue;
    if (++close.contradicted >= kContradictions) close = {};
  }
}

void IdleHistory::invalidate_survival(Duration age) noexcept {
  proved_ = std::min(proved_, age);
  for (Duration& longest : longest_) longest = std::min(longest, age);
  update();  // survivals of ages above the new threshold count again
}

bool IdleHistory::is_of_burst(const Close& close) noexcept {
  bool burst = bursting_ && coincide(burst_at_, close.at);
  const auto closed_together = [&close](const Close& other) {
    return other.age != 0 && other.address == close.address && coincide(other.at, close.at);
  };
  for (const Close& other : closes_) burst = burst || (closed_together(other) && clearly_differ(other.age, close.age));
  if (!burst) return false;
  for (Close& other : closes_) {
    if (closed_together(other)) other = {};
  }
  bursting_ = true;
  burst_at_ = close.at;
  return true;
}

void IdleHistory::add(const Close& close) noexcept {
  for (Close& other : closes_) {
    if (other.address == close.address && !clearly_differ(other.age, close.age)) other.contradicted = 0;
  }
  victim() = close;
}

/// The entry that is overwritten: an empty one; else the oldest of the address that has the most, so that a busy server
/// does not push out the others.
IdleHistory::Close& IdleHistory::victim() noexcept {
  const auto of_address = [this](const Close& close) {
    return std::count_if(closes_.begin(), closes_.end(),
                         [&close](const Close& other) { return other.address == close.address; });
  };
  const auto goes_first = [&of_address](const Close& one, const Close& other) {
    if ((one.age == 0) != (other.age == 0)) return one.age == 0;
    const auto count = of_address(one);
    const auto other_count = of_address(other);
    return count != other_count ? count > other_count : elapsed(one.at, other.at) > 0;
  };
  return *std::min_element(closes_.begin(), closes_.end(), goes_first);
}

void IdleHistory::forget_old(TimePoint now) noexcept {
  const std::uint32_t now_ms = stamp(now);
  for (Close& close : closes_) {
    if (close.age != 0 && elapsed(close.at, now_ms) > kForgetAfterMs) close = {};
  }
}

void IdleHistory::update() noexcept {
  learned_ = Duration::max();
  for (const Close& close : closes_) {
    if (close.age != 0) learned_ = std::min(learned_, from_steps(close.age));
  }
  threshold_ = std::min(longest_.back(), learned_);
}

bool IdleHistory::may_test_lapse(TimePoint now) noexcept {
  if (testing_lapse_ || (now < next_lapse_test_ && !knows_little())) return false;
  forget_old(now);
  update();
  return learned().has_value();
}

/// One close may be a restart's, or a tick of a coarse timer above the timeout.
bool IdleHistory::knows_little() const noexcept {
  return std::count_if(closes_.begin(), closes_.end(), [](const Close& close) { return close.age != 0; }) < kEnough;
}

void IdleHistory::lapse_test_begun(TimePoint now) noexcept {
  testing_lapse_ = true;
  next_lapse_test_ = now + std::chrono::minutes(lapse_test_pause_min_);
}

void IdleHistory::lapse_test_ended(const IdlePeriod& period, bool closed) noexcept {
  testing_lapse_ = false;
  if (learned() && clearly_longer(period.age, learned_)) {
    lapse_test_pause_min_ = 1;
    next_lapse_test_ = period.ended;  // the timeout seems to be longer now: the next test may begin at once
  } else if (closed) {
    lapse_test_pause_min_ = static_cast<std::uint8_t>(std::min(2 * lapse_test_pause_min_, kLongestPauseMin));
    next_lapse_test_ = period.ended + std::chrono::minutes(lapse_test_pause_min_);
  }
}

}  // namespace keepwarm::policy
