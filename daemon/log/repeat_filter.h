#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keepwarm::daemon {

/// Keeps a line that repeats from filling the log: after it was written once it is only counted for kInterval, and the
/// next one says how often it came. Lines that differ in any byte are different ones, and none of those is ever held
/// back. It remembers the last kMost of them. A value, which reads no clock.
class RepeatFilter {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kInterval{10};
  static constexpr std::size_t kMost = 64;

  /// What is to be written for a line that has come: itself, perhaps with " (and 37 more in the last 12 s)"; nullopt:
  /// nothing now.
  [[nodiscard]] std::optional<std::string> admit(std::string_view line, TimePoint now);
  /// Lines that came again but have not been written for kInterval, with their counts. To be asked now and then, and
  /// at the end with `all`, since they may never come again.
  [[nodiscard]] std::vector<std::string> take_due(TimePoint now, bool all = false);

 private:
  struct Line {
    std::string text;
    TimePoint written_at{};
    std::uint64_t held_back = 0;
  };

  std::vector<Line> lines_;
};

}  // namespace keepwarm::daemon
