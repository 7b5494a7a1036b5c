#include "daemon/log/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <fmt/format.h>
#include <system_error>
#include <utility>

namespace keepwarm::daemon {

namespace {

using Clock = LogQueue::Clock;
using namespace std::chrono_literals;

constexpr int kRoomMilliseconds = 50;
/// After an error that only somebody else can mend: a full disk, say.
constexpr auto kRetryAfter = 250ms;
/// A log that is full for longer is left when there is another one.
constexpr auto kPatience = 200ms;
/// A shorter wait for room is no news.
constexpr auto kLongWait = 1s;

/// The numbers of syslog(3).
char priority_of(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::Error: return '3';
    case LogLevel::Warn: return '4';
    case LogLevel::Debug:
    case LogLevel::Trace: return '7';
    default: return '6';
  }
}

/// Lines of a LogBatch as they are written.
void style(std::string& out, std::string_view lines, bool with_priorities) {
  out.clear();
  while (!lines.empty()) {
    const auto end = std::find_if(lines.begin(), lines.end(), ends_line);
    const std::string_view line = lines.substr(0, static_cast<std::size_t>(end - lines.begin()));
    if (with_priorities) {
      out += '<';
      out += priority_of(static_cast<LogLevel>(*end));
      out += '>';
    }
    out.append(line);
    out += '\n';
    lines.remove_prefix(line.size() + 1);
  }
}

/// Without the first `count` lines.
std::string_view without_first(std::string_view lines, std::uint64_t count) noexcept {
  for (; count > 0 && !lines.empty(); --count) {
    const auto end = std::find_if(lines.begin(), lines.end(), ends_line);
    lines.remove_prefix(static_cast<std::size_t>(end - lines.begin()) + 1);
  }
  return lines;
}

std::string text_of(int error) {
  return error == EAGAIN ? "nobody reads it fast enough" : std::generic_category().message(error);
}

}  // namespace

void LogWriter::run(const std::string& path) {
  auto first = LogOutlet::open(path);
  if (!first) return opened(first.failure().text);
  outlet_ = std::move(first).value();
  path_ = path;
  opened({});
  LogBatch batch;
  do {
    queue_.take(batch);
    const std::string_view lines = batch.lines;
    next_path_ = std::move(batch.path);
    const std::size_t for_old = next_path_ ? batch.path_from : lines.size();
    write(lines.substr(0, for_old));
    if (next_path_) switch_to(*std::exchange(next_path_, std::nullopt));
    write(lines.substr(for_old));
    tell_lost(batch.lost);
    while (!notices_.empty()) write(std::exchange(notices_, {}));
  } while (!batch.ended);
  tell_given_up();
  ended();
}

// ---- Writing ----

/// Returns when all lines are written, or given up at the end.
void LogWriter::write(std::string_view lines) {
  std::uint64_t written_lines = 0;
  style(styled_, lines, outlet_.is_journal());
  std::string_view rest = styled_;
  while (!rest.empty()) {
    const ssize_t taken = giving_up_ ? -EAGAIN : outlet_.write(rest);
    if (taken > 0) {
      const std::string_view done = rest.substr(0, static_cast<std::size_t>(taken));
      written_lines += static_cast<std::uint64_t>(std::count(done.begin(), done.end(), '\n'));
      within_line_ = done.back() != '\n';
      rest.remove_prefix(done.size());
      if (trouble_) got_through();
      continue;
    }
    const auto error = static_cast<int>(-taken);
    if (!trouble_ || (error != EAGAIN && trouble_->error != error)) begin_trouble(error);
    if (const auto path = path_to_try()) {
      // What the old log does not take goes to the new one, from the beginning of a line on.
      switch_to(*path);
      lines = without_first(lines, std::exchange(written_lines, 0));
      style(styled_, lines, outlet_.is_journal());
      rest = styled_;
    } else if (!wait_after(error)) {
      given_up_ += count_lines(without_first(lines, written_lines));
      return;
    }
  }
}

