#pragma once

#include <memory>
#include <span>

#include <uv.h>

#include "core/base/clock.h"

namespace keepwarm::net {

/// One libuv event loop and what all its streams share. Not thread-safe: everything of one loop lives on one thread.
/// Must outlive every handle made on it; the destructor runs the loop until their close callbacks have come.
class Loop {
 public:
  /// Read buffer of the loop. Large, since big bodies cost one system call for each buffer; shared, since idle
  /// connections then own none.
  static constexpr std::size_t kReadBufferSize = std::size_t{128} * 1024;

  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  [[nodiscard]] uv_loop_t& uv() noexcept { return uv_; }

  /// CLOCK_MONOTONIC through the vDSO: no system call.
  [[nodiscard]] static TimePoint now() noexcept { return TimePoint(Duration(uv_hrtime())); }

  /// Valid until the callback that was handed bytes in it returns.
  [[nodiscard]] std::span<char> read_buffer() noexcept { return {buffer_.get(), kReadBufferSize}; }

  /// Runs until stop(), or until nothing is left that could happen.
  void run();
  void stop() noexcept { uv_stop(&uv_); }

 private:
  uv_loop_t uv_{};
  std::unique_ptr<char[]> buffer_;
};

}  // namespace keepwarm::net
