#include "tests/unit/policy/idle_simulation.h"

#include <algorithm>
#include <memory>
#include <queue>

#include "core/policy/delivery.h"
#include "core/policy/idle_history.h"
#include "core/policy/idle_terms.h"
#include "core/policy/replay.h"

namespace keepwarm::policy::simulation {

namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kAddress = 1;
constexpr double kJitter = 0.2;
constexpr Duration kSampleInterval = 1s;

/// srtt and the mean deviation as Linux keeps them (RFC 6298, but that a sudden fall raises the deviation slowly).
class RoundTrips {
 public:
  void add(Duration measured) {
    if (srtt_ == 0ns) {
      srtt_ = measured;
      deviation_ = measured / 2;
      return;
    }
    const Duration error = measured - srtt_;
    const Duration size = error < 0ns ? -error : error;
    srtt_ += error / 8;
    deviation_ += (size - deviation_) / (error < 0ns && size > deviation_ ? 32 : 4);
  }
  [[nodiscard]] Duration srtt() const { return srtt_; }
  [[nodiscard]] Duration wide() const { return srtt_ + 4 * deviation_; }

 private:
  Duration srtt_{};
  Duration deviation_{};
};

struct Connection {
  TimePoint idle_since;      ///< here
  TimePoint closes_at;       ///< there, unless a request comes before
  TimePoint end_arrives;     ///< its FIN, here
  TimePoint last_to_server;  ///< arrivals: no packet overtakes another
  TimePoint last_to_client;
  Duration lease_age{};
  RoundTrips path;
  TimePoint sampled_at;
  Duration srtt{};  ///< as sampled
  Duration round_trip{};
  TimePoint hold_until;  ///< while idle
  TimePoint looked_at;   ///< an event comes then
  bool idle = false;
  bool gone = false;
  bool lapse_test = false;
};

struct Exchange {
  std::size_t request = 0;
  bool post = false;
  bool reused = false;
  bool is_retry = false;
  bool executed = false;  ///< by this attempt
};

struct Event {
  enum class Kind : std::uint8_t { Request, Opened, Answer, Failure, Look };
  TimePoint at;
  std::uint64_t order;  ///< of those at one moment
  Kind kind;
  Connection* connection;
  Exchange exchange;

  bool operator>(const Event& other) const { return at != other.at ? at > other.at : order > other.order; }
};

class Client {
 public:
  Client(const Server& server, const Conduct& conduct, CloseRiskEstimator& prior)
      : scene_(server.scene),
        conduct_(conduct),
        terms_(idle_settings(conduct.settings)),
        prior_(prior),
        dice_(server.seed),
        executed_(scene_.requests.size()) {
    schedule_next(0);
  }

  [[nodiscard]] bool over() const { return over_ || events_.empty(); }
  [[nodiscard]] TimePoint next() const { return events_.top().at; }
  void step() {
    const Event event = events_.top();
    events_.pop();
    now_ = event.at;
    on(event);
  }
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  enum class Fit : std::uint8_t { No, Untrusted, Trusted };

  // ---- Events ----

  void schedule(Event::Kind kind, TimePoint at, Connection* connection, const Exchange& exchange = {}) {
    events_.push({at, order_++, kind, connection, exchange});
  }

  void schedule_next(std::size_t index) {
    if (index == scene_.requests.size()) return;
    const Request& request = scene_.requests[index];
    schedule(Event::Kind::Request, now_ + request.gap, nullptr, {.request = index, .post = request.post});
  }

  void on(const Event& event) {
    Connection* connection = event.connection;
    switch (event.kind) {
      case Event::Kind::Request: return request_came(event.exchange);
      case Event::Kind::Opened: return send(*connection, event.exchange);
      case Event::Kind::Answer: return answered(*connection, event.exchange);
      case Event::Kind::Failure: return failed(*connection, event.exchange);
      case Event::Kind::Look: return look(*connection);
    }
  }

  void exchange_over(const Exchange& exchange) {
    ++done_;
    if (!scene_.overlapping) schedule_next(exchange.request + 1);
    over_ = done_ == scene_.requests.size();
  }

  // ---- Packets ----

  Duration delay() {
    const auto most = static_cast<Duration::rep>(static_cast<double>(scene_.latency.count()) * (1 + kJitter));
    return dice_.between(scene_.latency, Duration(most));
  }

  TimePoint to_server(Connection& connection, Duration takes) {
    return connection.last_to_server = std::max(connection.last_to_server, now_ + takes);
  }

  TimePoint to_client(Connection& connection, TimePoint sent) {
    return connection.last_to_client = std::max(connection.last_to_client, sent + delay());
  }

  // ---- Exchanges ----

  void request_came(const Exchange& exchange) {
    ++tally_.requests;
    if (exchange.post) ++tally_.posts;
    if (scene_.overlapping) schedule_next(exchange.request + 1);
    takes_ = delay();
    Connection* connection = take_idle(!exchange.post);
    if (connection == nullptr) return open_for(exchange);
    connection->lease_age = now_ - connection->idle_since;
    connection->idle = false;
    std::erase(idle_, connection);
    Exchange on_reused = exchange;
    on_reused.reused = true;
    send(*connection, on_reused);
  }

