#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/base/resolver_mode.h"
#include "core/net/address.h"
#include "core/net/dns/lookup.h"
#include "core/net/dns/system_names.h"
#include "core/net/loop.h"

namespace keepwarm::net {

/// What the resolver reports to who asked.
class ResolveEvents {
 public:
  /// `addresses` have port 0, in the order in which they should be tried (RFC 6724 by getaddrinfo, then families
  /// interleaved as RFC 8305 §4 says); empty when it failed, then `error` is a negative libuv code (UV_EAI_NONAME, …;
  /// UV_ETIMEDOUT: no name server has answered). Comes once, when the look-up has ended; and a second time, with all
  /// addresses, if the query is still pending meanwhile: then those of one family alone came first.
  virtual void on_resolved(std::span<const SocketAddress> addresses, int error) = 0;

 protected:
  ~ResolveEvents() = default;
};

/// Names to addresses, with a cache: by /etc/hosts and c-ares on the loop (dns_lookups.h) where these can do what the
/// system's files ask for (resolver_choice.h), else by getaddrinfo on threads (lookup.h). Identical look-ups under way
/// are merged, so a name whose look-up hangs occupies one thread however often it is asked for; when all threads are
/// busy, names wait in order. Both are bounded: the cache by kMaxEntries, the waiting names by their askers. When one
/// of the system's files changes nothing is cached any more; that is noticed with the next name that is not, or within
/// a second.
///
/// "localhost" and every name below it is ::1 and 127.0.0.1 without asking anybody (RFC 6761 §6.3), whatever /etc/hosts
/// has of it.
class Resolver {
 public:
  static constexpr std::size_t kMaxEntries = 10000;

  struct Settings {
    Duration ttl;           ///< how long an answer is used at most without asking again; 0: not at all
    Duration negative_ttl;  ///< the same for a failure
    Duration min_ttl = std::chrono::seconds(1);   ///< and at least, though its own time is shorter; `ttl` is stronger
    Duration timeout = std::chrono::seconds(15);  ///< how long an asker should wait for an answer
    ResolverMode mode = ResolverMode::System;
  };

  /// `lookup` is what the threads do; another than the system's is for tests, and so are other `paths`. Look-ups may
  /// outlive the resolver: one that hangs is left behind with its thread.
  Resolver(Loop& loop, Settings settings, Lookup lookup = system_lookup, SystemNames::Paths paths = {});
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// A pending look-up of one asker. Destroying it withdraws the asker; a look-up that a thread has begun goes on for
  /// the cache.
  class Query : private ListHook<Query> {
   public:
    Query() noexcept = default;
    [[nodiscard]] bool pending() const noexcept { return linked(); }
    /// Whether the answer took a look-up (false: it was known).
    [[nodiscard]] bool looked_up() const noexcept { return looked_up_; }

   private:
    friend class Resolver;
    template <typename, typename>
    friend class keepwarm::IntrusiveList;
    ResolveEvents* events_ = nullptr;
    bool looked_up_ = false;
  };

  /// Asks for `name` (lower case, or an address literal). What needs no look-up (a literal, a cached answer, a
  /// name that is empty or too long) is reported before resolve() returns, and so may be what cannot be asked. `query`
  /// must not be pending. Inside on_resolved() all but the resolver itself may be destroyed.
  void resolve(std::string_view name, Query& query, ResolveEvents& events);

  /// For an answer of the cache that led nowhere: nobody could be connected to at its addresses. Asks anew, as
  /// resolve() does for a name that is not known. False, and nothing happens: nobody need be asked for this name, or it
  /// was asked again less than a second ago, and its answer was still the same.
  [[nodiscard]] bool ask_again(std::string_view name, Query& query, ResolveEvents& events);
  /// For such an answer when it is too late to ask again: who comes next asks anew.
  void forget(std::string_view name);
  /// The machine is in another network: all names are asked for anew.
  void forget_all();

  void set_settings(Settings settings) noexcept;
  /// Settings::timeout. The resolver itself never gives up: a late answer is of use to the next asker.
  [[nodiscard]] Duration timeout() const noexcept { return timeout_; }
  /// Look-ups under way.
  [[nodiscard]] std::size_t running() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
  Duration timeout_;
};

}  // namespace keepwarm::net
