#pragma once

#include <chrono>
#include <cstdint>

#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// Gives memory back to the kernel once a burst of work that needed much of it for a moment is over. A TLS handshake
/// takes some 50 KiB that it frees at its end; of a thousand at a time the holes stay, between what lives on, and
/// glibc's malloc returns only what lies at the end of its heap.
class HeapTrimmer {
 public:
  static constexpr std::uint32_t kBurst = 64;                     ///< fewer leave little
  static constexpr Duration kQuietFor = std::chrono::seconds(1);  ///< a trim takes milliseconds: never amidst a burst

  explicit HeapTrimmer(Loop& loop);

  /// One piece of such work is done.
  void note() noexcept;
  /// How often memory was given back.
  [[nodiscard]] std::uint64_t trims() const noexcept { return trims_; }

 private:
  void on_timer();

  Timer timer_;
  std::uint32_t noted_ = 0;
  std::uint32_t noted_at_timer_ = 0;
  std::uint64_t trims_ = 0;
};

}  // namespace keepwarm::net
