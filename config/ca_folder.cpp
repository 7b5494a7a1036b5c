#include "config/ca_folder.h"

#include <cstdlib>
#include <pwd.h>
#include <unistd.h>

namespace keepwarm::config {
namespace {

std::string home() {
  const char* const named = std::getenv("HOME");
  if (named != nullptr && named[0] == '/') return named;
  const passwd* const user = ::getpwuid(::geteuid());  // not thread-safe, but nobody else asks
  return user == nullptr || user->pw_dir == nullptr ? std::string() : user->pw_dir;
}

}  // namespace

std::string ca_folder(const policy::InterceptSettings& settings) {
  std::string folder = settings.ca;
  if (folder.empty()) {
    const bool of_system = ::geteuid() == 0 || std::getenv("CREDENTIALS_DIRECTORY") != nullptr;
    folder = of_system ? "/etc/keepwarm/ca" : home() + "/.config/keepwarm/ca";
  }
  folder.erase(folder.find_last_not_of('/') + 1);
  return folder;
}

std::string ca_public_folder(const policy::InterceptSettings& settings) {
  return ca_folder(settings) + "-public";
}

}  // namespace keepwarm::config
