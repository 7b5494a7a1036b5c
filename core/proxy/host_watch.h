#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/origin.h"
#include "core/policy/host_health.h"

/// Says in the log when a host begins to fail, and when it answers again.
namespace keepwarm::proxy {

/// Carries to the log what policy::HostHealth finds worth a line. Owned by the ProxyContext.
class HostWatch {
 public:
  /// `log` must outlive it.
  explicit HostWatch(Log& log) noexcept : log_(log) {}

  /// `reason`: without the host.
  void failed(std::string_view host, std::uint16_t port, policy::FailureKind kind, std::string_view reason,
              TimePoint now);
  /// Costs nothing while no host fails.
  void answered(std::string_view host, std::uint16_t port, TimePoint now) {
    if (health_.any_failing()) note_answer(host, port, now);
  }

 private:
  void note_answer(std::string_view host, std::uint16_t port, TimePoint now);

  Log& log_;
  policy::HostHealth health_;
};

}  // namespace keepwarm::proxy
