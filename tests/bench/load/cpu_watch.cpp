#include "tests/bench/load/cpu_watch.h"

#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>

namespace keepwarm::bench {

CpuWatch::Sample CpuWatch::sample() const {
  Sample sum;
  for (const pid_t process : processes_) {
    clockid_t clock{};
    if (::clock_getcpuclockid(process, &clock) == 0) sum.all += read_clock(clock);

    std::string line;
    std::getline(std::ifstream("/proc/" + std::to_string(process) + "/stat"), line);
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) continue;
    std::istringstream fields(line.substr(name_end + 1));
    constexpr int kBefore = 11;  // fields between the name and utime, see proc(5)
    std::string skipped;
    for (int i = 0; i < kBefore; ++i) fields >> skipped;
    double user = 0;
    double system = 0;
    fields >> user >> system;
    const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
    sum.user += user / ticks;
    sum.system += system / ticks;
  }
  return sum;
}

}  // namespace keepwarm::bench
