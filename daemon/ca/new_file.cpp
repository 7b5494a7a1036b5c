#include "daemon/ca/new_file.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <sys/stat.h>
#include <unistd.h>

#include "config/read_file.h"
#include "core/net/descriptor.h"

namespace keepwarm::daemon {
namespace {

std::string failure(const std::string& path, int error) {
  return path + ": " + std::strerror(error);
}

/// 0, or errno.
int write_all(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(file, text.data(), text.size());
    if (count < 0 && errno != EINTR) return errno;
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
  }
  return 0;
}

int fill(int file, std::string_view text, mode_t mode) {
  if (::fchmod(file, mode) != 0) return errno;
  if (const int error = write_all(file, text); error != 0) return error;
  return ::fsync(file) == 0 ? 0 : errno;
}

/// So that the new name outlasts a power cut, too. File systems that cannot do it have no more to offer.
void sync_folder(const std::string& path) {
  const net::Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) static_cast<void>(::fsync(folder.get()));
}

std::string folder_of(const std::string& path) {
  std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

std::string write_new_file(const std::string& path, std::string_view text, mode_t mode) {
  std::string draft = path + ".XXXXXX";
  const net::Descriptor file(::mkostemp(draft.data(), O_CLOEXEC));  // made with mode 0600
  if (!file) return failure(path, errno);
  int error = fill(file.get(), text, mode);
  if (error == 0 && ::rename(draft.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(draft.c_str());
    return failure(path, error);
  }
  sync_folder(folder_of(path));
  return {};
}

std::string make_folder(const std::string& path, mode_t mode) {
  const std::string above = folder_of(path);
  if (::access(above.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (std::string problem = make_folder(above, 0755); !problem.empty()) return problem;
  }
  const bool made = ::mkdir(path.c_str(), 0700) == 0;
  if (!made && errno != EEXIST) return failure(path, errno);
  if (made) sync_folder(above);
  const net::Descriptor folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status {};
  if (!folder || ::fstat(folder.get(), &status) != 0) return failure(path, errno);
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return path + ": belongs to neither root nor this user, but to the user " + std::to_string(status.st_uid);
  }
  const bool differs = (status.st_mode & 07777U) != mode;
  return !differs || ::fchmod(folder.get(), mode) == 0 ? std::string() : failure(path, errno);
}

std::string remove_file(const std::string& path) {
  return ::unlink(path.c_str()) == 0 || errno == ENOENT ? std::string() : failure(path, errno);
}

std::string read_text(const std::string& path, std::string& problem) {
  std::string text;
  const int error = config::read_file(path, text);
  if (error != 0) problem = failure(path, error);
  return error == 0 ? text : std::string();
}

}  // namespace keepwarm::daemon
