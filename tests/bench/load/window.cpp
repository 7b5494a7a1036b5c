#include "tests/bench/load/window.h"

#include <cstdio>

namespace keepwarm::bench {

void Window::open(Wire& wire) {
  from_ = now();
  to_ = 0;
  latencies_.clear();
  failures_.clear();
  wire.bytes_in = wire.bytes_out = wire.connections = 0;
  cpu_.begin();
}

void Window::close(const Wire& wire, std::uint64_t ended, std::size_t unserved) {
  cpu_.end();
  to_ = now();
  bytes_in_ = wire.bytes_in;
  bytes_out_ = wire.bytes_out;
  connections_ = wire.connections;
  ended_ = ended;
  unserved_ = unserved;
}

void Window::report() const {
  std::string failures;
  for (const auto& [what, count] : failures_) {
    failures += (failures.empty() ? "\"" : ", \"") + what + "\": " + std::to_string(count);
  }
  std::printf(
      "{\"seconds\": %.6f, \"exchanges\": %llu, \"ended\": %llu, \"unserved\": %zu, \"failures\": {%s}, "
      "\"bytes_in\": %llu, \"bytes_out\": %llu, \"connections\": %llu, \"cpu\": %.6f, \"user\": %.2f, "
      "\"system\": %.2f, \"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f}\n",
      static_cast<double>(to_ - from_) / 1e9, static_cast<unsigned long long>(latencies_.total()),
      static_cast<unsigned long long>(ended_), unserved_, failures.c_str(), static_cast<unsigned long long>(bytes_in_),
      static_cast<unsigned long long>(bytes_out_), static_cast<unsigned long long>(connections_), cpu_.seconds(),
      cpu_.user_seconds(), cpu_.system_seconds(), latencies_.percentile(50), latencies_.percentile(99),
      latencies_.percentile(99.9));
}

}  // namespace keepwarm::bench
