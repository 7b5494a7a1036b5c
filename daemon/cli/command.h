#pragma once

#include <cstdint>
#include <string>

/// The few words that everything about the command line shares.
namespace keepwarm::daemon {

/// What the process returns (core/doc/design.md §3). exit_codes() in commands.h has the words for them.
enum ExitCode : int {
  kDone = 0,
  kInputWrong = 1,   ///< the configuration, or a URL, or what is at that URL
  kUsageWrong = 2,   ///< the command line
  kCannotServe = 3,  ///< the daemon cannot start or be reached
};

enum class Command : std::uint8_t {
  Run,
  Check,
  Explain,
  Probe,
  CaCreate,
  CaBundle,
  CaStatus,
  CaInstall,
  CaUninstall,
  CaTest,
  Env,
  Exec,
  Help,
  Version
};

/// Why a command line makes no sense.
struct UsageError {
  std::string message;       ///< one line, without the program's name
  std::string command = {};  ///< the command whose --help shows how it is right; "": there is none yet
};

}  // namespace keepwarm::daemon
