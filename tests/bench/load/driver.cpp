#include "tests/bench/load/driver.h"

#include <algorithm>
#include <utility>

#include "tests/bench/tools/stop.h"

namespace keepwarm::bench {
namespace {

constexpr std::size_t kBuffer = std::size_t{256} * 1024;
constexpr Nanos kNever = kSecond * 1'000'000;

}  // namespace

Driver::Driver(const Plan& plan)
    : plan_(plan),
      tls_(plan.server_name),
      wire_{plan, poller_, tls_, std::string(kBuffer, '\0'), std::string(kBuffer, 'x')},
      window_(plan.watched) {}

void Driver::run() {
  began_ = time_ = next_arrival_ = now();
  if (plan_.total != 0) open_window();
  while (stop_requested == 0 && closed_.size() < plan_.windows) {
    turn();
    if (window_.is_open() && window_over()) {
      close_window();
    } else if (!window_.is_open() && window_due()) {
      open_window();
    }
  }
}

bool Driver::window_due() const {
  return closed_.empty() ? warm() : time_ >= closed_.back().to() + plan_.between;
}

bool Driver::window_over() const {
  return plan_.total != 0 ? ended_ == plan_.total : time_ >= window_.from() + plan_.window;
}

/// The warm-up is over. Of many clients the last may be waiting to be accepted while the first are served time and
/// again; as long as these do not take part, a proxy that is unfair looks quick. But there is an end to patience.
bool Driver::warm() const {
  const Nanos waited = time_ - began_;
  constexpr int kPatience = 4;
  if (waited < plan_.warm_up) return false;
  if (plan_.rate > 0 || waited >= kPatience * plan_.warm_up) return true;
  const std::size_t early = plan_.clients - plan_.burst;
  const auto connected = [](const Client& client) { return client.connected(); };
  return joined_ == early && clients_.size() == plan_.clients &&
         std::all_of(clients_.begin() + static_cast<std::ptrdiff_t>(early), clients_.end(), connected);
}

void Driver::turn() {
  add_clients();
  start_due();
  const std::span<epoll_event> events = poller_.wait(until_next_start());
  time_ = now();
  for (const epoll_event& event : events) {
    Client& client = *static_cast<Client*>(event.data.ptr);
    settle(client, client.on_event(event.events));
  }
}

/// With the first one the burst comes.
void Driver::open_window() {
  const bool first = window_.from() == 0;
  window_.open(wire_);
  if (!first) return;
  for (std::size_t i = plan_.clients - plan_.burst; i < clients_.size(); ++i) next(clients_[i]);
}

void Driver::close_window() {
  window_.close(wire_, ended_, plan_.clients - joined_);
  // What was due in the window and has no answer yet: at a fixed rate each is a latency that the percentiles must show.
  if (plan_.rate > 0) {
    for (const Nanos planned : late_) window_.add_latency(window_.to() - planned);
    for (const Client& client : clients_) {
      if (client.busy()) window_.add_latency(window_.to() - client.started());
    }
  }
  closed_.push_back(window_);
}

/// Clients join over the first half of the warm-up: all at once, thousands would overflow any listen queue.
/// Those of the burst only connect, and wait for it.
void Driver::add_clients() {
  if (clients_.size() == plan_.clients) return;
  const Nanos ramp = plan_.total != 0 ? 0 : plan_.warm_up / 2;
  const auto share = ramp == 0 ? 1.0 : static_cast<double>(time_ - began_ + kMillisecond) / static_cast<double>(ramp);
  constexpr std::size_t kMost = 256;  // a turn
  const auto wanted = static_cast<std::size_t>(std::min(share, 1.0) * static_cast<double>(plan_.clients));
  const std::size_t until = std::min(std::max<std::size_t>(wanted, 1), clients_.size() + kMost);
  while (clients_.size() < until) {
    Client& client = clients_.emplace_back(wire_, clients_.size());
    if (holds_back(client)) {
      client.arrive();
    } else {
      next(client);
    }
  }
}

/// It is of the burst, and that is still to come.
bool Driver::holds_back(const Client& client) const {
  return window_.from() == 0 && client.number() >= plan_.clients - plan_.burst;
}

void Driver::start_due() {
  for (Client* client : std::exchange(again_, {})) next(*client);
  for (; !pauses_.empty() && pauses_.top().until <= time_; pauses_.pop()) start(*pauses_.top().client, time_);
  if (plan_.rate <= 0) return;
  for (; next_arrival_ <= time_; next_arrival_ += static_cast<Nanos>(1e9 / plan_.rate)) late_.push_back(next_arrival_);
  for (; !late_.empty() && !idle_.empty(); late_.pop_front()) {
    Client& client = *idle_.back();
    idle_.pop_back();
    start(client, late_.front());
  }
}

void Driver::start(Client& client, Nanos planned) {
  if (no_more()) return;
  ++started_;
  // A client that pauses stays with its host: its pauses are the ages of the connection upstream.
  const std::size_t host = paced() ? client.number() % plan_.requests.size() : next_host_;
  next_host_ = next_host_ + 1 == plan_.requests.size() ? 0 : next_host_ + 1;
  settle(client, client.begin(plan_.requests[host], planned));
}

void Driver::settle(Client& client, Client::Outcome outcome) {
  if (outcome == Client::Outcome::Pending) return;
  ++ended_;
  if (client.joins()) ++joined_;
  if (outcome == Client::Outcome::Failed) {
    window_.add_failure(client.failure());
    again_.push_back(&client);
    return;
  }
  // At a fixed rate what was due in the warm-up and came late is the warm-up's.
  if (plan_.rate <= 0 || client.started() >= window_.from()) window_.add_latency(now() - client.started());
  next(client);
}

/// The client's next request: at once, after a pause, or when one is due.
void Driver::next(Client& client) {
  if (plan_.rate > 0) {
    idle_.push_back(&client);
  } else if (paced()) {
    const std::uint64_t range = static_cast<std::uint64_t>(plan_.pause_to - plan_.pause_from) + 1;
    const std::uint64_t drawn = (std::uint64_t{random_()} * std::minstd_rand::max() + random_()) % range;
    pauses_.push({now() + plan_.pause_from + static_cast<Nanos>(drawn), &client});
  } else {
    start(client, now());
  }
}

Nanos Driver::until_next_start() const {
  if (!again_.empty()) return 0;
  Nanos next = time_ + 50 * kMillisecond;  // the window's edges are looked at
  if (clients_.size() < plan_.clients) next = time_ + kMillisecond;
  if (!pauses_.empty()) next = std::min(next, pauses_.top().until);
  if (plan_.rate > 0) next = std::min(next, next_arrival_);
  return std::max<Nanos>(next - now(), 0);
}

void Driver::report() const {
  for (const Window& window : closed_) window.report();
}

}  // namespace keepwarm::bench
