#include "daemon/systemd.h"

#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

namespace keepwarm::daemon {
namespace {

/// An environment variable that is unset at the end.
class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Variable() { ::unsetenv(name_); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
};

/// The service manager's end. `name`: a path, or '@' and an abstract name.
class Manager {
 public:
  explicit Manager(const std::string& name) : name_(name), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(name.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    REQUIRE(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }
  ~Manager() {
    ::close(fd_);
    if (name_.front() == '/') ::unlink(name_.c_str());
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  /// What has been sent; nullopt: nothing.
  [[nodiscard]] std::optional<std::string> received() const {
    std::array<char, 1000> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size < 0) return std::nullopt;
    return std::string(buffer.data(), static_cast<std::size_t>(size));
  }

 private:
  std::string name_;
  int fd_;
};

std::string path_in_temporary_folder() {
  return (std::filesystem::temp_directory_path() / ("keepwarm-notify-" + std::to_string(::getpid()))).string();
}

TEST_CASE("a state is sent as it is, to a path or an abstract name") {
  for (const std::string& name : {path_in_temporary_folder(), "@keepwarm-notify-" + std::to_string(::getpid())}) {
    CAPTURE(name);
    const Manager manager(name);
    const Variable socket("NOTIFY_SOCKET", name);
    CHECK(notify_systemd("READY=1\nSTATUS=warm"));
    CHECK(manager.received() == "READY=1\nSTATUS=warm");
    CHECK(notify_systemd("STOPPING=1"));
    CHECK(manager.received() == "STOPPING=1");
    CHECK_FALSE(manager.received());
  }
}

TEST_CASE("a reload is told with the time of the monotonic clock") {
  const auto microseconds = [] {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<long long>(now.tv_sec) * 1000000 + now.tv_nsec / 1000;
  };
  const std::string name = "@keepwarm-notify-" + std::to_string(::getpid());
  const Manager manager(name);
  const Variable socket("NOTIFY_SOCKET", name);
  const long long before = microseconds();
  CHECK(notify_systemd(reloading_state()));
  const long long after = microseconds();
  const std::string told = manager.received().value_or("");
  const std::string_view expected = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(told.starts_with(expected));
  const long long at = std::stoll(told.substr(expected.size()));
  CHECK(at >= before);
  CHECK(at <= after);
}

TEST_CASE("a service manager that does not read is not waited for") {
  const std::string name = "@keepwarm-notify-" + std::to_string(::getpid());
  const Manager manager(name);
  const Variable socket("NOTIFY_SOCKET", name);
  int sent = 0;
  while (sent < 100'000 && notify_systemd("STATUS=" + std::to_string(sent))) ++sent;
  REQUIRE(sent > 0);
  REQUIRE(sent < 100'000);
  CHECK(manager.received() == "STATUS=0");
  CHECK(notify_systemd("READY=1"));
}

TEST_CASE("without a service manager nothing happens") {
  ::unsetenv("NOTIFY_SOCKET");
  CHECK(notify_systemd("READY=1"));
  const std::string absent = path_in_temporary_folder() + "-absent";
  for (const std::string& name :
       {std::string(), std::string("relative"), absent, '/' + std::string(200, 'x'), '@' + std::string(107, 'x')}) {
    CAPTURE(name);
    const Variable socket("NOTIFY_SOCKET", name);
    CHECK(notify_systemd("READY=1"));
  }
}

/// Runs `check` in a process of its own, whose descriptors from 3 on are free; 0: it returned true.
int in_child(const std::function<bool()>& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check() ? 0 : 1);
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

bool variables_are_gone() {
  return std::getenv("LISTEN_PID") == nullptr && std::getenv("LISTEN_FDS") == nullptr &&
         std::getenv("LISTEN_FDNAMES") == nullptr;
}

void set_variables(const std::string& pid, const std::string& count) {
  ::setenv("LISTEN_PID", pid.c_str(), 1);
  ::setenv("LISTEN_FDS", count.c_str(), 1);
  ::setenv("LISTEN_FDNAMES", "a:b", 1);
}

TEST_CASE("the sockets passed to this process are taken once, and not handed on") {
  CHECK(in_child([] {
          for (const int fd : {3, 4, 5}) ::dup2(STDERR_FILENO, fd);  // without close-on-exec
          set_variables(std::to_string(::getpid()), "2");
          const bool taken = take_systemd_sockets() == std::vector<int>{3, 4};
          const bool marked = ::fcntl(3, F_GETFD) == FD_CLOEXEC && ::fcntl(4, F_GETFD) == FD_CLOEXEC;
          return taken && marked && ::fcntl(5, F_GETFD) == 0 && variables_are_gone() && take_systemd_sockets().empty();
        }) == 0);
}

TEST_CASE("sockets that were passed to another process are left alone") {
  for (const char* pid : {"1", "0", "", "none"}) {
    CAPTURE(pid);
    CHECK(in_child([pid] {
            ::dup2(STDERR_FILENO, 3);
            set_variables(pid, "1");
            return take_systemd_sockets().empty() && ::fcntl(3, F_GETFD) == 0 && variables_are_gone();
          }) == 0);
  }
}

TEST_CASE("a count that is none gives no socket, and an absurd one is bounded") {
  struct Case {
    const char* count;
    std::size_t sockets;
  };
  for (const Case& c :
       {Case{"0", 0}, Case{"-1", 0}, Case{"", 0}, Case{"x", 0}, Case{"1000", 64}, Case{"99999999999999999999", 64}}) {
    CAPTURE(c.sockets);
    CHECK(in_child([&c] {
            set_variables(std::to_string(::getpid()), c.count);
            return take_systemd_sockets().size() == c.sockets;
          }) == 0);
  }
}

TEST_CASE("without the variables no socket is taken") {
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS"}) {
    CAPTURE(name);
    CHECK(in_child([name] {
            set_variables(std::to_string(::getpid()), "1");
            ::unsetenv(name);
            return take_systemd_sockets().empty();
          }) == 0);
  }
}

}  // namespace
}  // namespace keepwarm::daemon
