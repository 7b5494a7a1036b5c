#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace keepwarm::bench {

/// Counts of durations in nanoseconds, in buckets at most 1/128 wide (under 0.8 %), from 0 to centuries.
class Histogram {
 public:
  void add(std::int64_t nanoseconds) {
    ++counts_[bucket(nanoseconds < 0 ? 0U : static_cast<std::uint64_t>(nanoseconds))];
    ++total_;
  }

  void clear() {
    counts_.fill(0);
    total_ = 0;
  }

  [[nodiscard]] std::uint64_t total() const { return total_; }

  /// In microseconds, the upper edge of the bucket that holds it; 0 when nothing was counted.
  [[nodiscard]] double percentile(double percent) const {
    const double rank = percent / 100.0 * static_cast<double>(total_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && static_cast<double>(seen) >= rank) return static_cast<double>(upper_edge(i)) / 1000.0;
    }
    return 0;
  }

 private:
  static constexpr unsigned kBits = 7;  // of precision
  static constexpr std::size_t kHalf = std::size_t{1} << kBits;

  static std::size_t bucket(std::uint64_t value) {
    if (value < 2 * kHalf) return static_cast<std::size_t>(value);
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - kBits - 1;
    return shift * kHalf + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t upper_edge(std::size_t index) {
    if (index < 2 * kHalf) return index;
    const std::size_t shift = index / kHalf - 1;
    return ((index - shift * kHalf + 1) << shift) - 1;
  }

  std::array<std::uint64_t, (64 - kBits) * kHalf + kHalf> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace keepwarm::bench
