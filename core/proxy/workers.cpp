#include "core/proxy/workers.h"

#include <pthread.h>
#include <random>
#include <string>

#include "core/base/blocked_signals.h"

namespace keepwarm::proxy {

namespace {

/// Descriptors that libuv opens for the loop of a further worker.
constexpr std::uint64_t kDescriptorsOfLoop = 6;

std::string make_pseudonym() {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::random_device random;
  std::string name = "keepwarm-";
  for (int i = 0; i < 8; ++i) name += kDigits[random() % kDigits.size()];
  return name;
}

}  // namespace

Workers::Workers(net::Loop& loop, const EngineSettings& settings, Log& log, AccessSink& access) : log_(log) {
  make(loop, settings, access);
  try {
    start_threads();
  } catch (...) {
    end_threads();
    throw;
  }
}

Workers::~Workers() {
  end_threads();
  // Messages first: they may hold connections, and posting must go on to be possible while engines are taken apart.
  for (Worker& worker : workers_) {
    if (worker.mailbox) worker.mailbox->close();
  }
  for (Worker& worker : workers_) worker.engine.reset();
}

void Workers::make(net::Loop& loop, const EngineSettings& settings, AccessSink& access) {
  const std::uint32_t count = std::max(settings.proxy.workers, 1U);
  const std::string pseudonym = make_pseudonym();
  workers_.resize(count);
  if (count > 1) shared_pool_.emplace(count);
  for (std::uint32_t i = 0; i < count; ++i) {
    Worker& worker = workers_[i];
    if (i > 0) worker.loop = std::make_unique<net::Loop>();
    net::Loop& own = i > 0 ? *worker.loop : loop;
    WorkerSlot slot;
    if (shared_pool_) {
      worker.mailbox = std::make_unique<net::Mailbox>(own);
      slot = {this, &*shared_pool_, worker.mailbox.get(), i};
    }
    worker.engine = std::make_unique<Engine>(own, settings, log_, access, pseudonym, slot);
  }
}

void Workers::start_threads() {
  const BlockedSignals blocked;
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    workers_[i].thread = std::thread([loop = workers_[i].loop.get()] { loop->run(); });
    pthread_setname_np(workers_[i].thread.native_handle(), ("worker " + std::to_string(i)).c_str());
  }
}

void Workers::end_threads() noexcept {
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.mailbox->post([loop = worker.loop.get()] { loop->stop(); });
  }
  for (Worker& worker : workers_) {
    if (worker.thread.joinable()) worker.thread.join();
  }
}

template <typename Message>
void Workers::post_to_others(const Message& message) {
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    workers_[i].mailbox->post([message, engine = workers_[i].engine.get()] { message(*engine); });
  }
}

// ---- Settings and listeners ----

std::optional<net::ListenFailure> Workers::listen(const std::vector<net::Endpoint>& endpoints) {
  auto failure = first().listen(endpoints);
  if (!failure) send_own_endpoints();
  return failure;
}

std::optional<net::ListenFailure> Workers::adopt(int fd) {
  auto failure = first().adopt(fd);
  if (!failure) send_own_endpoints();
  return failure;
}

/// Race: a client that another worker has already may connect to a new listener before this is delivered; Via tells it
/// then.
void Workers::send_own_endpoints() {
  post_to_others([endpoints = listening_on()](Engine& engine) { engine.set_own_endpoints(endpoints); });
}

void Workers::reconfigure(const EngineSettings& settings, std::function<void()> on_applied) {
  struct Reload {
    std::size_t left;
    std::function<void()> on_applied;
    void one_done() {
      if (--left == 0) on_applied();
    }
  };
  // Held by the messages; used on the first worker's thread only.
  const auto reload = std::make_shared<Reload>(Reload{workers_.size(), std::move(on_applied)});
  post_to_others([this, settings, reload](Engine& engine) {
    engine.reconfigure(settings);
    workers_.front().mailbox->post([reload] { reload->one_done(); });
  });
  first().reconfigure(settings);
  reload->one_done();
}

Savings Workers::savings() const noexcept {
  Savings sum;
  for (const Worker& worker : workers_) sum += worker.engine->savings();
  return sum;
}

// ---- Clients ----

std::uint64_t Workers::clients() const noexcept {
  std::uint64_t sum = 0;
  for (const Worker& worker : workers_) sum += worker.clients();
  return sum;
}

std::uint64_t Workers::descriptors() const noexcept {
  std::uint64_t sum = (workers_.size() - 1) * kDescriptorsOfLoop;
  for (const Worker& worker : workers_) sum += worker.clients() + worker.engine->upstream_descriptors();
  return sum;
}

void Workers::assign(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients) {
  // Of several the first, and not in turn: clients that come one after the other then find what their forerunners left.
  std::size_t best = 0;
  for (std::size_t i = 1; i < workers_.size(); ++i) {
    if (workers_[i].clients() < workers_[best].clients()) best = i;
  }
  Worker& worker = workers_[best];
  ++worker.assigned;
  if (log_.enabled(LogLevel::Debug)) {
    log_.write(LogLevel::Debug, "client " + peer.text() + " goes to worker " + std::to_string(best));
  }
  if (best == 0) return first().serve(std::move(client), peer, clients);
  worker.mailbox->post([engine = worker.engine.get(), client = std::move(client), peer, clients]() mutable {
    engine->serve(std::move(client), peer, clients);
  });
}

void Workers::clients_left() {
  if (!descriptors_awaited_.load(std::memory_order_relaxed) || !descriptors_awaited_.exchange(false)) return;
  workers_.front().mailbox->post([this] { first().room_returned(); });
}

// ---- Shutting down ----

void Workers::drain(std::function<void()> on_drained) {
  on_drained_ = std::move(on_drained);
  draining_ = workers_.size();
  first().drain([this] { one_drained(); });
  post_to_others(
      [this](Engine& engine) { engine.drain([this] { workers_.front().mailbox->post([this] { one_drained(); }); }); });
}

void Workers::one_drained() {
  if (--draining_ == 0) std::exchange(on_drained_, nullptr)();
}

}  // namespace keepwarm::proxy
