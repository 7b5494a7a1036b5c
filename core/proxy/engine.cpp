#include "core/proxy/engine.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <string>
#include <sys/socket.h>

#include "core/net/tcp_stream.h"

namespace keepwarm::proxy {

namespace {

/// So many clients beyond max_clients are answered with 503; any further one is closed without an answer.
constexpr std::size_t kMaxRejected = 256;
/// Descriptors of the process itself: loop, log, listeners, threads.
constexpr std::uint64_t kOwnDescriptors = 32;
constexpr std::uint64_t kMostReserved = 64;

/// Came over loopback or a unix socket.
bool is_local(const net::SocketAddress& peer) noexcept {
  return peer.is_loopback() || peer.family() == AF_UNIX;
}

net::Resolver::Settings resolver_settings(const policy::DnsSettings& dns) noexcept {
  return {.ttl = dns.ttl,
          .negative_ttl = dns.negative_ttl,
          .min_ttl = dns.min_ttl,
          .timeout = dns.dns_timeout,
          .mode = dns.resolver};
}

}  // namespace

Engine::Engine(net::Loop& loop, EngineSettings settings, Log& log, AccessSink& access, std::string pseudonym,
               const WorkerSlot& slot)
    : loop_(loop),
      slot_(slot),
      settings_(std::move(settings.proxy)),
      deadlines_(loop),
      resolver_(loop, resolver_settings(settings.dns)),
      tls_(loop, std::move(settings.authorities)),
      local_filter_(rules_, true),
      remote_filter_(rules_, false),
      dial_context_{loop, deadlines_, resolver_, tls_, local_filter_, remote_filter_},
      dialers_(dial_context_),
      pool_context_{dialers_, deadlines_, local_filter_, remote_filter_, log, pool_stats_, all_hosts_},
      pool_(pool_context_, std::move(settings.hosts)),
      interception_(log, tls_),
      context_{
          .deadlines = deadlines_,
          .pool = pool_,
          .log = log,
          .access = access,
          .owner = *this,
          .interception = interception_,
          .mode = {.settings = &settings_, .pseudonym = std::move(pseudonym)},
      },
      after_turn_(loop, [this] { turn_ended(); }),
      network_(loop, {.on_change = [this](const NetworkChange& change) { network_changed(change); },
                      .on_uncertain = [this](bool uncertain) { pool_.set_network_uncertain(uncertain); }}),
      trimmer_(loop, [this] { shrink_lists(); }),
      exchanges_(context_, loop, trimmer_),
      grace_(loop, [this] { abort_all(); }) {
  apply_rules();
  interception_.configure(settings.intercept, std::move(settings.ca));
  if (!network_.works()) log.write(LogLevel::Info, "changes of this machine's addresses and routes cannot be watched");
  loop_.on_clock_jump([this](const ClockJump& jump) { clocks_jumped(jump); });
  if (slot_.shared_pool == nullptr) return;
  pool_context_.shared = slot_.shared_pool;
  pool_context_.worker = slot_.worker;
  pool_context_.descriptor_freed = [this] { room_returned(); };
  slot_.shared_pool->register_worker(slot_.worker, *slot_.mailbox, pool_context_);
}

Engine::~Engine() {
  loop_.on_clock_jump([](const ClockJump&) {});
  listeners_.clear();
  sessions_.clear();
  retired_sessions_.clear();
}

// ---- Settings ----

void Engine::reconfigure(EngineSettings settings) {
  settings_ = std::move(settings.proxy);
  resolver_.set_settings(resolver_settings(settings.dns));
  apply_rules();
  tls_.reload(std::move(settings.authorities));
  pool_.reconfigure(std::move(settings.hosts));
  interception_.configure(settings.intercept, std::move(settings.ca));
}

void Engine::apply_rules() {
  rules_.denied = settings_.deny_destinations;
  rules_.denied_is_explicit = settings_.deny_destinations_set;
  dial_context_.via = context_.mode.via();
  dial_context_.head_limits = context_.mode.head_limits();
}

void Engine::network_changed(const NetworkChange& change) {
  if (change.concerns_names()) resolver_.forget_all();
  const std::uint32_t closed = pool_.network_changed(change);
  const LogLevel level = closed > 0 ? LogLevel::Info : LogLevel::Debug;
  if (!context_.log.enabled(level)) return;
  context_.log.write(level,
                     "network changed: " + change.text() + "; idle connections closed: " + std::to_string(closed));
}

// ---- Sleep ----

/// Whatever was idle goes, and no request is tried on it even though it could be sent again: behind a NAT that has
/// forgotten the connection it would wait in vain until nothing of it is acknowledged, and a new connection costs less.
void Engine::clocks_jumped(const ClockJump& jump) {
  const bool slept = jump.kind == ClockJump::Kind::Slept;
  const auto seconds = std::chrono::round<std::chrono::seconds>(jump.by).count();
  if (slot_.worker == 0) {  // each worker's loop sees it, and one tells of it
    context_.log.write(LogLevel::Info, std::string(slept ? "the machine slept for " : "the clock was set forward by ") +
                                           std::to_string(seconds) + " s: idle connections are not used any more");
  }
  resolver_.forget_all();
  pool_.disrupted(slept ? pool::CloseReason::Slept : pool::CloseReason::ClockStepped);
}

// ---- Listeners ----

std::optional<net::ListenFailure> Engine::listen(const std::vector<net::Endpoint>& endpoints) {
  const auto wanted = [&endpoints](const BoundListener& bound) {
    return !bound.asked || std::any_of(endpoints.begin(), endpoints.end(),
                                       [&bound](const net::Endpoint& endpoint) { return bound.serves(endpoint); });
  };
  std::vector<BoundListener> opened;
  for (const net::Endpoint& endpoint : endpoints) {
    const auto serves = [&endpoint](const BoundListener& bound) { return bound.serves(endpoint); };
    if (std::any_of(listeners_.begin(), listeners_.end(), serves)) continue;
    auto listener = net::Listener::open(loop_, endpoint, *this, [this] { return has_room(); });
    if (!listener) return listener.failure();
    opened.push_back({endpoint, std::move(listener).value()});
  }
  // Whoever is connected already must not be reset by the close of the listener.
  for (const BoundListener& bound : listeners_) {
    if (!wanted(bound)) bound.listener->accept_last();
  }
  std::erase_if(listeners_, [&wanted](const BoundListener& bound) { return !wanted(bound); });
  std::move(opened.begin(), opened.end(), std::back_inserter(listeners_));
  set_own_endpoints(listening_on());
  return std::nullopt;
}

std::optional<net::ListenFailure> Engine::adopt(int fd) {
  auto listener = net::Listener::adopt(loop_, fd, *this, [this] { return has_room(); });
  if (!listener) return listener.failure();
  listeners_.push_back({std::nullopt, std::move(listener).value()});
  set_own_endpoints(listening_on());
  return std::nullopt;
}

std::vector<net::Endpoint> Engine::listening_on() const {
  std::vector<net::Endpoint> endpoints;
  for (const BoundListener& bound : listeners_) endpoints.push_back(bound.listener->endpoint());
  return endpoints;
}

void Engine::set_own_endpoints(const std::vector<net::Endpoint>& endpoints) {
  rules_.listeners.clear();
  rules_.unix_listeners.clear();
  for (const net::Endpoint& endpoint : endpoints) {
    if (endpoint.is_unix()) {
      rules_.unix_listeners.push_back(endpoint.path());
    } else {
      rules_.listeners.push_back(endpoint.address());
    }
  }
}

// ---- Clients ----

bool Engine::has_room() {
  const std::uint64_t reserve = std::min(kMostReserved, descriptor_limit_ / 8);
  WorkerGroup* group = slot_.group;
  const std::uint64_t used = group != nullptr ? group->descriptors() : sessions_.size() + upstream_descriptors();
  if (kOwnDescriptors + used + reserve < descriptor_limit_) return true;
  if (pool_.free_a_descriptor()) return true;
  if (group != nullptr) group->await_descriptors();
  return false;
}

void Engine::room_returned() {
  for (const BoundListener& bound : listeners_) bound.listener->capacity_returned();
}

bool Engine::client_allowed(const net::SocketAddress& peer) const {
  return is_local(peer) || peer.in_any(settings_.allow_clients);
}

void Engine::on_accepted(int fd, const net::SocketAddress& peer) {
  ++context_.stats.clients_accepted;
  net::Descriptor client(fd);
  WorkerGroup* group = slot_.group;
  const std::uint64_t clients = group != nullptr ? group->clients() : sessions_.size();
  if (clients >= settings_.max_clients + kMaxRejected) {
    return context_.log.write(LogLevel::Warn,
                              "clients are closed without an answer: far more than max_clients have come");
  }
  if (group != nullptr) return group->assign(std::move(client), peer, clients);
  serve(std::move(client), peer, clients);
}

void Engine::serve(net::Descriptor client, const net::SocketAddress& peer, std::uint64_t clients) {
  auto session = std::make_unique<ClientSession>(context_, ClientFacts{peer, is_local(peer)});
  auto stream = net::TcpStream::adopt(loop_, client.release(), *session);
  if (!stream) {
    ++clients_gone_;
    return;
  }
  ClientSession& added = *session;
  added.index = static_cast<std::uint32_t>(sessions_.size());
  sessions_.push_back(std::move(session));
  if (!client_allowed(peer)) {
    return added.reject(std::move(stream), policy::FailureKind::RequestDenied, "this client is not in allow_clients",
                        "allow_clients");
  }
  if (clients >= settings_.max_clients) {
    return added.reject(std::move(stream), policy::FailureKind::TooManyClients,
                        "too many clients at once (max_clients)", "max_clients");
  }
  added.start(std::move(stream));
}

void Engine::retire_session(ClientSession& session) noexcept {
  const std::uint32_t index = session.index;
  retired_sessions_.push_back(std::move(sessions_[index]));
  if (index + 1 < sessions_.size()) {
    sessions_[index] = std::move(sessions_.back());
    sessions_[index]->index = index;
  }
  sessions_.pop_back();
  ++clients_gone_;
  trimmer_.note();
  after_turn_.request();
}

/// Many clients have left in a short time.
void Engine::shrink_lists() {
  sessions_.shrink_to_fit();
  retired_sessions_.shrink_to_fit();
}

Exchange* Engine::take_exchange() {
  return exchanges_.take();
}

void Engine::retire_exchange(Exchange* exchange) noexcept {
  exchanges_.retire(exchange);
  after_turn_.request();
}

void Engine::turn_ended() {
  if (!retired_sessions_.empty()) {
    retired_sessions_.clear();
    slot_.group != nullptr ? slot_.group->clients_left() : room_returned();
  }
  exchanges_.turn_ended();
  if (context_.mode.draining && sessions_.empty() && on_drained_) std::exchange(on_drained_, nullptr)();
}

// ---- Shutting down ----

void Engine::drain(std::function<void()> on_drained) {
  on_drained_ = std::move(on_drained);
  context_.mode.draining = true;
  for (const BoundListener& bound : listeners_) bound.listener->accept_last();  // as in listen()
  listeners_.clear();
  pool_.drain();
  for (std::size_t i = sessions_.size(); i > 0; --i) {
    if (i <= sessions_.size()) sessions_[i - 1]->drain();
  }
  grace_.arm(settings_.shutdown_grace);
  after_turn_.request();
}

void Engine::abort_all() {
  while (!sessions_.empty()) sessions_.back()->abort();
}

}  // namespace keepwarm::proxy
