#pragma once

#include <atomic>
#include <cstdint>

namespace keepwarm {

/// A count that one thread changes and any may read. Changing it costs what a plain integer costs (no locked
/// instruction), since there is only one writer. Readers may see a value that is slightly out of date.
class Gauge {
 public:
  Gauge() noexcept = default;
  Gauge(const Gauge&) = delete;
  Gauge& operator=(const Gauge&) = delete;

  Gauge& operator++() noexcept { return set(value() + 1); }
  Gauge& operator+=(std::uint64_t more) noexcept { return set(value() + more); }
  Gauge& operator--() noexcept { return set(value() - 1); }
  [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }
  operator std::uint64_t() const noexcept { return value(); }  // NOLINT(google-explicit-constructor)

 private:
  Gauge& set(std::uint64_t value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace keepwarm
