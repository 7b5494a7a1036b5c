#pragma once

#include "core/base/clock.h"

/// What the steps of opening a connection take.
namespace keepwarm::pool {

/// How long the steps of opening a connection took; zero on a reused one.
struct OpeningTimes {
  Duration dns{};
  Duration connect{};  ///< with the parent's tunnel, if there is one
  Duration tls{};

  [[nodiscard]] Duration total() const noexcept { return dns + connect + tls; }
};

}  // namespace keepwarm::pool
