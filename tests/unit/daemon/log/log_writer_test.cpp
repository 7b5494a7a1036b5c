#include "daemon/log/log_writer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/unit/text.h"

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using test::has;

constexpr auto kLong = 20s;

/// A folder that is gone with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string operator/(const char* name) const { return path_ + '/' + name; }

 private:
  std::string path_ = (std::filesystem::temp_directory_path() / "keepwarm-test-XXXXXX").string();
};

std::string content_of(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

/// A FIFO whose reader reads when it is told to.
class Fifo {
 public:
  explicit Fifo(std::string path) : path_(std::move(path)) { REQUIRE(::mkfifo(path_.c_str(), 0600) == 0); }
  ~Fifo() {
    if (fd_ >= 0) ::close(fd_);
  }
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  void open() {
    fd_ = ::open(path_.c_str(), O_RDONLY | O_NONBLOCK);
    REQUIRE(fd_ >= 0);
  }
  /// What comes next; nothing if that takes too long.
  std::string read_some() {
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&readable, 1, 20000) != 1) return {};
    char bytes[65536];
    const ssize_t count = ::read(fd_, bytes, sizeof bytes);
    return {bytes, count > 0 ? static_cast<std::size_t>(count) : 0};
  }
  /// Everything until `text` has come.
  std::string read_until(std::string_view text) {
    std::string got;
    while (!has(got, text)) {
      const std::string more = read_some();
      if (more.empty()) break;
      got += more;
    }
    CHECK(has(got, text));
    return got;
  }
  /// How many bytes wait to be read.
  [[nodiscard]] bool has_bytes() const {
    pollfd readable{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&readable, 1, 0) == 1;
  }

 private:
  std::string path_;
  int fd_ = -1;
};

/// A LogWriter and its thread.
class RunningWriter {
 public:
  explicit RunningWriter(const std::string& path) : thread_([this, path] { writer_.run(path); }) {
    const auto failure = writer_.wait_until_open(LogQueue::Clock::now() + kLong);
    REQUIRE(failure);
    failure_ = *failure;
  }
  ~RunningWriter() {
    if (thread_.joinable()) end(0s);
  }
  RunningWriter(const RunningWriter&) = delete;
  RunningWriter& operator=(const RunningWriter&) = delete;

  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] LogWriter& writer() noexcept { return writer_; }
  void put(std::string_view line, LogLevel level = LogLevel::Info) {
    writer_.queue().put(LogQueue::Kind::Message, level, line);
  }
  void put_path(const std::string& path) { writer_.queue().put_path(path); }
  LogEnd end(std::chrono::seconds limit = kLong) {
    const auto deadline = LogQueue::Clock::now() + limit;
    writer_.queue().end(deadline);
    const LogEnd told = writer_.wait_until_ended(deadline + kLong);
    thread_.join();
    return told;
  }
  /// As many lines as make the FIFO and the queue full; their number.
  std::uint64_t put_too_many() {
    const std::string line(1000, 'x');
    const std::uint64_t count = 3 * LogQueue::kMaxBytes / line.size();
    for (std::uint64_t i = 0; i < count; ++i) put(line);
    return count;
  }

 private:
  LogWriter writer_;
  std::thread thread_;
  std::string failure_;
};

/// What has become of the lines of put_too_many(), by what was written.
struct Tally {
  explicit Tally(const std::string& written) {
    std::istringstream lines(written);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t end = line.find(" lines of the log were lost, the first of them at ");
      if (line == std::string(1000, 'x')) {
        ++whole;
      } else if (end != std::string::npos) {
        lost += std::stoull(line.substr(line.rfind(' ', end - 1) + 1));
      }
    }
  }
  std::uint64_t whole = 0;
  std::uint64_t lost = 0;
};

TEST_CASE("lines are appended to the file, in order") {
  const TemporaryFolder folder;
  std::ofstream(folder / "log") << "what was there\n";
  RunningWriter log(folder / "log");
  log.put("one");
  log.put("two", LogLevel::Error);
  CHECK(log.end().lost == 0);
  CHECK(content_of(folder / "log") == "what was there\none\ntwo\n");
}

TEST_CASE("opening the same path again lets a rotated file go, and no line goes to the wrong one") {
  const TemporaryFolder folder;
  RunningWriter log(folder / "log");
  std::filesystem::rename(folder / "log", folder / "log.1");
  log.put("before");
  log.put_path(folder / "log");
  log.put("after");
  CHECK(log.end().lost == 0);
  CHECK(content_of(folder / "log.1") == "before\n");
  CHECK(content_of(folder / "log") == "after\n");
}

TEST_CASE("a file that cannot be opened leaves the old one in use, and that is told there") {
  const TemporaryFolder folder;
  RunningWriter log(folder / "log");
  const std::string missing = folder / "missing/log";
  log.put_path(missing);
  log.put("here");
  CHECK(log.end().lost == 0);
  const std::string written = content_of(folder / "log");
  CHECK(has(written, "here\n"));
  CHECK(has(written,
            "[error] cannot open log file " + missing + ": No such file or directory; the old one stays in use\n"));
}

