#pragma once

#include <array>
#include <cstdint>

#include "core/base/clock.h"
#include "core/base/deadline_wheel.h"
#include "core/base/intrusive_list.h"
#include "core/pool/checkout.h"

/// The exchanges that wait for a connection of one pool key, in the order in which they are to be served. Each exchange
/// owns its Waiter; the queue only lists them.
namespace keepwarm::pool {

class ConnectAttempt;
class Waiter;
class WaiterQueue;

/// What a WaiterQueue reports to its HostPool. Neither is called from inside a method of the queue itself.
class WaiterEvents {
 public:
  /// A waiter left by itself, and is out of the queue. `attempt`: the connect that was under way for it, or nullptr.
  virtual void waiter_left(ConnectAttempt* attempt, TimePoint now) noexcept = 0;
  /// The time that a waiter was given is over; it is still in the queue.
  virtual void waiter_timed_out(Waiter& waiter, TimePoint now) = 0;

 protected:
  ~WaiterEvents() = default;
};

/// The place of one exchange in a queue. Destroying it withdraws it; no event comes afterwards. Owned by the exchange.
class Waiter final : public ListHook<Waiter>, public ListHook<WaiterQueue>, public Deadline {
 public:
  explicit Waiter(CheckoutEvents& events) noexcept : events_(events) {}
  ~Waiter() { withdraw(); }

  [[nodiscard]] bool waiting() const noexcept { return queue_ != nullptr; }
  void withdraw() noexcept;

  [[nodiscard]] CheckoutRequirements requirements() const noexcept;
  [[nodiscard]] CheckoutEvents& events() const noexcept { return events_; }
  /// When it began to wait; no two of one queue began at the same time.
  [[nodiscard]] TimePoint since() const noexcept { return TimePoint(Duration(since_)); }
  /// Of two waiters the one with the smaller number is served first.
  [[nodiscard]] std::uint64_t order() const noexcept;

  /// Where its connection is to come from, besides any that is returned. Never two at a time.
  enum class Source : std::uint8_t {
    None,
    Connect,  ///< a connect is under way for it
    Transfer  ///< another worker was asked for an idle connection
  };
  [[nodiscard]] Source source() const noexcept { return static_cast<Source>(source_); }
  /// The connect that is under way for it; nullptr unless source() is Connect.
  [[nodiscard]] ConnectAttempt* attempt() const noexcept { return attempt_; }
  /// Another worker was asked once, in vain: it is not asked again.
  [[nodiscard]] bool transfer_refused() const noexcept { return transfer_refused_; }

 private:
  friend class WaiterQueue;
  void on_deadline(TimePoint now) override;

  CheckoutEvents& events_;
  WaiterQueue* queue_ = nullptr;  ///< nullptr: it does not wait
  ConnectAttempt* attempt_ = nullptr;
  // All in one word, since each exchange has a waiter.
  std::uint64_t since_ : 58 = 0;  ///< nanoseconds of the clock: nine years of it
  std::uint64_t class_ : 3 = 0;   ///< what it needs: WaiterQueue::requirements_of()
  std::uint64_t source_ : 2 = 0;  ///< a Source
  bool transfer_refused_ : 1 = false;
};

/// First come, first served; retries go first, since they have waited their turn before.
///
/// Waiters that need the same of a connection form a class, of which there are eight. Whether a connection serves a
/// waiter depends on the class alone, so the first in line that it serves is found among the fronts of eight lists: no
/// operation here takes longer when more are waiting. Owned by a HostPool.
class WaiterQueue {
 public:
  static constexpr std::size_t kClasses = 8;

  /// References must outlive the queue.
  WaiterQueue(DeadlineWheel& deadlines, WaiterEvents& events) noexcept : deadlines_(deadlines), events_(events) {}

