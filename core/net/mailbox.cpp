#include "core/net/mailbox.h"

#include <system_error>

namespace keepwarm::net {

Mailbox::Mailbox(Loop& loop) : wake_up_(new uv_async_t) {
  const auto woken = [](uv_async_t* handle) {
    if (handle->data != nullptr) static_cast<Mailbox*>(handle->data)->deliver();
  };
  if (const int error = uv_async_init(&loop.uv(), wake_up_, woken); error != 0) {
    delete wake_up_;
    throw std::system_error(-error, std::generic_category(), "cannot create a mailbox");
  }
  wake_up_->data = this;
}

Mailbox::~Mailbox() {
  close();
}

void Mailbox::put(std::unique_ptr<Message> message) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  messages_.push_back(std::move(message));
  // Under the lock, so that the handle is not being closed. One wake-up is enough for all messages that wait.
  if (messages_.size() == 1) uv_async_send(wake_up_);
}

void Mailbox::deliver() {
  {
    const std::lock_guard lock(mutex_);
    in_delivery_.swap(messages_);
  }
  for (auto& message : in_delivery_) {
    Loop::begin_event();
    message->deliver();
    message.reset();
  }
  in_delivery_.clear();
}

void Mailbox::close() noexcept {
  Messages undelivered;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(closed_, true)) return;
    undelivered.swap(messages_);
    wake_up_->data = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(wake_up_),
             [](uv_handle_t* handle) { delete reinterpret_cast<uv_async_t*>(handle); });
  }
}

}  // namespace keepwarm::net
