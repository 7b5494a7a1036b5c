#include "core/net/heap_trimmer.h"

#include <malloc.h>
#include <utility>

namespace keepwarm::net {

HeapTrimmer::HeapTrimmer(Loop& loop, std::function<void()> before_trim)
    : timer_(loop, [this] { on_timer(); }), before_trim_(std::move(before_trim)) {}

void HeapTrimmer::await_quiet() noexcept {
  noted_at_timer_ = noted_;
  timer_.arm(kQuietFor);
}

void HeapTrimmer::on_timer() {
  if (noted_ - noted_at_timer_ >= kQuiet) return await_quiet();
  noted_ = 0;
  if (before_trim_) before_trim_();
  trim();
}

void HeapTrimmer::trim() noexcept {
  ++trims_;
  ::malloc_trim(0);
}

}  // namespace keepwarm::net
