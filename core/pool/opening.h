#pragma once

#include <memory>

#include "core/pool/dialer.h"
#include "core/pool/host_pool.h"

namespace keepwarm::pool {

/// A connection that is being opened, usually on behalf of one waiter, or for nobody, to be kept warm. When that waiter
/// is served otherwise, another one adopts it, or the connection joins the pool unused. Owned by its HostPool.
class Opening final : public DialEvents {
 public:
  /// `waiter`: nullptr: for nobody (keep_warm). It counts as one of the host's unclaimed ones.
  Opening(HostPool& host, Waiter* waiter, bool local_client);
  ~Opening();

  void start();
  void adopt(Waiter& waiter) noexcept;
  /// Its waiter needs it no more; another may adopt it.
  void let_go() noexcept;

  [[nodiscard]] Waiter* waiter() const noexcept { return waiter_; }
  /// Its waiter came when it was under way already: what becomes of it is no answer to that one.
  [[nodiscard]] bool adopted() const noexcept { return adopted_; }
  /// It was begun for nobody, whoever may have adopted it since.
  [[nodiscard]] bool for_nobody() const noexcept { return for_nobody_; }
  [[nodiscard]] TimePoint began() const noexcept { return began_; }
  [[nodiscard]] bool local_client() const noexcept { return local_client_; }
  /// The first time only: what failed may go well now.
  [[nodiscard]] bool may_start_again() noexcept { return !std::exchange(started_again_, true); }

 private:
  void on_dialed(Dialed dialed) override {
    if (host_.hop().unix_path.empty()) dialed.stream->path().enable_keepalive();
    host_.opened(*this, std::move(dialed));
  }
  void on_dial_failed(const DialFailure& failure) override { host_.opening_failed(*this, failure); }
  void on_addresses(std::span<const net::SocketAddress> addresses) override { host_.addresses_seen(addresses); }

  HostPool& host_;
  PoolContext& context_;  ///< may outlive the host
  Waiter* waiter_;
  TimePoint began_;
  bool local_client_;
  bool for_nobody_;
  bool started_again_ = false;
  bool adopted_ = false;
  std::unique_ptr<Dialer> dialer_;
};

}  // namespace keepwarm::pool
