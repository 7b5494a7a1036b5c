#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/origin.h"
#include "core/net/mailbox.h"
#include "core/policy/settings.h"

namespace keepwarm::pool {

class Commons;
class HostPool;
struct PoolContext;

/// What the workers of a process know of each other's connections of one pool key: how many there are in all, who has
/// idle ones, and who waits for room. Made of atomics, so that an exchange costs no lock; what has to be done goes to
/// the other worker as a letter. core/README.md has the protocol and its races.
///
/// Held by shared_ptr, by each worker's HostPool and by the letters between them: no thread can know whether it is the
/// last one to need it.
class CommonHost {
 public:
  CommonHost(Commons& commons, Origin origin, std::shared_ptr<const policy::HostSettings> settings,
             std::uint32_t workers);

  [[nodiscard]] Commons& commons() noexcept { return commons_; }
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }

  // Whose pools take part. Each worker's entry is set and read by its own thread alone.
  void enter(std::uint32_t worker, HostPool& pool) noexcept { seats_[worker].pool = &pool; }
  /// No-op if it is another pool of that worker by now.
  void leave(std::uint32_t worker, const HostPool& pool) noexcept;
  [[nodiscard]] HostPool* pool_of(std::uint32_t worker) const noexcept { return seats_[worker].pool; }

  // Open connections: idle, leased, being opened, or on their way between workers.
  [[nodiscard]] std::uint32_t open() const noexcept { return open_.load(); }
  /// Counts one more, if that leaves no more than `most`.
  [[nodiscard]] bool reserve(std::uint32_t most) noexcept;
  /// Counts those that are there already.
  void add(std::uint32_t count) noexcept { open_.fetch_add(count); }
  /// One is gone. Whoever waits has to be looked for afterwards.
  void release() noexcept { open_.fetch_sub(1); }

  // Idle connections.
  /// More than before: whoever waits has to be looked for afterwards.
  void idle_rose(std::uint32_t worker, std::uint32_t count) noexcept { seats_[worker].idle.store(count); }
  void idle_fell(std::uint32_t worker, std::uint32_t count) noexcept {
    seats_[worker].idle.store(count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t idle() const noexcept;
  [[nodiscard]] std::uint32_t idle_at(std::uint32_t worker) const noexcept { return seats_[worker].idle.load(); }
  /// Which other worker has the most; nullopt: none has any.
  [[nodiscard]] std::optional<std::uint32_t> most_idle(std::uint32_t not_this_one) const noexcept;

  // keep_warm: one worker opens what is missing; each closes its own.
  /// True: it is `worker` from now on, or was before.
  [[nodiscard]] bool claim_warming(std::uint32_t worker) noexcept;
  /// No-op if it is not `worker`.
  void resign_warming(std::uint32_t worker) noexcept;
  [[nodiscard]] std::optional<std::uint32_t> warmer() const noexcept;
  /// How many of the idle connections of `worker` are cold (policy::WarmView).
  void show_cold(std::uint32_t worker, std::uint32_t count) noexcept { seats_[worker].cold.store(count); }
  [[nodiscard]] std::uint32_t cold() const noexcept;
  /// A request came then.
  void used(TimePoint moment) noexcept;
  [[nodiscard]] TimePoint last_used() const noexcept { return TimePoint(Duration(last_used_.load())); }

  /// Held while a worker closes idle connections because there are too many in all: so that no two of them close for
  /// the same excess.
  [[nodiscard]] std::mutex& trimming() noexcept { return trimming_; }

  // Who waits, since max_connections are open.
  /// The oldest waiter of `worker` waits since then. The caller looks again afterwards: what was released, or fell
  /// idle, before this call was not announced to it; what is later, will be.
  void await(std::uint32_t worker, TimePoint since) noexcept;
  void await_no_more(std::uint32_t worker) noexcept;
  [[nodiscard]] bool anybody_waits() const noexcept { return awaiting_.load() != 0; }
  /// Who of the other workers waits longest, and since before `older_than`; it is taken for told, and must be.
  [[nodiscard]] std::optional<std::uint32_t> claim(std::uint32_t not_this_one, TimePoint older_than) noexcept;

  [[nodiscard]] std::uint32_t workers() const noexcept { return static_cast<std::uint32_t>(seats_.size()); }

 private:
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::int64_t kNobody = 0;
  static constexpr std::uint32_t kNoWorker = 0xffffffff;

  /// Changed by each exchange of its worker: on a cache line of its own.
  struct alignas(kCacheLine) Seat {
    std::atomic<std::uint32_t> idle{0};
    std::atomic<std::uint32_t> cold{0};
    std::atomic<std::int64_t> waits_since{kNobody};  ///< TimePoint, as nanoseconds
    HostPool* pool = nullptr;                        ///< of the worker's thread alone
  };

  Commons& commons_;
  Origin origin_;
  std::shared_ptr<const policy::HostSettings> settings_;  ///< for the key of the map in Commons
  std::vector<Seat> seats_;
  std::mutex trimming_;
  std::atomic<std::uint32_t> warmer_{kNoWorker};
  std::atomic<std::int64_t> last_used_{0};  ///< TimePoint, as nanoseconds
  alignas(kCacheLine) std::atomic<std::uint32_t> open_{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> awaiting_{0};  ///< at least as many as have `waits_since` set
};

/// All pool keys of a process with several workers, and the workers' mailboxes. With one worker there is none.
/// Thread-safe; must outlive the engines.
class Commons {
 public:
  explicit Commons(std::uint32_t workers) : members_(workers) {}
  Commons(const Commons&) = delete;
  Commons& operator=(const Commons&) = delete;

  /// Before the threads run. Both must live until all letters are delivered or destroyed.
  void enlist(std::uint32_t worker, net::Mailbox& mailbox, PoolContext& context) noexcept {
    members_[worker] = {&mailbox, &context};
  }

  /// The same object for all workers, however each keeps its settings: equal values are one key.
  [[nodiscard]] std::shared_ptr<CommonHost> host(const Origin& origin, const policy::HostSettings& settings);

  /// Has `letter` called on that worker's thread.
  template <typename Letter>
  void post(std::uint32_t worker, Letter letter) {
    members_[worker].mailbox->post(std::move(letter));
  }
  /// Only on that worker's thread.
  [[nodiscard]] PoolContext& context(std::uint32_t worker) noexcept { return *members_[worker].context; }

  /// `worker` has no descriptor left, and no idle connection: has each of the others close one, and tells when one has
  /// (PoolContext::descriptor_freed).
  void ask_for_descriptor(std::uint32_t worker);

  /// Keys that are remembered, whether somebody still holds them or not.
  [[nodiscard]] std::size_t host_count();

 private:
  struct Member {
    net::Mailbox* mailbox = nullptr;
    PoolContext* context = nullptr;
  };
  struct Key {
    Origin origin;
    const policy::HostSettings* settings;  ///< one of known_, kept alive by the CommonHost
    bool operator==(const Key&) const = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept {
      return OriginHash{}(key.origin) ^ std::hash<const void*>{}(key.settings);
    }
  };
  static constexpr std::size_t kFirstSweep = 1024;

  [[nodiscard]] std::shared_ptr<const policy::HostSettings> same(const policy::HostSettings& settings);

  std::vector<Member> members_;                                   // does not change once threads run
  std::mutex mutex_;                                              // over all that follows
  std::vector<std::weak_ptr<const policy::HostSettings>> known_;  // few: one for each combination of tables
  std::unordered_map<Key, std::weak_ptr<CommonHost>, KeyHash> hosts_;
  std::size_t sweep_at_ = kFirstSweep;
};

}  // namespace keepwarm::pool
