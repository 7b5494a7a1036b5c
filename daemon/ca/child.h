#pragma once

#include <string>
#include <vector>

namespace keepwarm::daemon {

/// Runs a program to its end, with our own standard streams. Its exit code; 127 if it cannot be started, 128 and the
/// number of the signal that ended it.
[[nodiscard]] int run_to_end(const std::vector<std::string>& command);

/// What execve(2) and posix_spawn(3) take: the words, and a null behind them. Valid as long as `words` is as it is.
[[nodiscard]] std::vector<char*> arguments_of(std::vector<std::string>& words);

}  // namespace keepwarm::daemon
