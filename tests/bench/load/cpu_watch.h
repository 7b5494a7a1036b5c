#pragma once
#include <sys/types.h>
#include <vector>

#include "tests/bench/tools/clock.h"

namespace keepwarm::bench {

/// CPU time of other processes, each with all its threads, the ended ones too.
class CpuWatch {
 public:
  explicit CpuWatch(std::vector<pid_t> processes) : processes_(std::move(processes)) {}

  void begin() { begun_ = sample(); }
  void end() { ended_ = sample(); }

  [[nodiscard]] double seconds() const { return static_cast<double>(ended_.all - begun_.all) / 1e9; }
  /// To the clock tick, 10 ms.
  [[nodiscard]] double user_seconds() const { return ended_.user - begun_.user; }
  [[nodiscard]] double system_seconds() const { return ended_.system - begun_.system; }

 private:
  struct Sample {
    Nanos all = 0;
    double user = 0;
    double system = 0;
  };

  [[nodiscard]] Sample sample() const;

  std::vector<pid_t> processes_;
  Sample begun_;
  Sample ended_;
};

}  // namespace keepwarm::bench
