#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "core/net/mailbox.h"
#include "core/pool/shared_pool.h"
#include "core/proxy/engine.h"
#include "core/proxy/worker_group.h"

/// The workers of a process: engines, each with an event loop and a thread.
namespace keepwarm::proxy {

/// The engines of a process: the first on the caller's loop and thread, each further one on a loop and a thread of its
/// own. The first accepts for all and gives each client to the engine with the fewest clients: so the load is even,
/// which the kernel does not ensure, and no client that is queued is lost when a listener closes. With one worker there
/// is no thread, no lock and nothing shared.
///
/// Everything is to be called on the caller's thread. What concerns all engines goes to the others as
/// messages (net::Mailbox), which arrive in order.
class Workers final : private WorkerGroup {
 public:
  /// As many as `settings.proxy.workers`, for good. References must outlive it. Exceptions: std::system_error if there
  /// can be no further loop or thread.
  Workers(net::Loop& loop, const EngineSettings& settings, Log& log, AccessSink& access);
  /// Ends the other threads at once; what is under way there is lost, as it is on the caller's loop once that has
  /// stopped.
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  [[nodiscard]] std::size_t count() const noexcept { return workers_.size(); }

  // See Engine:
  [[nodiscard]] std::optional<net::ListenFailure> listen(const std::vector<net::Endpoint>& endpoints);
  [[nodiscard]] std::optional<net::ListenFailure> adopt(int fd);
  [[nodiscard]] std::vector<net::Endpoint> listening_on() const { return first().listening_on(); }
  /// `settings.proxy.workers` is ignored. `on_applied` comes when all engines have the new settings: at once, if
  /// there is only one.
  void reconfigure(const EngineSettings& settings, std::function<void()> on_applied);
  void set_descriptor_limit(std::uint64_t limit) noexcept { first().set_descriptor_limit(limit); }
  /// Of all engines.
  [[nodiscard]] Savings savings() const noexcept;
  /// `on_drained` comes when every engine is drained.
  void drain(std::function<void()> on_drained);

 private:
  struct Worker {
    std::unique_ptr<net::Loop> loop;        ///< nullptr: the caller's
    std::unique_ptr<net::Mailbox> mailbox;  ///< nullptr: it is the only worker
    std::unique_ptr<Engine> engine;
    std::thread thread;          ///< not for the caller's
    std::uint64_t assigned = 0;  ///< clients since the start; of the first worker's thread
    /// Only on the first worker's thread.
    [[nodiscard]] std::uint64_t clients() const noexcept { return assigned - engine->clients_gone(); }
  };

  // WorkerGroup
  [[nodiscard]] std::uint64_t clients() const noexcept override;
  [[nodiscard]] std::uint64_t descriptors() const noexcept override;
  void assign(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients) override;
  void await_descriptors() noexcept override { descriptors_awaited_ = true; }
  void clients_left() override;

  [[nodiscard]] Engine& first() const noexcept { return *workers_.front().engine; }
  void make(net::Loop& loop, const EngineSettings& settings, AccessSink& access);
  void start_threads();
  void end_threads() noexcept;
  /// Has `message(engine)` called on each further worker's thread.
  template <typename Message>
  void post_to_others(const Message& message);
  void send_own_endpoints();
  void one_drained();

  Log& log_;
  std::optional<pool::SharedPool> shared_pool_;  ///< nullopt: one worker
  std::vector<Worker> workers_;
  std::atomic<bool> descriptors_awaited_{false};
  std::size_t draining_ = 0;  ///< how many are
  std::function<void()> on_drained_;
};

}  // namespace keepwarm::proxy
