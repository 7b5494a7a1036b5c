#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/net/dns/family_query.h"
#include "core/net/dns/lookup.h"
#include "core/net/dns/name_map.h"
#include "core/net/dns/resolv_conf.h"
#include "core/net/loop.h"
#include "core/net/timer.h"

namespace keepwarm::net {

/// Look-ups by c-ares on our loop. A and AAAA are asked at the same time. When IPv6 addresses come first, they are a
/// partial answer at once; when IPv4 ones do, the others have kGrace to come too (RFC 8305 §3). Connecting can begin
/// with a partial answer, and the whole one follows. Owned by a resolver.
class DnsLookups {
 public:
  static constexpr Duration kGrace = std::chrono::milliseconds(50);
  /// How many questions of servers that lost patience are asked in one turn of the loop: many names of a dead zone must
  /// not hold up everything else.
  static constexpr int kMaxAtOnce = 200;
  /// Bounds memory: two questions each, of a kilobyte or so.
  static constexpr std::size_t kMaxRunning = 20000;

  /// Called for each look-up that ended, and before that for a partial answer; possibly inside start(). It must not
  /// destroy the DnsLookups.
  using OnAnswer = std::function<void(const std::string& name, const LookupAnswer& answer)>;

  DnsLookups(Loop& loop, OnAnswer on_answer);
  ~DnsLookups();
  DnsLookups(const DnsLookups&) = delete;
  DnsLookups& operator=(const DnsLookups&) = delete;

  /// From now on these servers are asked; what is under way ends as it began. To be called before the first start().
  void configure(const ResolvConf& conf);
  /// Only while has_capacity(). A name that is being looked up already goes on to be.
  void start(std::string_view name);
  [[nodiscard]] bool has_capacity() const noexcept { return lookups_.size() < kMaxRunning; }
  [[nodiscard]] std::size_t running() const noexcept { return lookups_.size(); }

 private:
  class NameLookup;
  using GraceList = IntrusiveList<NameLookup, NameLookup>;

  void ended(NameLookup& lookup, const LookupAnswer& answer);
  void on_timer();
  void schedule();

  Loop& loop_;
  OnAnswer on_answer_;
  Timer timer_;
  TimePoint timer_due_ = TimePoint::max();  ///< max(): it is not set
  std::shared_ptr<ServerSet> servers_;      ///< with the look-ups: those under way end with the servers they began with
  std::vector<std::shared_ptr<ServerSet>> old_servers_;
  FamilyQuery::List impatient_;
  NameMap<std::unique_ptr<NameLookup>> lookups_;
  GraceList in_grace_;  ///< all get equally long
};

}  // namespace keepwarm::net
