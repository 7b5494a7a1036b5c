#include "daemon/ca/child.h"

#include <cerrno>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace keepwarm::daemon {

std::vector<char*> arguments_of(std::vector<std::string>& words) {
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return arguments;
}

int run_to_end(const std::vector<std::string>& command) {
  constexpr int kNotStarted = 127;
  constexpr int kBySignal = 128;
  std::vector<std::string> words = command;
  const std::vector<char*> arguments = arguments_of(words);
  pid_t child = 0;
  if (::posix_spawn(&child, arguments.front(), nullptr, nullptr, arguments.data(), environ) != 0) return kNotStarted;
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return kNotStarted;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kBySignal + WTERMSIG(status);
}

}  // namespace keepwarm::daemon
