#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/http/head_parser.h"
#include "core/net/stream.h"
#include "core/net/timer.h"
#include "core/policy/interim_budget.h"
#include "core/policy/next_hop.h"
#include "core/pool/dialer.h"
#include "core/proxy/body_reader.h"
#include "daemon/probe/findings.h"

/// One of the connections that `keepwarm probe` opens, and the events by which it reports to ProbeRun (run.h).
namespace keepwarm::daemon {

/// What all connections of a probe share. Must outlive them.
struct ProbeTarget {
  policy::NextHop hop;
  std::string request;         ///< of a method whose responses have bodies
  Duration connect_timeout{};  ///< TCP and TLS together
  Duration answer_limit{};     ///< for a whole response
};

/// What one whole response says.
struct ProbeAnswer {
  std::uint16_t status = 0;
  http::KeepAliveHint hint{};
  bool persists = false;  ///< another request may follow it
};

class ProbeConnection;

/// What a connection reports. An implementation must not destroy the connection inside these calls.
class ProbeEvents {
 public:
  /// A response has come whole: the first one (`idle_before` 0), or one on a connection that had been idle for so long.
  virtual void on_answered(ProbeConnection& connection, Duration idle_before) = 0;
  /// The server has ended the connection while it was idle.
  virtual void on_closed(ProbeConnection& connection, const IdleClose& close) = 0;
  /// It was used at that idle age, and the request was lost on the way or never answered.
  virtual void on_silent(ProbeConnection& connection, Duration idle_before) = 0;
  /// It was used at that idle age, and was closed instead of answered: the request has crossed the server's close, or
  /// something in between (a NAT) has forgotten the connection.
  virtual void on_refused(ProbeConnection& connection, Duration idle_before) = 0;
  /// Nothing (more) can be learned from it: it could not be opened, or gave no whole response.
  virtual void on_failed(ProbeConnection& connection, const std::string& why) = 0;

 protected:
  ~ProbeEvents() = default;
};

/// One connection of a probe: opened, used for one request, then idle and watched; and used again at the idle ages of
/// its plan, one after the other. Times are those of the events, to the millisecond.
class ProbeConnection final : public pool::DialEvents, public net::StreamEvents {
 public:
  enum class State : std::uint8_t { Dialing, AwaitingResponse, Idle, Over };

  /// References must outlive it. `plan`: see tester_plan(); empty: it only waits.
  ProbeConnection(pool::DialContext& context, const ProbeTarget& target, std::vector<Duration> plan,
                  ProbeEvents& events);

  void start();
  /// Uses it now as its plan would later; only while Idle.
  void use_again();

  [[nodiscard]] State state() const noexcept { return state_; }
  [[nodiscard]] bool only_waits() const noexcept { return plan_.empty(); }
  [[nodiscard]] bool answered() const noexcept { return answers_ > 0; }
  /// The next idle age of its plan; 0: none is left.
  [[nodiscard]] Duration next_use() const noexcept {
    return plan_index_ < plan_.size() ? plan_[plan_index_] : Duration::zero();
  }
  [[nodiscard]] Duration idle_for(TimePoint now) const noexcept { return now - last_byte_; }
  /// What the last response said.
  [[nodiscard]] const ProbeAnswer& answer() const noexcept { return answer_; }
  [[nodiscard]] const pool::OpeningTimes& opening() const noexcept { return opening_; }
  /// What TCP had measured when the first response was there; nullopt: nothing.
  [[nodiscard]] const std::optional<net::SendState>& measured() const noexcept { return measured_; }

 private:
  void on_dialed(pool::Dialed dialed) override;
  void on_dial_failed(const pool::DialFailure& failure) override;
  void on_bytes(std::string_view bytes) override;
  void on_end() override;
  void on_broken(int error) override;
  void on_drained() override {}

  void send_request();
  void time_is_up();
  void read_head(std::string_view bytes);
  void read_body(std::string_view bytes);
  void response_ended();
  void server_ended(CloseKind kind);
  void ended_while_asked();
  void silent();
  void fail(const std::string& why);
  void over();

  pool::DialContext& context_;
  const ProbeTarget& target_;
  std::vector<Duration> plan_;
  ProbeEvents& events_;
  State state_ = State::Dialing;
  std::size_t plan_index_ = 0;  ///< the next use in `plan_`
  std::size_t answers_ = 0;     ///< responses that came whole
  Duration idle_before_{};      ///< how long it had been idle when the current request was sent
  TimePoint request_sent_at_;
  TimePoint last_byte_;
  bool head_seen_ = false;
  ProbeAnswer answer_;
  pool::OpeningTimes opening_;
  std::optional<net::SendState> measured_;
  std::string head_bytes_;
  http::HeadScan scan_;
  http::HeadParser parser_;
  policy::InterimBudget interims_;  ///< of all its answers
  proxy::BodyReader body_;
  net::Timer timer_;
  std::optional<pool::Dialer> dialer_;
  std::unique_ptr<net::Stream> stream_;
};

}  // namespace keepwarm::daemon
