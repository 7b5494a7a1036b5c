#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "core/base/deadline_wheel.h"
#include "core/base/log.h"
#include "core/net/connector.h"
#include "core/policy/close_risk_estimator.h"
#include "core/pool/close_reason.h"
#include "core/pool/dialing.h"
#include "core/pool/pool_stats.h"

namespace keepwarm::pool {

class HostPool;
class SharedPool;

/// The owner of all HostPools of an engine, as each of them sees it.
class HostPoolOwner {
 public:
  /// It has no connection, waiter or exchange any more.
  virtual void host_unused(HostPool& host) noexcept = 0;
  /// All descriptors are in use: close an idle connection of any host. False: there is none here; other workers are
  /// asked to, for the next time.
  virtual bool free_a_descriptor() = 0;
  /// Closes an idle connection of any host, without asking other workers. False: there is none here.
  virtual bool close_an_idle_one() = 0;

 protected:
  ~HostPoolOwner() = default;
};

/// When all connections that were open became useless in all likelihood: the machine slept, or its network is another
/// one. Nobody tells us of their ends, which may not even come.
struct Disruption {
  TimePoint at = TimePoint::min();
  CloseReason reason = CloseReason::Slept;

  /// Of a connection that was opened, or begun, then: no request goes on it any more, and what becomes of it tells
  /// nothing of the server.
  [[nodiscard]] bool struck(TimePoint opened) const noexcept { return opened < at; }
};

/// What every HostPool of an engine works with. All references must outlive the pool.
struct PoolContext {
  DialerFactory& dialers;
  DeadlineWheel& deadlines;
  const net::AddressFilter& local_filter;   ///< for clients over loopback or a unix socket
  const net::AddressFilter& remote_filter;  ///< for all others
  Log& log;
  PoolStats& stats;
  policy::CloseRiskEstimator& all_hosts;  ///< what all hosts have shown, for one of which nothing is known
  HostPoolOwner* owner = nullptr;
  bool draining = false;    ///< shutting down: nothing is pooled any more
  Disruption disruption{};  ///< the last one
  /// Something of this machine's network has changed, and nobody knows yet what: idle connections serve only what can
  /// be sent again.
  bool network_uncertain = false;

  // With several workers:
  SharedPool* shared = nullptr;              ///< nullptr: this is the only one
  std::uint32_t worker = 0;                  ///< which one this is
  std::function<void()> descriptor_freed{};  ///< another worker has closed an idle connection, as it was asked to
};

/// Counts a close and writes it to the debug log: "upstream HOST:PORT closed: REASON DETAIL".
void record_close(PoolContext& context, std::string_view upstream, CloseReason reason, std::string_view detail);

}  // namespace keepwarm::pool
