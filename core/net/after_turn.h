#pragma once

#include <functional>
#include <memory>

#include <uv.h>

#include "core/net/loop.h"

namespace keepwarm::net {

/// Calls back once at the end of this turn of the loop, when no event of a stream is on the stack any more: where
/// objects that ended inside their own event are taken apart. No system call.
class AfterTurn {
 public:
  AfterTurn(Loop& loop, std::function<void()> on_turn) : node_(new Node{{}, {}, 2, std::move(on_turn)}) {
    uv_check_init(&loop.uv(), &node_->check);
    uv_idle_init(&loop.uv(), &node_->idle);
    node_->check.data = node_.get();
    node_->idle.data = node_.get();
  }

  void request() noexcept {
    uv_check_start(&node_->check, [](uv_check_t* handle) {
      Node* node = static_cast<Node*>(handle->data);
      uv_check_stop(&node->check);
      uv_idle_stop(&node->idle);
      Loop::begin_event();
      if (uv_is_closing(reinterpret_cast<uv_handle_t*>(handle)) == 0) node->on_turn();
    });
    // Keeps the loop from sleeping before the check when the request comes from a timer.
    uv_idle_start(&node_->idle, [](uv_idle_t*) {});
  }

 private:
  struct Node {
    uv_check_t check;
    uv_idle_t idle;
    int open_handles;
    std::function<void()> on_turn;
  };
  static void closed(uv_handle_t* handle) {
    Node* node = static_cast<Node*>(handle->data);
    if (--node->open_handles == 0) delete node;
  }
  struct CloseThenDelete {
    void operator()(Node* node) const noexcept {
      uv_close(reinterpret_cast<uv_handle_t*>(&node->check), closed);
      uv_close(reinterpret_cast<uv_handle_t*>(&node->idle), closed);
    }
  };
  std::unique_ptr<Node, CloseThenDelete> node_;
};

}  // namespace keepwarm::net