/// Where to go on, since the log takes nothing. A reader that is only slow gets some time before.
std::optional<std::string> LogWriter::path_to_try() {
  const auto now = Clock::now();
  const auto deadline = queue_.deadline();
  const bool ends = deadline && now >= *deadline;
  if (trouble_->error == EAGAIN && !ends && now < trouble_->since + kPatience) return std::nullopt;
  if (auto newest = queue_.take_path()) {
    next_path_.reset();
    return newest;
  }
  return std::exchange(next_path_, std::nullopt);
}

/// False: nothing more is tried, for the end has come.
bool LogWriter::wait_after(int error) {
  const bool no_room = error == EAGAIN;
  const auto deadline = queue_.deadline();
  if (giving_up_ || (deadline && (!no_room || Clock::now() >= *deadline))) {
    giving_up_ = true;
    return false;
  }
  if (no_room) {
    outlet_.wait_for_room(kRoomMilliseconds);
  } else {
    queue_.wait_for_news(kRetryAfter);
  }
  return true;
}

void LogWriter::switch_to(const std::string& path) {
  auto next = LogOutlet::open(path);
  if (!next) return note(LogLevel::Error, next.failure().text + "; the old one stays in use");
  outlet_ = std::move(next).value();
  path_ = path;
  within_line_ = false;
}

// ---- What it says itself ----

/// Is written when the lines at hand are.
void LogWriter::note(LogLevel level, std::string_view message) {
  append_message(notices_, format(), level, std::chrono::system_clock::now(), message);
  notices_ += end_of_line(level);
}

void LogWriter::begin_trouble(int error) {
  trouble_ = Trouble{error, trouble_ ? trouble_->since : Clock::now()};
  why_lost_ = text_of(error);
  if (error == EAGAIN || path_ == "-") return;
  std::string line;
  append_message(line, format(), LogLevel::Error, std::chrono::system_clock::now(),
                 "cannot write to the log file " + path_ + ": " + why_lost_);
  tell_standard_error(line + '\n');
}

void LogWriter::got_through() {
  const auto lasted = std::chrono::duration<double>(Clock::now() - trouble_->since);
  const int error = std::exchange(trouble_, std::nullopt)->error;
  if (error == EAGAIN && lasted < kLongWait) return;
  note(LogLevel::Warn, fmt::format("the log could not be written for {:.1f} s: {}", lasted.count(), text_of(error)));
}

void LogWriter::tell_lost(const LostLines& lost) {
  if (lost.count == 0) return;
  std::string message = fmt::format("{} lines of the log were lost, the first of them at ", lost.count);
  append_time(message, lost.since);
  if (!why_lost_.empty()) message += ": " + why_lost_;
  note(LogLevel::Warn, message);
}

/// The last thing that is tried. If it fails, whoever waits for the end is told.
void LogWriter::tell_given_up() {
  if (given_up_ == 0) return;
  std::string line;
  append_message(line, format(), LogLevel::Warn, std::chrono::system_clock::now(), lost_at_the_end(given_up_));
  line += end_of_line(LogLevel::Warn);
  style(styled_, line, outlet_.is_journal());
  if (within_line_) styled_.insert(0, 1, '\n');
  if (outlet_.write(styled_) > 0) given_up_ = 0;
}

// ---- From other threads ----

void LogWriter::opened(std::string failure) {
  const std::lock_guard lock(mutex_);
  open_failure_ = std::move(failure);
  changed_.notify_all();
}

void LogWriter::ended() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
  changed_.notify_all();
}

std::optional<std::string> LogWriter::wait_until_open(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [this] { return open_failure_.has_value(); });
  return open_failure_;
}

LogEnd LogWriter::wait_until_ended(Clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_until(lock, deadline, [this] { return ended_; });
  return {in_time, in_time ? given_up_ : queue_.lines()};
}

std::string lost_at_the_end(std::uint64_t lines) {
  return fmt::format("{} lines of the log were lost at the end", lines);
}

}  // namespace keepwarm::daemon
