#include "daemon/log/repeat_filter.h"

#include <algorithm>
#include <utility>

namespace keepwarm::daemon {

namespace {

std::string with_count(const std::string& text, std::uint64_t more, RepeatFilter::TimePoint::duration time) {
  if (more == 0) return text;
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(time).count();
  return text + " (and " + std::to_string(more) + " more in the last " + std::to_string(seconds) + " s)";
}

}  // namespace

std::optional<std::string> RepeatFilter::admit(std::string_view line, TimePoint now) {
  const auto known = std::find_if(lines_.begin(), lines_.end(), [line](const Line& each) { return each.text == line; });
  if (known != lines_.end()) {
    if (now - known->written_at < kInterval) {
      ++known->held_back;
      return std::nullopt;
    }
    const auto since = now - std::exchange(known->written_at, now);
    return with_count(known->text, std::exchange(known->held_back, 0), since);
  }
  if (lines_.size() < kMost) {
    lines_.push_back({std::string(line), now, 0});
    return std::string(line);
  }
  // The one whose count would be missed least.
  const auto least = std::min_element(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) {
    return std::pair(a.held_back, a.written_at) < std::pair(b.held_back, b.written_at);
  });
  if (least->held_back == 0) *least = {std::string(line), now, 0};
  return std::string(line);
}

std::vector<std::string> RepeatFilter::take_due(TimePoint now, bool all) {
  std::vector<std::string> due;
  for (Line& line : lines_) {
    const auto since = now - line.written_at;
    if (line.held_back == 0 || (!all && since < kInterval)) continue;
    due.push_back(with_count(line.text, std::exchange(line.held_back, 0), since));
    line.written_at = now;
  }
  return due;
}

}  // namespace keepwarm::daemon
