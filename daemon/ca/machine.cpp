#include "daemon/ca/machine.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <unistd.h>

namespace keepwarm::daemon {
namespace {

namespace fs = std::filesystem;

bool is_present(const std::string& path) {
  return ::access(path.c_str(), F_OK) == 0;
}

std::vector<std::string> list_folder(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string look_up(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The tools of stores are in sbin, which is in no user's PATH on some systems.
std::string find_program(const std::string& name) {
  const std::string path = look_up("PATH") + ":/usr/sbin:/sbin";
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    std::string file = path.substr(begin, end - begin) + '/' + name;
    std::error_code error;
    if (file.front() == '/' && fs::is_regular_file(file, error) && ::access(file.c_str(), X_OK) == 0) return file;
    begin = end + 1;
  }
  return {};
}

std::string resolve(const std::string& path) {
  std::error_code error;
  const fs::path real = fs::canonical(path, error);
  return error ? std::string() : real.string();
}

}  // namespace

Machine Machine::this_one() {
  return {is_present, list_folder, find_program, resolve, look_up};
}

}  // namespace keepwarm::daemon