TEST_CASE("a file that cannot be opened at the start is a failure") {
  const TemporaryFolder folder;
  LogWriter writer;
  writer.run(folder / "missing/log");
  const auto failure = writer.wait_until_open(LogQueue::Clock::now());
  REQUIRE(failure);
  CHECK(has(*failure, "missing/log: No such file or directory"));
}

TEST_CASE("a new log file is not for everybody to read") {
  const TemporaryFolder folder;
  const mode_t before = ::umask(0);
  RunningWriter log(folder / "log");
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat((folder / "log").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0640U);
}

TEST_CASE("a FIFO without a reader keeps lines until one comes") {
  const TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  RunningWriter log(fifo.path());
  CHECK(log.failure().empty());
  log.put("early");
  fifo.open();
  CHECK(fifo.read_until("early\n") == "early\n");
}

TEST_CASE("lines for which there is no room are counted, and told as soon as one gets through") {
  const TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open();
  RunningWriter log(fifo.path());
  const std::uint64_t count = log.put_too_many();
  // A writer that takes the first lines while others are put tells of more than one loss, with lines between.
  std::string got;
  Tally tally(got);
  while (tally.whole + tally.lost < count) {
    const std::string more = fifo.read_some();
    if (more.empty()) break;
    got += more;
    tally = Tally(got);
  }
  CHECK(tally.whole + tally.lost == count);
  CHECK(tally.lost > 0);
  CHECK(count_lines(got) == 0);
}

TEST_CASE("the access log leaves room for messages") {
  LogQueue queue;
  const std::string line(1000, 'x');
  for (std::size_t i = 0; i < 2 * LogQueue::kMaxBytes / line.size(); ++i) {
    queue.put(LogQueue::Kind::Access, LogLevel::Info, line);
  }
  queue.put(LogQueue::Kind::Message, LogLevel::Warn, "important");
  LogBatch batch;
  queue.take(batch);
  CHECK(batch.lost.count > 0);
  CHECK(has(batch.lines, "important"));
}

TEST_CASE("a reader that has stopped holds neither a new log up nor what it did not take") {
  const TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open();
  RunningWriter log(fifo.path());
  const std::string line(1000, 'y');
  for (int i = 0; i < 200; ++i) log.put(line + std::to_string(i));
  log.put_path(folder / "log");
  log.put("last");
  CHECK(log.end().lost == 0);
  const std::string in_file = content_of(folder / "log");
  const std::string in_fifo = fifo.has_bytes() ? fifo.read_until("\n") : std::string();
  CHECK(in_file.ends_with("y199\nlast\n"));
  CHECK(in_file.front() == 'y');
  CHECK(has(in_fifo, line + "0\n"));
  const auto number = [](const std::string& text) { return std::stoi(text.substr(text.find_first_not_of('y'))); };
  const std::string last_in_fifo = in_fifo.substr(0, in_fifo.size() - 1);
  CHECK(number(last_in_fifo.substr(last_in_fifo.rfind('\n') + 1)) + 1 == number(in_file));
}

TEST_CASE("the end does not wait for a reader that has stopped, and says how many lines were lost") {
  const TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open();
  RunningWriter log(fifo.path());
  const std::string line(4095, 'z');  // a page of the pipe with its newline, so that not even a notice fits in
  for (int i = 0; i < 100; ++i) log.put(line);
  const LogEnd end = log.end(0s);
  CHECK(end.writer_ended);
  CHECK(end.lost > 50);
  CHECK(end.lost < 100);
}

TEST_CASE("a full disk holds nothing up: lines are kept, and written to the next file") {
  const TemporaryFolder folder;
  RunningWriter log("/dev/full");
  log.put("kept");
  log.put_path(folder / "log");
  log.put("and on");
  CHECK(log.end().lost == 0);
  CHECK(content_of(folder / "log").starts_with("kept\n"));
  CHECK(has(content_of(folder / "log"), "\nand on\n"));  // a notice may stand between the two
  CHECK(has(content_of(folder / "log"), "[warning] the log could not be written for 0."));
  CHECK(has(content_of(folder / "log"), " s: No space left on device\n"));
}

TEST_CASE("at the end a full disk is not waited for") {
  RunningWriter log("/dev/full");
  log.put("lost");
  const auto began = LogQueue::Clock::now();
  CHECK(log.end(30s).lost == 1);
  CHECK(LogQueue::Clock::now() - began < kLong);
}

TEST_CASE("lines that are longer than a pipe takes at once arrive whole") {
  const TemporaryFolder folder;
  Fifo fifo(folder / "fifo");
  fifo.open();
  RunningWriter log(fifo.path());
  const std::string line(100'000, 'l');
  log.put(line);
  log.put("after");
  CHECK(fifo.read_until("after\n") == line + "\nafter\n");
}

}  // namespace
}  // namespace keepwarm::daemon
