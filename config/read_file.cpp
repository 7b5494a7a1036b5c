#include "config/read_file.h"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace keepwarm::config {

int read_file(const std::string& file, std::string& text) {
  const int descriptor = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  std::array<char, 16384> buffer{};
  ssize_t length = 0;
  while ((length = ::read(descriptor, buffer.data(), buffer.size())) > 0) {
    text.append(buffer.data(), static_cast<std::size_t>(length));
  }
  const int error = length < 0 ? errno : 0;
  close(descriptor);
  return error;
}

}  // namespace keepwarm::config
