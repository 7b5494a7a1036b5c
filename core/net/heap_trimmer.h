#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// Gives memory back to the kernel once a burst of work that needed much of it for a short time is over. A TLS
/// handshake takes some 50 KiB that it frees at its end; a thousand at a time leave holes between what lives on, and by
/// itself glibc's malloc returns only what lies at the end of its heap.
class HeapTrimmer {
 public:
  static constexpr std::uint32_t kBurst = 64;  ///< fewer leave little
  /// A trim takes milliseconds: never amidst a burst.
  static constexpr Duration kQuietFor = std::chrono::milliseconds(250);
  static constexpr std::uint32_t kQuiet = 4;  ///< fewer in kQuietFor are no burst

  /// `before_trim` frees what the burst has left over.
  explicit HeapTrimmer(Loop& loop, std::function<void()> before_trim = {});

  /// One piece of such work is done.
  void note() noexcept {
    if (++noted_ == kBurst) await_quiet();
  }
  /// Gives memory back now, where the caller knows that much has just become free.
  void trim() noexcept;
  /// How often memory was given back.
  [[nodiscard]] std::uint64_t trims() const noexcept { return trims_; }

 private:
  void await_quiet() noexcept;
  void on_timer();

  Timer timer_;
  std::function<void()> before_trim_;
  std::uint32_t noted_ = 0;
  std::uint32_t noted_at_timer_ = 0;
  std::uint64_t trims_ = 0;
};

}  // namespace keepwarm::net
