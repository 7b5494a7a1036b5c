#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/base/deadline_wheel.h"
#include "core/pool/peers.h"
#include "core/pool/pool_context.h"
#include "core/pool/shared_pool.h"

namespace keepwarm::pool {

/// Peers of a process with several workers. A worker that has no idle connection asks one that has, by a message,
/// instead of opening another; max_connections and max_idle hold for all of them together. core/doc/workers.md has the
/// protocol and its races.
class SharedPeers final : public Peers, private Deadline {
 public:
  /// `origin`: of the pool key. `context`, whose `shared` is set, must outlive it.
  SharedPeers(PeerPool& own, IdlePeer& own_idle, PoolContext& context, const Origin& origin);
  ~SharedPeers() override { leave(); }

  [[nodiscard]] std::uint32_t open() const noexcept override { return host_->open(); }
  [[nodiscard]] policy::Admission reserve() override;
  void place_freed() noexcept override { ++freed_places_; }
  void give_free_places(TimePoint older_than) override;
  [[nodiscard]] std::uint32_t idle() const noexcept override { return host_->idle(); }
  void idle_fell() noexcept override;
  [[nodiscard]] bool needed_elsewhere(TimePoint older_than) override;
  void pass_on(std::unique_ptr<TransferredConnection> connection) override;
  [[nodiscard]] bool ask_for_transfer(const CheckoutRequirements& requirements, TimePoint now) override;
  [[nodiscard]] std::uint32_t pending_transfers() const noexcept override { return pending_transfers_; }
  [[nodiscard]] bool await_place(const CheckoutRequirements& requirements, TimePoint since) override;
  void stop_awaiting() noexcept override;
  void close_idle_since(TimePoint since, Duration age) override;
  void report_close(const policy::IdlePeriod& period) override;
  [[nodiscard]] bool take_prewarming(bool able) noexcept override;
  void resign_prewarming() noexcept override { host_->resign_prewarming(context_.worker); }
  void show_expiring(std::uint32_t count) noexcept override;
  [[nodiscard]] std::uint32_t expiring() const noexcept override { return host_->expiring(); }
  void used(TimePoint now) noexcept override;
  [[nodiscard]] TimePoint last_used() const noexcept override;
  [[nodiscard]] bool place_awaited() const noexcept override;
  void remind_prewarmer() override;
  void settings_changed() override;
  void leave() noexcept override;

 private:
  using Host = std::shared_ptr<SharedHost>;

  /// What a worker wants of another one.
  enum class TransferRequest : std::uint8_t {
    Connection,        ///< a waiter could use an idle connection
    ConnectionOrPlace  ///< the same at max_connections: if none fits, one is to be closed
  };
  /// What comes from another worker: an answer, or something that nobody asked for.
  struct TransferReply {
    std::optional<TransferRequest> to{};                  ///< nullopt: it came by itself
    std::unique_ptr<TransferredConnection> connection{};  ///< counted in max_connections all the time
    bool place = false;                                   ///< the right to open one, counted already
  };

  [[nodiscard]] std::uint32_t excess_of_all() override;
  static void send(const Host& host, std::uint32_t worker, TransferReply reply);
  static void free_place(const Host& host, std::uint32_t worker, TimePoint older_than);
  void send_request(std::uint32_t worker, TransferRequest what, const CheckoutRequirements& requirements);
  void serve_request(std::uint32_t worker, TransferRequest what, const CheckoutRequirements& requirements);
  void receive(TransferReply reply);
  void ask_for_bound_places(TimePoint now);
  void ask_again_at(TimePoint due);
  void on_deadline(TimePoint now) override;
  template <typename Message>
  void post_to_others(Message message);

  IdlePeer& own_idle_;
  PoolContext& context_;
  Origin origin_;
  Host host_;                             ///< nullptr: has left
  TimePoint next_transfer_{};             ///< see kTransferInterval
  TimePoint used_at_{};                   ///< the last request here
  TimePoint others_told_at_{};            ///< when the others were last told that the host is in use
  std::uint32_t expiring_ = 0;            ///< what show_expiring() said
  std::uint32_t pending_transfers_ = 0;   ///< asked for, not answered
  std::uint32_t freed_places_ = 0;        ///< to be given away; none between events
  std::uint32_t given_places_ = 0;        ///< given to us, not used yet; none between events
  std::uint32_t claimed_excess_ = 0;      ///< idle ones that count as closed, and are about to be
  std::optional<std::uint32_t> pass_to_;  ///< between needed_elsewhere() and pass_on()
  TimePoint next_displacement_{};         ///< of bound connections of other workers
  bool place_requested_ = false;
  bool awaiting_ = false;  ///< others may know of a waiter of ours
};

}  // namespace keepwarm::pool
