#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <uv.h>

#include "core/net/loop.h"

namespace keepwarm::net {

/// What other threads want done on a loop's thread: the only way in which threads of the core speak with each other.
/// Letters of one sender are delivered in the order in which it posted them, each in an event of its own loop, with
/// nothing else on the stack. Posting costs a lock that is held for a moment, and one write to wake the loop for all
/// letters that have not been delivered yet.
///
/// The mailbox must outlive all who post; close() comes before the destructor where some still may.
class Mailbox {
 public:
  explicit Mailbox(Loop& loop);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// From any thread. `letter` is called once with no argument on the loop's thread, then destroyed there. May be
  /// move-only. After close() it is destroyed at once, uncalled: what it holds must be of no thread.
  template <typename Call>
  void post(Call letter) {
    put(std::make_unique<Letter<Call>>(std::move(letter)));
  }

  /// On the loop's thread, or once that has ended: destroys what was not delivered, and whatever is posted later.
  void close() noexcept;

 private:
  struct AnyLetter {
    virtual ~AnyLetter() = default;
    virtual void deliver() = 0;
  };
  template <typename Call>
  struct Letter final : AnyLetter {
    explicit Letter(Call c) : call(std::move(c)) {}
    void deliver() override { call(); }
    Call call;
  };
  using Letters = std::vector<std::unique_ptr<AnyLetter>>;

  void put(std::unique_ptr<AnyLetter> letter);
  void deliver();

  std::mutex mutex_;
  Letters letters_;        // under mutex_
  bool closed_ = false;    // under mutex_
  uv_async_t* wake_up_;    // freed in libuv's close callback
  Letters in_delivery_{};  // the loop's thread only; keeps its capacity
};

}  // namespace keepwarm::net
