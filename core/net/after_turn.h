#pragma once

#include <uv.h>

#include <functional>
#include <memory>

#include "core/net/loop.h"

namespace keepwarm::net {

/// Calls back once at the end of this turn of the loop, when no event of a stream is on the stack any more: where objects
/// that ended inside their own event are taken apart. No system call.
class AfterTurn {
 public:
  AfterTurn(Loop& loop, std::function<void()> on_turn) : node_(new Node{{}, std::move(on_turn)}) {
    uv_check_init(&loop.uv(), &node_->handle);
    node_->handle.data = node_.get();
  }

  void request() noexcept {
    uv_check_start(&node_->handle, [](uv_check_t* handle) {
      uv_check_stop(handle);
      static_cast<Node*>(handle->data)->on_turn();
    });
  }

 private:
  struct Node {
    uv_check_t handle;
    std::function<void()> on_turn;
  };
  struct CloseThenDelete {
    void operator()(Node* node) const noexcept {
      uv_close(reinterpret_cast<uv_handle_t*>(&node->handle),
               [](uv_handle_t* handle) { delete static_cast<Node*>(handle->data); });
    }
  };
  std::unique_ptr<Node, CloseThenDelete> node_;
};

}  // namespace keepwarm::net
