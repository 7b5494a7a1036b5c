#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/gauge.h"
#include "core/base/log.h"
#include "core/http/head_parser.h"
#include "core/net/after_turn.h"
#include "core/net/deadline_clock.h"
#include "core/net/loop.h"
#include "core/net/resolver.h"
#include "core/policy/settings.h"
#include "core/pool/pool.h"
#include "core/proxy/access_record.h"
#include "core/proxy/body_writer.h"
#include "core/proxy/date_cache.h"
#include "core/proxy/error_reply.h"

namespace keepwarm::proxy {

class ClientSession;
class Exchange;

/// Counters of what clients did since the start.
struct ProxyStats {
  std::uint64_t clients_accepted = 0;
  std::uint64_t exchanges = 0;
  std::uint64_t retries = 0;
  std::uint64_t stale_failures = 0;
  std::uint64_t own_answers = 0;
  std::uint64_t tunnels = 0;
};

/// The engine as sessions and exchanges see it: owner of both, and of what they take apart later.
class SessionOwner {
 public:
  /// Taken from a free list; goes back with retire_exchange().
  [[nodiscard]] virtual Exchange* take_exchange() = 0;
  virtual void retire_exchange(Exchange* exchange) noexcept = 0;
  /// The session is over: it is destroyed at the end of this turn of the loop.
  virtual void retire_session(ClientSession& session) noexcept = 0;

 protected:
  ~SessionOwner() = default;
};

/// What all sessions and exchanges of one engine work with; nothing in it is global. The scratch members are used
/// within one event only, never across.
struct ProxyContext {
  net::Loop& loop;
  net::DeadlineClock& deadlines;
  net::Resolver& resolver;
  pool::Pool& pool;
  const net::AddressFilter& local_filter;
  const net::AddressFilter& remote_filter;
  Log& log;
  AccessSink& access;
  SessionOwner& owner;
  const policy::ProxySettings* settings;
  std::string pseudonym;  ///< "keepwarm-1a2b3c4d": our name in Via, unique to the process
  bool draining = false;
  ProxyStats stats{};
  Gauge open_tunnels{};

  http::HeadParser parser{};
  BodyWriter writer{};
  std::string head_out{};
  std::string host_scratch{};
  std::vector<std::string_view> data{};
  DateCache date{};

  /// An answer of our own under the settings in force; valid until head_out is used again. Counted.
  [[nodiscard]] std::string_view own_answer(const ErrorReply& reply);

  [[nodiscard]] std::string_view via() const noexcept { return settings->via ? pseudonym : std::string_view(); }
  [[nodiscard]] http::HeadLimits head_limits() const noexcept {
    http::HeadLimits limits;
    limits.max_size = static_cast<std::size_t>(settings->max_header_size);
    return limits;
  }
};

}  // namespace keepwarm::proxy
