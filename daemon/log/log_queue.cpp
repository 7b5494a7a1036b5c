#include "daemon/log/log_queue.h"

#include <algorithm>
#include <utility>

namespace keepwarm::daemon {

namespace {

/// After a batch the writer waits so long for further lines before it goes to sleep. Under load it then finds several
/// at once, and nobody has to wake it.
constexpr std::chrono::microseconds kLinger{200};

}  // namespace

std::uint64_t count_lines(std::string_view lines) noexcept {
  return static_cast<std::uint64_t>(std::count_if(lines.begin(), lines.end(), ends_line));
}

LogQueue::LogQueue() {
  pending_.lines.reserve(kMaxBytes);
}

void LogQueue::put(Kind kind, LogLevel level, std::string_view line) {
  std::unique_lock lock(mutex_);
  const std::size_t limit = kind == Kind::Access ? kMaxAccessBytes : kMaxBytes;
  if (pending_.lines.size() + line.size() + 1 > limit) {
    if (pending_.lost.count++ == 0) pending_.lost.since = std::chrono::system_clock::now();
    return;
  }
  pending_.lines.append(line);
  pending_.lines += end_of_line(level);
  const bool wake = std::exchange(writer_sleeps_, false);
  lock.unlock();
  if (wake) wake_.notify_one();
}

void LogQueue::put_path(std::string path) {
  std::unique_lock lock(mutex_);
  if (!pending_.path) pending_.path_from = pending_.lines.size();
  pending_.path = std::move(path);
  wake_for_news(std::move(lock));
}

void LogQueue::end(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  deadline_ = deadline;
  wake_for_news(std::move(lock));
}

std::uint64_t LogQueue::lines() {
  const std::lock_guard lock(mutex_);
  return count_lines(pending_.lines) + pending_.lost.count;
}

void LogQueue::wake_for_news(std::unique_lock<std::mutex> lock) {
  news_ = true;
  writer_sleeps_ = false;
  lock.unlock();
  wake_.notify_one();
}

void LogQueue::take(LogBatch& batch) {
  batch.lines.clear();
  batch.lines.reserve(kMaxBytes);
  batch.path.reset();
  batch.lost = {};
  std::unique_lock lock(mutex_);
  if (!has_work()) wake_.wait_for(lock, kLinger, [this] { return news_.load(); });
  if (!has_work()) {
    writer_sleeps_ = true;
    wake_.wait(lock, [this] { return has_work(); });
  }
  writer_sleeps_ = false;
  news_ = false;
  std::swap(batch, pending_);
  batch.ended = deadline_.has_value();
}

std::optional<std::string> LogQueue::take_path() {
  const std::lock_guard lock(mutex_);
  news_ = deadline_.has_value();
  return std::exchange(pending_.path, std::nullopt);
}

void LogQueue::wait_for_news(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  wake_.wait_for(lock, time, [this] { return news_.load(); });
}

std::optional<LogQueue::Clock::time_point> LogQueue::deadline() {
  const std::lock_guard lock(mutex_);
  return deadline_;
}

}  // namespace keepwarm::daemon
