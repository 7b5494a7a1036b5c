#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <uv.h>

#include "core/net/timer.h"
#include "daemon/probe/connection.h"
#include "daemon/probe/findings.h"

/// One whole run of `keepwarm probe`: it owns the connections (connection.h), gathers what they see as findings
/// (findings.h), and decides when enough has been seen.
namespace keepwarm::daemon {

/// Reports progress to the person who waits for the result.
class ProbeProgress {
 public:
  /// The time between two lines.
  [[nodiscard]] virtual Duration interval() const = 0;
  virtual void line(const std::string& text) = 0;

 protected:
  ~ProbeProgress() = default;
};

/// One probe: opens all connections at once, and ends when those that only wait have been closed by the server, when
/// one turns out to be dead, when `max` has passed, or by SIGINT or SIGTERM, whichever comes first.
class ProbeRun final : public ProbeEvents {
 public:
  /// References must outlive it; `max` > 0 is the idle age at which it gives up.
  ProbeRun(pool::DialContext& context, const ProbeTarget& target, Duration max, ProbeProgress& progress);
  ~ProbeRun();
  ProbeRun(const ProbeRun&) = delete;
  ProbeRun& operator=(const ProbeRun&) = delete;

  /// Runs the loop of `context` to the end of the probe.
  [[nodiscard]] const ProbeFindings& run();
  /// Why the first connection that failed did so; "" if none failed.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }

 private:
  struct Signal;
  struct CloseThenDelete {
    void operator()(Signal* signal) const noexcept;
  };

  void on_answered(ProbeConnection& connection, Duration idle_before) override;
  void on_closed(ProbeConnection& connection, const IdleClose& close) override;
  void on_silent(ProbeConnection& connection, Duration idle_before) override;
  void on_refused(ProbeConnection& connection, Duration idle_before) override;
  void on_failed(ProbeConnection& connection, const std::string& why) override;

  void watch(int signal_number);
  void note_cost(const ProbeConnection& connection);
  void max_has_passed();
  void end_if_over();
  [[nodiscard]] std::size_t waiters(ProbeConnection::State state) const;
  void report_progress();
  void finish();

  pool::DialContext& context_;
  ProbeProgress& progress_;
  Duration max_;
  ProbeFindings findings_;
  std::string failure_;
  TimePoint started_;
  bool past_max_ = false;
  net::Timer max_timer_;
  net::Timer straggler_timer_;       ///< runs while the probe waits for connections that have no answer yet
  std::optional<Duration> refused_;  ///< the idle age at which a connection that was used again was closed instead
  net::Timer refusal_timer_;         ///< runs while the server may be closing all connections of that age
  net::Timer progress_timer_;
  std::vector<std::unique_ptr<Signal, CloseThenDelete>> signals_;
  std::vector<std::unique_ptr<ProbeConnection>> connections_;
};

}  // namespace keepwarm::daemon
