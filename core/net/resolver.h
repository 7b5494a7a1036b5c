#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/clock.h"
#include "core/base/intrusive_list.h"
#include "core/net/address.h"
#include "core/net/loop.h"

namespace keepwarm::net {

/// Called once when a look-up has ended.
class ResolveEvents {
 public:
  /// `addresses` have port 0, in the order in which they should be tried (RFC 6724 by getaddrinfo, then families
  /// interleaved as RFC 8305 §4 says); empty when it failed, then `error` is a negative libuv code (UV_EAI_NONAME, …).
  virtual void on_resolved(std::span<const SocketAddress> addresses, int error) = 0;

 protected:
  ~ResolveEvents() = default;
};

/// Names to addresses, by getaddrinfo on libuv's thread pool, with a cache. Identical look-ups under way are merged, so
/// a name whose look-up hangs occupies one thread however often it is asked for. The cache is bounded (kMaxEntries).
///
/// The thread pool must have been made large enough before the first look-up: call prepare_threads() first in main().
class Resolver {
 public:
  static constexpr std::size_t kMaxEntries = 10000;

  struct Settings {
    Duration ttl;           ///< how long an answer is used without asking again; 0: not at all
    Duration negative_ttl;  ///< the same for a failure
  };

  Resolver(Loop& loop, Settings settings);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// A pending look-up of one asker. Destroying it withdraws the asker; the look-up itself goes on for the cache.
  class Query : private ListHook<Query> {
   public:
    Query() noexcept = default;
    [[nodiscard]] bool pending() const noexcept { return linked(); }

   private:
    friend class Resolver;
    template <typename, typename>
    friend class keepwarm::IntrusiveList;
    ResolveEvents* events_ = nullptr;
  };

  /// Asks for `name` (lower case, or an address literal). A literal or a cached answer is told before resolve()
  /// returns; else later. `query` must not be pending.
  void resolve(std::string_view name, Query& query, ResolveEvents& events);

  void set_settings(Settings settings) noexcept;
  /// Look-ups that a thread is still busy with (their threads cannot be joined soon at exit).
  [[nodiscard]] std::size_t running() const noexcept;

  /// Sets the size of libuv's thread pool such that at least 16 look-ups run at once (libuv lends only half of its
  /// threads to them), unless the environment already says otherwise. Before any other thread exists.
  static void prepare_threads() noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keepwarm::net
