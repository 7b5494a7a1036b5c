#pragma once

#include <string_view>

#include "core/pool/pool.h"

/// An upstream connection that belongs to one client, between two requests of that client.
namespace keepwarm::proxy {

/// An upstream connection that NTLM or Negotiate has bound to one client (core/doc/design.md §6.10), between two of its
/// requests. Owned by that client's session, and closes with it. Watches the stream: whatever comes while idle ends it.
class BoundConnection final : public net::StreamEvents {
 public:
  BoundConnection(pool::HostRef host, pool::Lease lease) noexcept : host_(std::move(host)), lease_(std::move(lease)) {
    lease_.stream().set_events(*this);
  }
  ~BoundConnection() { lease_.close(pool::CloseReason::BoundToClient); }
  BoundConnection(const BoundConnection&) = delete;
  BoundConnection& operator=(const BoundConnection&) = delete;

  /// Empty if it is for another host, or has ended meanwhile.
  [[nodiscard]] pool::Lease take(const pool::HostPool& host) noexcept {
    if (&*host_ != &host || !lease_) return {};
    if (!lease_.still_usable()) lease_.close(pool::CloseReason::BoundToClient);
    return std::move(lease_);
  }

 private:
  void on_bytes(std::string_view) override { lease_.close(pool::CloseReason::StrayBytes); }
  void on_end() override { lease_.close(pool::CloseReason::ServerClosedIdle); }
  void on_broken(int) override { lease_.close(pool::CloseReason::ServerClosedIdle); }
  void on_drained() override {}

  pool::HostRef host_;
  pool::Lease lease_;
};

}  // namespace keepwarm::proxy
