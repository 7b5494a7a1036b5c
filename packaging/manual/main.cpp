#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <utility>

#include "daemon/cli/commands.h"
#include "packaging/manual/completions.h"
#include "packaging/manual/pages.h"

/// usage: keepwarm_manual FOLDER DATE: writes the manual pages and completions of this program into a folder.
int main(int argc, char** argv) {
  using namespace keepwarm;
  if (argc != 3) {
    std::cerr << "usage: keepwarm_manual FOLDER DATE\n";
    return daemon::kUsageWrong;
  }
  const std::filesystem::path folder = argv[1];
  const std::string date = argv[2];
  const daemon::ProgramSpec& program = daemon::program();
  const std::array<std::pair<const char*, std::string>, 5> files = {{
      {"keepwarm.1", manual::command_page(program, date)},
      {"keepwarm.toml.5", manual::configuration_page(date)},
      {"keepwarm.bash", manual::bash_completion(program)},
      {"_keepwarm", manual::zsh_completion(program)},
      {"keepwarm.fish", manual::fish_completion(program)},
  }};
  std::filesystem::create_directories(folder);
  for (const auto& [name, text] : files) {
    std::ofstream file(folder / name);
    file << text << std::flush;
    if (!file) {
      std::cerr << "cannot write " << (folder / name).string() << '\n';
      return daemon::kCannotServe;
    }
  }
  return daemon::kDone;
}
