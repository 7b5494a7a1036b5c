#pragma once

#include <memory>
#include <utility>

namespace keepwarm {

/// Something that one thread wants done on another one.
class Message {
 public:
  virtual ~Message() = default;
  virtual void deliver() = 0;
};

/// Where messages for one thread are put. net::Mailbox delivers them on its loop; tests deliver them by hand.
class MessageQueue {
 public:
  /// From any thread. `call` is called once with no argument on the receiving thread, then destroyed there. It may be
  /// move-only. A queue that is closed destroys it uncalled, on the thread that posts: so it must hold nothing that
  /// only one thread may destroy.
  template <typename Call>
  void post(Call call) {
    put(std::make_unique<MessageOf<Call>>(std::move(call)));
  }

 protected:
  ~MessageQueue() = default;

 private:
  template <typename Call>
  struct MessageOf final : Message {
    explicit MessageOf(Call c) : call(std::move(c)) {}
    void deliver() override { call(); }
    Call call;
  };

  virtual void put(std::unique_ptr<Message> message) = 0;
};

}  // namespace keepwarm
