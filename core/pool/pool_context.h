#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/gauge.h"
#include "core/base/log.h"
#include "core/http/head_parser.h"
#include "core/net/connector.h"
#include "core/net/deadline_clock.h"
#include "core/net/loop.h"
#include "core/net/resolver.h"
#include "core/net/tls_client.h"
#include "core/policy/close_prior.h"
#include "core/pool/close_reason.h"

namespace keepwarm::pool {

class Commons;
class HostPool;

/// Counters of everything that happened to upstream connections since the start.
struct PoolStats {
  std::uint64_t opened = 0;
  std::uint64_t warmed = 0;  ///< of `opened`: for nobody, to be kept warm
  std::uint64_t open_failures = 0;
  std::uint64_t leases_fresh = 0;
  std::uint64_t leases_reused = 0;
  std::uint64_t hints_without_room = 0;  ///< connections not pooled, as the server's hint is less than a round trip
  std::uint64_t lent = 0;                ///< idle connections that another worker took over
  std::uint64_t borrowed = 0;            ///< those that came from another worker
  Gauge connections{};                   ///< open now
  Gauge openings{};                      ///< being opened now
  std::uint64_t tls_full = 0;            ///< whole handshakes
  std::uint64_t tls_resumed = 0;         ///< those that resumed a session
  std::array<std::uint64_t, kCloseReasonCount> closed{};
};

/// Told when a host has no connection, waiter or exchange any more, or has one again.
class HostUse {
 public:
  virtual void host_unused(HostPool& host) noexcept = 0;
  /// All descriptors are in use: close an idle connection of any host. False: there is none here; other workers are
  /// asked to, for the next time.
  virtual bool free_a_descriptor() = 0;
  /// The same without asking anybody.
  virtual bool close_an_idle_one() = 0;

 protected:
  ~HostUse() = default;
};

/// What every HostPool of an engine works with. All references must outlive the pool.
struct PoolContext {
  net::Loop& loop;
  net::DeadlineClock& deadlines;
  net::Resolver& resolver;
  net::TlsClient& tls;
  const net::AddressFilter& local_filter;   ///< for clients over loopback or a unix socket
  const net::AddressFilter& remote_filter;  ///< for all others
  Log& log;
  PoolStats stats{};
  policy::ClosePrior close_prior{};  ///< what all hosts tell of one of which nothing is known
  HostUse* use = nullptr;
  std::string via{};  ///< our name in Via; empty: none is sent
  http::HeadLimits head_limits{};
  bool draining = false;  ///< shutting down: nothing is pooled any more

  // With several workers:
  Commons* commons = nullptr;                ///< nullptr: this is the only one
  std::uint32_t worker = 0;                  ///< which one this is
  std::function<void()> descriptor_freed{};  ///< another worker has closed an idle connection, as it was asked to
};

/// Counts a close and tells the debug log: "upstream HOST:PORT closed: REASON DETAIL".
void record_close(PoolContext& context, std::string_view upstream, CloseReason reason, std::string_view detail);

}  // namespace keepwarm::pool