  void open_for(const Exchange& exchange) {
    ++tally_.opened;
    connections_.push_back(std::make_unique<Connection>());
    Connection& connection = *connections_.back();
    const TimePoint open = now_ + delay() + delay();
    connection.path.add(open - now_);
    connection.closes_at = TimePoint::max();
    connection.last_to_server = connection.last_to_client = now_;
    sample(connection, open);
    takes_ = delay();
    schedule(Event::Kind::Opened, open, &connection, exchange);
  }

  void send(Connection& connection, Exchange exchange) {
    const TimePoint arrives = to_server(connection, takes_);
    if (arrives >= connection.closes_at) {  // their FIN is on its way
      return schedule(Event::Kind::Failure, connection.end_arrives, &connection, exchange);
    }
    if (exchange.post && executed_[exchange.request]) ++tally_.posts_executed_twice;
    executed_[exchange.request] = true;
    exchange.executed = true;
    const TimePoint answer = to_client(connection, arrives);
    if (scene_.dies > 0 && dice_.roll() < scene_.dies) {
      return schedule(Event::Kind::Failure, answer, &connection, exchange);
    }
    connection.path.add(answer - now_);
    connection.closes_at = arrives + scene_.timeout;
    schedule(Event::Kind::Answer, answer, &connection, exchange);
  }

  void answered(Connection& connection, const Exchange& exchange) {
    if (exchange.reused) survived(connection, connection.lease_age);
    connection.lapse_test = false;
    if (now_ - connection.sampled_at >= kSampleInterval) sample(connection, now_);
    connection.idle_since = now_;
    connection.end_arrives = std::max(now_, connection.closes_at + delay());
    make_idle(connection);
    exchange_over(exchange);
  }

  void failed(Connection& connection, const Exchange& exchange) {
    const TimePoint idle_since = connection.idle_since;
    if (!exchange.executed) close_seen(connection);
    connection.gone = true;
    if (exchange.reused) close_idle_since(idle_since);
    if (next_step(AttemptOutcome::ClosedAfterWrite, view(exchange)) == NextStep::RetryOnFresh) {
      ++tally_.retries;
      return open_for({.request = exchange.request, .post = exchange.post, .is_retry = true});
    }
    if (!exchange.executed) {
      ++(exchange.post ? tally_.post_failures : tally_.get_failures);
      if (exchange.post && closes_seen_before_ >= 3) ++tally_.late_post_failures;
    }
    exchange_over(exchange);
  }

  [[nodiscard]] AttemptView view(const Exchange& exchange) const {
    return {.idempotent = !exchange.post,
            .held_whole = true,
            .retry_allowed = conduct_.settings.retry,
            .reused = exchange.reused,
            .is_retry = exchange.is_retry,
            .resend_undelivered = conduct_.settings.retry_undelivered,
            .delivery = delivery({.kind = CloseKind::End, .acknowledged = exchange.executed ? 100U : 0U})};
  }

  // ---- The pool ----

  void survived(Connection& connection, Duration age) {
    if (!connection.lapse_test && !history_.would_change(age)) return;
    history_.survived({age, kAddress, now_, connection.lapse_test});
    bear_witness();
  }

  void bear_witness() {
    if (const auto learned = history_.learned()) return prior_.closed(sample_, *learned);
    prior_.lived(sample_, history_.proved());
  }

  [[nodiscard]] bool vouched_for(const Connection& connection, Duration age) const {
    return conduct_.kind == Conduct::Kind::Keepwarm && prior_.may_trust(sample_, age, connection.round_trip);
  }

  void sample(Connection& connection, TimePoint at) {
    connection.sampled_at = at;
    connection.srtt = connection.path.srtt();
    connection.round_trip = connection.path.wide();
  }

  [[nodiscard]] IdleTerms terms(const Connection& connection) const {
    if (conduct_.kind == Conduct::Kind::Keepwarm || conduct_.kind == Conduct::Kind::Alone) {
      return idle_terms(terms_, {.learned = history_.learned(),
                                 .survived = history_.survived(),
                                 .proved = history_.proved(),
                                 .round_trip = connection.round_trip,
                                 .srtt = connection.srtt});
    }
    return {conduct_.settings.idle_timeout, conduct_.settings.idle_timeout};
  }

  [[nodiscard]] Fit fit(const Connection& connection, bool replayable) const {
    if (conduct_.kind == Conduct::Kind::Oracle) {
      return std::max(connection.last_to_server, now_ + takes_) < connection.closes_at ? Fit::Trusted : Fit::No;
    }
    if (connection.lapse_test) return replayable ? Fit::Untrusted : Fit::No;
    const IdleTerms limits = terms(connection);
    const Duration age = now_ - connection.idle_since;
    if (age >= limits.held_for) return Fit::No;
    if (age < limits.trusted_for) return Fit::Trusted;
    if (replayable) return Fit::Untrusted;
    if (vouched_for(connection, age)) return Fit::Trusted;
    return conduct_.settings.unsafe_reuse == UnsafeReuse::Always ? Fit::Untrusted : Fit::No;
  }

