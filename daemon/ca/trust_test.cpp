#include "daemon/ca/trust_test.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/ca/child.h"
#include "daemon/ca/new_file.h"

namespace keepwarm::daemon {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Outcome = net::TrustProbe::Outcome;

constexpr std::chrono::seconds kLongest{30};
constexpr std::size_t kLongestHead = 16384;

/// The head of a CONNECT, to its empty line. False: it is none.
bool read_connect(int socket) {
  std::string head;
  std::array<char, 1> byte{};  // nothing behind it may be taken: the hello is OpenSSL's to read
  while (!head.ends_with("\r\n\r\n")) {
    if (head.size() >= kLongestHead || ::recv(socket, byte.data(), 1, 0) != 1) return false;
    head += byte[0];
  }
  return head.starts_with("CONNECT ");
}

void limit(int socket) {
  const timeval time{10, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time);
}

/// Its standard streams are nothing, nothing and `said`; 0: it cannot be started.
pid_t start(const std::vector<std::string>& command, const std::string& folder, int said) {
  std::vector<std::string> words = command;
  const std::vector<char*> arguments = arguments_of(words);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
  ::posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  // A group of its own, so that what it has started ends with it.
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, arguments.front(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  return error == 0 ? child : 0;
}

std::string last_line(int said) {
  std::array<char, 8192> text{};
  const off_t size = ::lseek(said, 0, SEEK_END);
  const auto from = std::max<off_t>(0, size - static_cast<off_t>(text.size()));
  const ssize_t length = ::pread(said, text.data(), text.size(), from);
  std::string_view all(text.data(), length > 0 ? static_cast<std::size_t>(length) : 0);
  while (!all.empty() && (all.back() == '\n' || all.back() == ' ')) all.remove_suffix(1);
  return std::string(all.substr(all.rfind('\n') + 1));  // npos + 1 is 0
}

}  // namespace

std::unique_ptr<TrustTest> TrustTest::make(std::unique_ptr<net::TrustProbe> probe) {
  net::Descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  std::string folder = (std::filesystem::temp_directory_path() / "keepwarm-trust-XXXXXX").string();
  const bool ready = listener && ::bind(listener.get(), any, length) == 0 && ::listen(listener.get(), SOMAXCONN) == 0 &&
                     ::getsockname(listener.get(), any, &length) == 0 && ::mkdtemp(folder.data()) != nullptr;
  if (!ready || !write_new_file(folder + "/Request.java", java_request(), 0600).empty()) return nullptr;
  return std::unique_ptr<TrustTest>(
      new TrustTest(std::move(probe), std::move(listener), ntohs(address.sin_port), std::move(folder)));
}

TrustTest::~TrustTest() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Outcome TrustTest::serve_one() {
  const net::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!client) return {};
  limit(client.get());
  constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
  if (!read_connect(client.get())) return {};
  if (::send(client.get(), kEstablished.data(), kEstablished.size(), MSG_NOSIGNAL) < 0) return {};
  return probe_->serve(client.get());
}

TrustTest::Verdict TrustTest::run(const TrustClient& client) {
  const net::Descriptor said(::memfd_create("said", MFD_CLOEXEC));
  if (!client.is_there.empty()) {
    const pid_t check = start(client.is_there, folder_, said.get());
    int status = 0;
    if (check == 0 || ::waitpid(check, &status, 0) != check || status != 0)
      return {Verdict::Kind::NotTried, "it is not there"};
  }
  const pid_t child = start(client.command, folder_, said.get());
  if (child == 0) return {Verdict::Kind::NotTried, "it cannot be started"};
  Verdict verdict;
  const SteadyClock::time_point end = SteadyClock::now() + kLongest;
  int status = 0;
  bool ended = false;
  while (verdict.kind != Verdict::Kind::Trusts && SteadyClock::now() < end) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    const bool came = ::poll(&waiting, 1, ended ? 0 : 50) > 0;
    if (!came && ended) break;
    if (came) {
      Outcome outcome = serve_one();
      if (outcome.kind == Outcome::Kind::Trusted) verdict = {Verdict::Kind::Trusts, {}};
      if (outcome.kind == Outcome::Kind::Refused) verdict = {Verdict::Kind::Refuses, std::move(outcome.text)};
    }
    if (!ended) ended = ::waitpid(child, &status, WNOHANG) == child;
  }
  ::kill(-child, SIGKILL);
  if (!ended) ::waitpid(child, &status, 0);
  if (verdict.kind == Verdict::Kind::NotTried) verdict.text = last_line(said.get());
  return verdict;
}

}  // namespace keepwarm::daemon
