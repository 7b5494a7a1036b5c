#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/clock.h"
#include "core/base/message_queue.h"
#include "core/base/origin.h"
#include "core/policy/settings.h"

/// What the workers of a process share about their upstream connections: see core/doc/workers.md for the protocol and
/// its races. With one worker none of it is there.
namespace keepwarm::pool {

class SharedPeers;
class SharedPool;
struct PoolContext;

/// What the workers know of each other's connections of one pool key: how many are open in all, who has idle ones, and
/// who waits for a place among max_connections. Made of atomics, so that an exchange costs no lock; what has to be done
/// goes to the other worker as a message.
///
/// Held by shared_ptr, by each worker's SharedPeers and by the messages between them: no thread can know whether it is
/// the last one to need it.
class SharedHost {
 public:
  SharedHost(SharedPool& shared_pool, Origin origin, std::shared_ptr<const policy::HostSettings> settings,
             std::uint32_t workers);

  [[nodiscard]] SharedPool& shared_pool() noexcept { return shared_pool_; }
  [[nodiscard]] const Origin& origin() const noexcept { return origin_; }
  [[nodiscard]] std::uint32_t workers() const noexcept { return static_cast<std::uint32_t>(per_worker_.size()); }

  // Whose pools take part. Each worker's entry is set and read by its own thread alone.
  void enter(std::uint32_t worker, SharedPeers& peers) noexcept { per_worker_[worker].peers = &peers; }
  /// No-op if it is another pool of that worker by now.
  void leave(std::uint32_t worker, const SharedPeers& peers) noexcept;
  [[nodiscard]] SharedPeers* peers_of(std::uint32_t worker) const noexcept { return per_worker_[worker].peers; }

  // ---- Open connections: idle, leased, being opened, or on their way between workers ----

  [[nodiscard]] std::uint32_t open() const noexcept { return open_.load(); }
  /// Counts one more, if that leaves no more than `max`.
  [[nodiscard]] bool reserve(std::uint32_t max) noexcept;
  /// Counts those that are there already.
  void add(std::uint32_t count) noexcept { open_.fetch_add(count); }
  /// One is gone. The caller then looks for who waits.
  void release() noexcept { open_.fetch_sub(1); }

  // ---- Idle connections ----

  /// More than before: the caller then looks for who waits.
  void idle_rose(std::uint32_t worker, std::uint32_t count) noexcept { per_worker_[worker].idle.store(count); }
  void idle_fell(std::uint32_t worker, std::uint32_t count) noexcept {
    per_worker_[worker].idle.store(count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint32_t idle() const noexcept;
  [[nodiscard]] std::uint32_t idle_at(std::uint32_t worker) const noexcept { return per_worker_[worker].idle.load(); }
  /// Which other worker has the most; nullopt: none has any.
  [[nodiscard]] std::optional<std::uint32_t> most_idle(std::uint32_t not_this_one) const noexcept;
  /// How many idle connections of `worker` are too many, as all together exceed a limit. They count as closed from now
  /// on, so that no other worker closes some of its own for the same excess; the caller closes them.
  [[nodiscard]] std::uint32_t claim_excess(std::uint32_t worker, std::uint32_t max_idle, std::uint32_t max_connections);

  // ---- keep_warm: one worker opens what is missing; each closes its own ----

  /// True: it is `worker` from now on, or was before.
  [[nodiscard]] bool claim_prewarming(std::uint32_t worker) noexcept;
  /// No-op if it is not `worker`.
  void resign_prewarming(std::uint32_t worker) noexcept;
  [[nodiscard]] std::optional<std::uint32_t> prewarmer() const noexcept;
  /// How many of the idle connections of `worker` are expiring (policy::WarmView).
  void show_expiring(std::uint32_t worker, std::uint32_t count) noexcept { per_worker_[worker].expiring.store(count); }
  [[nodiscard]] std::uint32_t expiring() const noexcept;
  /// A request came.
  void used(TimePoint now) noexcept;
  [[nodiscard]] TimePoint last_used() const noexcept { return TimePoint(Duration(last_used_.load())); }

  // ---- Who waits, since max_connections are open ----

  /// The oldest waiter of `worker` waits since then. The caller must look for a place once more afterwards: it hears of
  /// what is released or falls idle after this call, but did not hear of what was before.
  void await(std::uint32_t worker, TimePoint since) noexcept;
  void stop_awaiting(std::uint32_t worker) noexcept;
  [[nodiscard]] bool anybody_waits() const noexcept { return awaiting_.load() != 0; }
  /// Who of the other workers waits longest, and since before `older_than`. It counts as notified, and the caller has
  /// to notify it.
  [[nodiscard]] std::optional<std::uint32_t> claim(std::uint32_t not_this_one, TimePoint older_than) noexcept;

 private:
  static constexpr std::size_t kCacheLine = 64;
  static constexpr std::int64_t kNobody = 0;
  static constexpr std::uint32_t kNoWorker = 0xffffffff;

  /// Changed by each exchange of its worker: on a cache line of its own.
  struct alignas(kCacheLine) PerWorker {
    std::atomic<std::uint32_t> idle{0};
    std::atomic<std::uint32_t> expiring{0};
    std::atomic<std::int64_t> waits_since{kNobody};  ///< TimePoint, as nanoseconds
    SharedPeers* peers = nullptr;                    ///< of the worker's thread alone
  };

  SharedPool& shared_pool_;
  Origin origin_;
  std::shared_ptr<const policy::HostSettings> settings_;  ///< for the key of the map in SharedPool
  std::vector<PerWorker> per_worker_;
  std::mutex claiming_excess_;
  std::atomic<std::uint32_t> prewarmer_{kNoWorker};
  std::atomic<std::int64_t> last_used_{0};  ///< TimePoint, as nanoseconds
  alignas(kCacheLine) std::atomic<std::uint32_t> open_{0};
  alignas(kCacheLine) std::atomic<std::uint32_t> awaiting_{0};  ///< at least as many as have `waits_since` set
};

/// All pool keys of a process with several workers, and the workers' mailboxes. With one worker there is none.
/// Thread-safe; must outlive the engines.
class SharedPool {
 public:
  explicit SharedPool(std::uint32_t workers) : members_(workers) {}
  SharedPool(const SharedPool&) = delete;
  SharedPool& operator=(const SharedPool&) = delete;

  /// Before the threads run. Both must live until all messages are delivered or destroyed.
  void register_worker(std::uint32_t worker, MessageQueue& messages, PoolContext& context) noexcept {
    members_[worker] = {&messages, &context};
  }

  /// The SharedHost of a pool key: one object for all workers, each of which has settings of its own (equal values are
  /// one key).
  [[nodiscard]] std::shared_ptr<SharedHost> host(const Origin& origin, const policy::HostSettings& settings);

  /// Has `message` called on that worker's thread.
  template <typename Message>
  void post(std::uint32_t worker, Message message) {
    members_[worker].messages->post(std::move(message));
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
    MessageQueue* messages = nullptr;
    PoolContext* context = nullptr;
  };
  struct Key {
    Origin origin;
    const policy::HostSettings* settings;  ///< one of known_, kept alive by the SharedHost
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
  std::unordered_map<Key, std::weak_ptr<SharedHost>, KeyHash> hosts_;
  std::size_t sweep_at_ = kFirstSweep;
};

}  // namespace keepwarm::pool
