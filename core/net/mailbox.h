#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include <uv.h>

#include "core/base/message_queue.h"
#include "core/net/loop.h"

namespace keepwarm::net {

/// Calls that other threads want made on a loop's thread: the only way in which threads of the core talk to each other.
/// Messages of one sender are delivered in the order in which it posted them, each in an event of its own loop, with
/// nothing else on the stack. Posting costs a lock that is held briefly, and one write to wake the loop for all
/// messages that have not been delivered yet.
///
/// The mailbox must outlive all who post; close() comes before the destructor where some still may.
class Mailbox final : public MessageQueue {
 public:
  explicit Mailbox(Loop& loop);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// On the loop's thread, or once that has ended: destroys what was not delivered, and whatever is posted later.
  void close() noexcept;

 private:
  using Messages = std::vector<std::unique_ptr<Message>>;

  void put(std::unique_ptr<Message> message) override;
  void deliver();

  std::mutex mutex_;
  Messages messages_;       // under mutex_
  bool closed_ = false;     // under mutex_
  uv_async_t* wake_up_;     // freed in libuv's close callback
  Messages in_delivery_{};  // the loop's thread only; keeps its capacity
};

}  // namespace keepwarm::net
