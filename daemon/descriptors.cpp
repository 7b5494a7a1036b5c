#include "daemon/descriptors.h"

#include <algorithm>
#include <fcntl.h>
#include <limits>
#include <sys/resource.h>
#include <unistd.h>

namespace keepwarm::daemon {

namespace {

rlim_t descriptor_limit() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

void fill_standard_descriptors() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is `fd`. A root folder without devices still has itself; what is written there
    // fails.
    if (::open("/dev/null", O_RDWR) < 0) static_cast<void>(::open("/", O_PATH));
  }
}

std::uint64_t raise_descriptor_limit() noexcept {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return descriptor_limit();
}

void reserve_descriptors(std::uint64_t count) noexcept {
  constexpr std::uint64_t kMost = std::numeric_limits<int>::max();
  const std::uint64_t most = std::min<std::uint64_t>({count, descriptor_limit(), kMost});
  if (most == 0) return;
  const int last = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, static_cast<int>(most - 1));
  if (last >= 0) ::close(last);
}

}  // namespace keepwarm::daemon
