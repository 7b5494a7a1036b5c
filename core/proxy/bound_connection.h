#pragma once

#include <string_view>

#include "core/net/loop.h"
#include "core/pool/bound_holder.h"
#include "core/pool/pool.h"

/// An upstream connection that belongs to one client, between two requests of that client.
namespace keepwarm::proxy {

/// An upstream connection that NTLM or Negotiate has bound to one client (core/doc/design.md §6.10), between two of its
/// requests. Owned by that client's session, and closes with it, or when the pool needs its place. Watches the stream:
/// whatever comes while idle ends it.
class BoundConnection final : public net::StreamEvents, public pool::BoundHolder {
 public:
  BoundConnection(pool::HostRef host, pool::Lease lease)
      : BoundHolder(lease.connection().authenticated), host_(std::move(host)), lease_(std::move(lease)) {
    lease_.stream().set_events(*this);
    host_->hold_bound(*this, net::Loop::event_time());
  }
  ~BoundConnection() { end(pool::CloseReason::BoundToClient); }
  BoundConnection(const BoundConnection&) = delete;
  BoundConnection& operator=(const BoundConnection&) = delete;

  /// Empty if it is for another host, or has ended meanwhile.
  [[nodiscard]] pool::Lease take(const pool::HostPool& host) noexcept {
    if (&*host_ != &host || !lease_) return {};
    unlink();
    if (!lease_.still_usable()) lease_.close(pool::CloseReason::BoundToClient);
    return std::move(lease_);
  }

 private:
  void on_bytes(std::string_view) override { end(pool::CloseReason::StrayBytes); }
  void on_end() override { end(pool::CloseReason::ServerClosedIdle); }
  void on_broken(int) override { end(pool::CloseReason::ServerClosedIdle); }
  void on_drained() override {}
  void give_way() override { end(pool::CloseReason::PoolFull); }

  void end(pool::CloseReason reason) {
    unlink();
    lease_.close(reason);
  }

  pool::HostRef host_;
  pool::Lease lease_;
};

}  // namespace keepwarm::proxy
