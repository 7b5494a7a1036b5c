#pragma once

#include <cstdint>

#include "core/base/clock.h"
#include "core/base/deadline_wheel.h"
#include "core/policy/keep_warm.h"

namespace keepwarm::pool {

class HostPool;

/// What a HostPool with `keep_warm` remembers for it, and the deadline at which it looks again (HostPool::keep_warm).
/// Owned by that HostPool; not there for other hosts.
class Warming final : public Deadline {
 public:
  explicit Warming(HostPool& host) noexcept : host_(host) {}

 private:
  friend class HostPool;
  void on_deadline(TimePoint now) override;

  HostPool& host_;
  policy::WarmBackoff backoff_;
  TimePoint told_others_{};  ///< when other workers were last told that the host is in use
  std::uint32_t cold_ = 0;   ///< idle connections whose cold_ is set
  bool look_soon_ = false;   ///< something has happened: armed for now
  bool reached_ = false;     ///< a connection was open: a host that cannot be reached is not tried again for nobody
  bool failing_ = false;     ///< what was opened last for nobody failed
};

}  // namespace keepwarm::pool
