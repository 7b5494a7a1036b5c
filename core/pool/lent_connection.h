#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/clock.h"
#include "core/net/address.h"
#include "core/net/stream.h"

namespace keepwarm::pool {

/// An idle connection on its way from one worker's pool to another's, with what is known of it. Belongs to no thread.
struct LentConnection {
  std::unique_ptr<net::DetachedStream> stream;
  net::SocketAddress address{};
  TimePoint opened_at{};
  TimePoint idle_since{};
  TimePoint returned_at{};
  std::optional<Duration> hint_timeout{};
  std::uint32_t served = 0;
};

}  // namespace keepwarm::pool
