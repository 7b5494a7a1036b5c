#include "daemon/standard_descriptors.h"

#include <fcntl.h>
#include <unistd.h>

namespace keepwarm::daemon {

void fill_standard_descriptors() noexcept {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (::fcntl(fd, F_GETFD) >= 0) continue;
    // The lowest number that is free is `fd`. A root folder without devices still has itself; what is written there
    // fails.
    if (::open("/dev/null", O_RDWR) < 0) static_cast<void>(::open("/", O_PATH));
  }
}

}  // namespace keepwarm::daemon
