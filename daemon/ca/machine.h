#pragma once

#include <functional>
#include <string>
#include <vector>

/// What of this machine decides which stores of authorities there are. A value with functions, so that a test can make
/// up any machine.
namespace keepwarm::daemon {

struct Machine {
  std::function<bool(const std::string& path)> has;                             ///< whether it exists
  std::function<std::vector<std::string>(const std::string& folder)> names_in;  ///< of what is in a folder, in order
  std::function<std::string(const std::string& name)> program;    ///< its path by $PATH; "": there is none
  std::function<std::string(const std::string& path)> real_path;  ///< without links; "": it is not there
  std::function<std::string(const char* name)> variable;          ///< of the environment; "": not set

  [[nodiscard]] static Machine this_one();
};

}  // namespace keepwarm::daemon
