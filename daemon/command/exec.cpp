#include "daemon/command/exec.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <ostream>
#include <unistd.h>
#include <vector>

#include "daemon/ca/ca_command.h"
#include "daemon/ca/child.h"
#include "daemon/ca/client_environment.h"

namespace keepwarm::daemon {
namespace {

constexpr int kCannotRun = 126;
constexpr int kNotFound = 127;

/// Java adds what JAVA_TOOL_OPTIONS says to its options, so what was there is kept.
void set(const std::string& name, const std::string& value) {
  const char* const before = name == "JAVA_TOOL_OPTIONS" ? std::getenv(name.c_str()) : nullptr;
  const bool keep = before != nullptr && before[0] != '\0';
  ::setenv(name.c_str(), keep ? (std::string(before) + ' ' + value).c_str() : value.c_str(), 1);
}

}  // namespace

int run_exec(const CommandLine& line, std::ostream& err) {
  const std::optional<config::Config> config = config_for_ca(line, err);
  if (!config) return kInputWrong;
  const Result<Variables, std::string> variables = client_variables(*config, true, line.environment.java);
  if (!variables) return fail("exec", variables.failure(), err);
  for (const auto& [name, value] : *variables) set(name, value);
  std::vector<std::string> words = line.words;
  const std::vector<char*> arguments = arguments_of(words);
  ::execvp(arguments.front(), arguments.data());
  const int error = errno;
  fail("exec", words.front() + ": " + std::strerror(error), err);
  return error == ENOENT ? kNotFound : kCannotRun;
}

}  // namespace keepwarm::daemon
