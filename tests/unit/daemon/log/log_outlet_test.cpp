#include "daemon/log/log_outlet.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

/// Standard error is another file while it lives.
class StandardError {
 public:
  explicit StandardError(int fd) : kept_(::dup(STDERR_FILENO)) { ::dup2(fd, STDERR_FILENO); }
  ~StandardError() {
    ::dup2(kept_, STDERR_FILENO);
    ::close(kept_);
  }
  StandardError(const StandardError&) = delete;
  StandardError& operator=(const StandardError&) = delete;

 private:
  int kept_;
};

/// $JOURNAL_STREAM while it lives.
class JournalStream {
 public:
  explicit JournalStream(const std::string& value) { ::setenv("JOURNAL_STREAM", value.c_str(), 1); }
  ~JournalStream() { ::unsetenv("JOURNAL_STREAM"); }
  JournalStream(const JournalStream&) = delete;
  JournalStream& operator=(const JournalStream&) = delete;
};

std::string identity_of(int fd) {
  struct stat there {};
  REQUIRE(::fstat(fd, &there) == 0);
  return std::to_string(there.st_dev) + ':' + std::to_string(there.st_ino);
}

TEST_CASE("only a standard error that is the journal's very stream is the journal") {
  int pair[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK_FALSE(is_journal_stream(pair[0]));
  for (const std::string& wrong : {identity_of(pair[1]), std::string("1"), std::string(), identity_of(pair[0]) + "0"}) {
    const JournalStream variable(wrong);
    CHECK_FALSE(is_journal_stream(pair[0]));
  }
  const JournalStream variable(identity_of(pair[0]));
  CHECK(is_journal_stream(pair[0]));
  {
    const StandardError socket(pair[0]);
    CHECK(LogOutlet().is_journal());
  }
  CHECK_FALSE(LogOutlet().is_journal());
  ::close(pair[0]);
  ::close(pair[1]);
}

TEST_CASE("standard error is not waited for, whatever it is, and stays as others left it") {
  int ends[2];
  SUBCASE("a pipe") {
    REQUIRE(::pipe(ends) == 0);
  }
  SUBCASE("a socket") {
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  }
  ssize_t last = 0;
  {
    const StandardError full(ends[1]);
    const LogOutlet outlet;
    const std::string line = std::string(999, 'x') + '\n';
    for (int i = 0; i < 10'000 && last >= 0; ++i) last = outlet.write(line);
  }
  CHECK(last == -EAGAIN);
  CHECK((::fcntl(ends[1], F_GETFL) & O_NONBLOCK) == 0);
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("a standard error without a reader is an error") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const StandardError broken(ends[1]);
  ::signal(SIGPIPE, SIG_IGN);
  CHECK(LogOutlet().write("x\n") == -EPIPE);
  ::close(ends[1]);
}

}  // namespace
}  // namespace keepwarm::daemon