  Connection* best_idle(bool replayable) {
    Connection* untrusted = nullptr;
    for (auto each = idle_.rbegin(); each != idle_.rend(); ++each) {
      const Fit found = fit(**each, replayable);
      if (found == Fit::Trusted) return *each;
      if (found == Fit::Untrusted && untrusted == nullptr) untrusted = *each;
    }
    return untrusted;
  }

  Connection* take_idle(bool replayable) {
    Connection* best = best_idle(replayable);
    if (best == nullptr && !replayable && !idle_.empty()) {
      history_.seen_open(now_ - idle_.front()->idle_since);
      bear_witness();
      best = best_idle(replayable);
    }
    return best;
  }

  void make_idle(Connection& connection) {
    connection.idle = true;
    idle_.push_back(&connection);
    connection.hold_until = now_ + terms(connection).held_for;
    look_later(connection);
  }

  /// When its idle period ends, or before: while it is used all the time nobody looks each time.
  void look_later(Connection& connection) {
    const TimePoint due = std::min(connection.end_arrives, connection.hold_until);
    if (connection.looked_at > now_ && connection.looked_at <= due) return;
    connection.looked_at = due;
    schedule(Event::Kind::Look, due, &connection);
  }

  void look(Connection& connection) {
    if (!connection.idle || connection.gone || connection.looked_at != now_) return;
    if (connection.end_arrives <= now_) return server_closed(connection);
    if (connection.hold_until <= now_) return hold_over(connection);
    look_later(connection);
  }

  void close_seen(Connection& connection) {
    closes_seen_before_ = tally_.closes_seen++;
    history_.closed({now_ - connection.idle_since, kAddress, now_, connection.lapse_test},
                    conduct_.settings.idle_margin);
    bear_witness();
  }

  void server_closed(Connection& connection) {
    close_seen(connection);
    close(connection);
  }

  void hold_over(Connection& connection) {
    const Duration age = now_ - connection.idle_since;
    if (!connection.lapse_test && age < conduct_.settings.idle_timeout && history_.may_test_lapse(now_)) {
      connection.lapse_test = true;
      history_.lapse_test_begun(now_);
      connection.hold_until = connection.idle_since + conduct_.settings.idle_timeout;
      return look_later(connection);
    }
    survived(connection, age);
    close(connection);
  }

  void close(Connection& connection) {
    connection.gone = true;
    std::erase(idle_, &connection);
  }

  void close_idle_since(TimePoint moment) {
    const auto as_old = [moment](const Connection* each) { return each->idle_since <= moment; };
    for (auto found = std::find_if(idle_.begin(), idle_.end(), as_old); found != idle_.end();
         found = std::find_if(idle_.begin(), idle_.end(), as_old)) {
      Connection& connection = **found;
      survived(connection, Duration::zero());
      close(connection);
    }
  }

  const Scene& scene_;
  const Conduct& conduct_;
  IdleSettings terms_;
  CloseRiskEstimator& prior_;
  Dice dice_;
  IdleHistory history_;
  CloseRiskEstimator::HostSample sample_;
  Tally tally_;
  TimePoint now_ = TimePoint{} + 1000s;
  Duration takes_{};  ///< the way of the request that is about to be sent
  std::uint64_t order_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t closes_seen_before_ = 0;
  std::vector<bool> executed_;  ///< of each request: the server has read it
  bool over_ = false;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::vector<Connection*> idle_;  ///< the top of the stack is at its end
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
};

}  // namespace

Duration Dice::between(Duration least, Duration most) {
  return least + Duration(static_cast<Duration::rep>(static_cast<double>((most - least).count()) * roll()));
}

Tally& Tally::operator+=(const Tally& other) {
  requests += other.requests;
  posts += other.posts;
  opened += other.opened;
  retries += other.retries;
  closes_seen += other.closes_seen;
  get_failures += other.get_failures;
  post_failures += other.post_failures;
  late_post_failures += other.late_post_failures;
  posts_executed_twice += other.posts_executed_twice;
  return *this;
}

Tally simulate(const Server& server, const Conduct& conduct, CloseRiskEstimator& prior) {
  Client client(server, conduct, prior);
  while (!client.over()) client.step();
  return client.tally();
}

Tally simulate(std::span<const Server> servers, const Conduct& conduct, CloseRiskEstimator& prior) {
  std::vector<std::unique_ptr<Client>> clients;
  for (const Server& server : servers) clients.push_back(std::make_unique<Client>(server, conduct, prior));
  const auto later = [](const Client* one, const Client* other) { return one->next() > other->next(); };
  std::priority_queue<Client*, std::vector<Client*>, decltype(later)> queue(later);
  for (const auto& client : clients) queue.push(client.get());
  while (!queue.empty()) {
    Client* client = queue.top();
    queue.pop();
    client->step();
    if (!client->over()) queue.push(client);
  }
  Tally sum;
  for (const auto& client : clients) sum += client->tally();
  return sum;
}

}  // namespace keepwarm::policy::simulation
