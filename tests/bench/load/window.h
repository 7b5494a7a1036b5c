#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/bench/load/client.h"
#include "tests/bench/load/cpu_watch.h"
#include "tests/bench/tools/clock.h"
#include "tests/bench/tools/histogram.h"

namespace keepwarm::bench {

/// What is measured between two moments of a run. open() forgets all that was added before, close() fixes the figures;
/// what is added between two windows is in neither, if a closed one is kept as a copy.
class Window {
 public:
  explicit Window(const std::vector<pid_t>& watched) : cpu_(watched) {}

  void open(Wire& wire);
  /// `ended`: requests of the whole run so far, those of the warm-up and those that failed too. `unserved`: clients
  /// that have not had their first answer yet.
  void close(const Wire& wire, std::uint64_t ended, std::size_t unserved);

  void add_latency(Nanos latency) { latencies_.add(latency); }
  void add_failure(const std::string& what) { ++failures_[what]; }

  [[nodiscard]] bool is_open() const noexcept { return from_ != 0 && to_ == 0; }
  [[nodiscard]] Nanos from() const noexcept { return from_; }  ///< 0: it was never opened
  [[nodiscard]] Nanos to() const noexcept { return to_; }      ///< 0: it was never closed

  /// One line of JSON; suite/tools.py reads it.
  void report() const;

 private:
  CpuWatch cpu_;
  Nanos from_ = 0;
  Nanos to_ = 0;
  Histogram latencies_;
  std::map<std::string, std::uint64_t> failures_;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t connections_ = 0;
  std::uint64_t ended_ = 0;
  std::size_t unserved_ = 0;
};

}  // namespace keepwarm::bench
