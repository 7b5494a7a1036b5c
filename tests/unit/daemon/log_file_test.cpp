#include "daemon/log_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

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

TEST_CASE("lines are appended to the file") {
  const TemporaryFolder folder;
  std::ofstream(folder / "log") << "what was there\n";
  LogFile log;
  CHECK(log.open(folder / "log").empty());
  log.write("one\n");
  log.write("two\n");
  CHECK(content_of(folder / "log") == "what was there\none\ntwo\n");
}

TEST_CASE("opening the same path again lets a rotated file go") {
  const TemporaryFolder folder;
  LogFile log;
  CHECK(log.open(folder / "log").empty());
  log.write("before\n");
  std::filesystem::rename(folder / "log", folder / "log.1");
  log.write("still the old one\n");
  CHECK(log.open(folder / "log").empty());
  log.write("after\n");
  CHECK(content_of(folder / "log.1") == "before\nstill the old one\n");
  CHECK(content_of(folder / "log") == "after\n");
}

TEST_CASE("a file that cannot be opened leaves the old one in use, and says why") {
  const TemporaryFolder folder;
  LogFile log;
  CHECK(log.open(folder / "log").empty());
  const std::string missing = folder / "missing/log";
  CHECK(log.open(missing) == "cannot open log file " + missing + ": No such file or directory");
  log.write("here\n");
  CHECK(content_of(folder / "log") == "here\n");
}

TEST_CASE("a new log file is not for everybody to read") {
  const TemporaryFolder folder;
  const mode_t before = ::umask(0);
  LogFile log;
  CHECK(log.open(folder / "log").empty());
  ::umask(before);
  struct stat status {};
  REQUIRE(::stat((folder / "log").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0640U);
}

TEST_CASE("a dash is standard error, which is never closed") {
  const TemporaryFolder folder;
  const int kept = ::dup(STDERR_FILENO);
  REQUIRE(::freopen((folder / "stderr").c_str(), "w", stderr) != nullptr);
  {
    LogFile log;
    log.write("at first\n");
    CHECK(log.open(folder / "log").empty());
    log.write("elsewhere\n");
    CHECK(log.open("-").empty());
    log.write("and back\n");
  }
  LogFile().write("and on\n");
  ::dup2(kept, STDERR_FILENO);
  ::close(kept);
  CHECK(content_of(folder / "stderr") == "at first\nand back\nand on\n");
  CHECK(content_of(folder / "log") == "elsewhere\n");
}

TEST_CASE("a file that takes nothing does not stop the writer") {
  LogFile log;
  CHECK(log.open("/dev/full").empty());
  log.write("lost\n");
  const TemporaryFolder folder;
  CHECK(log.open(folder / "log").empty());
  log.write("kept\n");
  CHECK(content_of(folder / "log") == "kept\n");
}

}  // namespace
}  // namespace keepwarm::daemon