  /// Puts `waiter`, which waits nowhere, into its place. Its time is over after `limit`.
  void add(Waiter& waiter, const CheckoutRequirements& requirements, Duration limit, TimePoint now);
  /// Takes it out: it is served, or told of a failure. Returns the connect that was under way for it, or nullptr.
  ConnectAttempt* remove(Waiter& waiter) noexcept;
  /// Gives it so much more time.
  void extend(Waiter& waiter, Duration limit, TimePoint now) { deadlines_.arm(waiter, now + limit); }

  /// Lets its time end after `limit` at the latest: no connect may begin for it now, and at waiter_timed_out() it is
  /// tried again.
  void recall(Waiter& waiter, Duration limit, TimePoint now) {
    if (waiter.due() > now + limit) deadlines_.arm(waiter, now + limit);
  }

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

  // ---- Classes ----

  /// What all waiters of a class need.
  [[nodiscard]] static CheckoutRequirements requirements_of(std::size_t of_class) noexcept;
  /// The first in line of a class; nullptr: none waits.
  [[nodiscard]] Waiter* front(std::size_t of_class) noexcept { return all_[of_class].front(); }
  /// The first in line of a class that has no source; nullptr: each has one.
  [[nodiscard]] Waiter* first_without_source(std::size_t of_class) noexcept { return unsourced_[of_class].front(); }

  /// The first in line of all.
  [[nodiscard]] Waiter* front() noexcept;
  /// The first in line of all that have no source. nullptr: each has one.
  [[nodiscard]] Waiter* first_without_source() noexcept;
  /// The first in line without a source among the waiters of local clients, or of the others; nullptr: each has one.
  [[nodiscard]] Waiter* first_without_source_of(bool local_client) noexcept;

  /// Since when the one that has waited longest waits, whether it is the first in line or was passed by a retry: so
  /// this worker is compared with others. TimePoint::max(): nobody waits.
  [[nodiscard]] TimePoint waiting_since() noexcept;
  /// As waiting_since(), but only of waiters that have no source.
  [[nodiscard]] TimePoint waiting_without_source_since() noexcept;

  // ---- Sources ----

  /// A connect is under way for it.
  void connecting(Waiter& waiter, ConnectAttempt& attempt) noexcept;
  /// The connect ended, or serves another one: it has no source any more.
  void connect_lost(Waiter& waiter) noexcept;
  /// Another worker was asked on its behalf.
  void await_transfer(Waiter& waiter) noexcept;
  /// How many wait for a connection of another worker.
  [[nodiscard]] std::uint32_t awaiting_transfer() const noexcept { return awaiting_transfer_; }
  /// Another worker had no connection to give: the waiter that asked first has no source any more, and asks no worker
  /// again.
  void refuse_transfer() noexcept;

 private:
  friend class Waiter;
  using AllList = IntrusiveList<Waiter, Waiter>;
  using SourceList = IntrusiveList<Waiter, WaiterQueue>;

  [[nodiscard]] static std::size_t class_of(const CheckoutRequirements& requirements) noexcept;
  void drop_source(Waiter& waiter) noexcept;
  static void set_source(Waiter& waiter, Waiter::Source source) noexcept {
    waiter.source_ = static_cast<std::uint64_t>(source) & 3U;
  }
  void put_back_unsourced(Waiter& waiter) noexcept;

  DeadlineWheel& deadlines_;
  WaiterEvents& events_;
  std::array<AllList, kClasses> all_;           ///< each by order()
  std::array<SourceList, kClasses> unsourced_;  ///< those of all_ whose source() is None, by order()
  SourceList transfers_;                        ///< those whose source() is Transfer; front: asked first
  /// Of each of unsourced_: the one that lost its source last, or whoever stood behind it; nullptr: not known.
  std::array<Waiter*, kClasses> put_back_last_{};
  std::uint32_t size_ = 0;
  std::uint32_t awaiting_transfer_ = 0;  ///< the size of transfers_
  TimePoint last_added_{};
};

}  // namespace keepwarm::pool
