#include "core/net/heap_trimmer.h"

#include <malloc.h>
#include <utility>

namespace keepwarm::net {

HeapTrimmer::HeapTrimmer(Loop& loop) : timer_(loop, [this] { on_timer(); }) {}

void HeapTrimmer::note() noexcept {
  if (++noted_ == kBurst) timer_.arm(kQuietFor);
}

void HeapTrimmer::on_timer() {
  if (std::exchange(noted_at_timer_, noted_) != noted_) return timer_.arm(kQuietFor);
  noted_ = noted_at_timer_ = 0;
  ++trims_;
  ::malloc_trim(0);
}

}  // namespace keepwarm::net
