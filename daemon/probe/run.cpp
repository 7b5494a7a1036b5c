#include "daemon/probe/run.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "daemon/probe/plan.h"
#include "daemon/probe/report.h"

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using State = ProbeConnection::State;

/// How long the probe still waits for the other connections once one of them has shown how the server behaves.
constexpr Duration kPatience = 500ms;

/// The smaller of two measurements. 0 stands for "not measured", and then the other one counts.
Duration smaller_known(Duration known, Duration other) {
  if (known == 0s || other == 0s) return std::max(known, other);
  return std::min(known, other);
}

}  // namespace

struct ProbeRun::Signal {
  uv_signal_t handle{};
};

void ProbeRun::CloseThenDelete::operator()(Signal* signal) const noexcept {
  uv_close(reinterpret_cast<uv_handle_t*>(&signal->handle),
           [](uv_handle_t* handle) { delete reinterpret_cast<Signal*>(handle); });
}

ProbeRun::ProbeRun(pool::DialContext& context, const ProbeTarget& target, Duration max, ProbeProgress& progress)
    : context_(context),
      progress_(progress),
      max_(max),
      max_timer_(context.loop, [this] { max_has_passed(); }),
      straggler_timer_(context.loop, [this] { finish(); }),
      refusal_timer_(context.loop,
                     [this] {
                       findings_.silent = refused_;
                       finish();
                     }),
      progress_timer_(context.loop, [this] { report_progress(); }) {
  const auto add = [&](std::vector<Duration> plan) {
    connections_.push_back(std::make_unique<ProbeConnection>(context, target, std::move(plan), *this));
  };
  for (std::size_t i = 0; i < kWaiters; ++i) add({});
  for (std::vector<Duration>& plan : tester_plan(max)) add(std::move(plan));
}

ProbeRun::~ProbeRun() = default;

const ProbeFindings& ProbeRun::run() {
  watch(SIGINT);
  watch(SIGTERM);
  started_ = net::Loop::now();
  for (const auto& connection : connections_) connection->start();
  progress_timer_.arm(progress_.interval());
  context_.loop.run();
  const TimePoint now = net::Loop::now();
  for (const auto& connection : connections_) {
    const bool waits = connection->only_waits() && connection->state() == State::Idle;
    if (waits) findings_.waited = std::max(findings_.waited, connection->idle_for(now));
  }
  return findings_;
}

void ProbeRun::watch(int signal_number) {
  auto signal = std::unique_ptr<Signal, CloseThenDelete>(new Signal);
  uv_signal_init(&context_.loop.uv(), &signal->handle);
  signal->handle.data = this;
  const auto interrupt = [](uv_signal_t* handle, int) {
    auto* const run = static_cast<ProbeRun*>(handle->data);
    run->findings_.interrupted = true;
    run->finish();
  };
  uv_signal_start(&signal->handle, interrupt, signal_number);
  signals_.push_back(std::move(signal));
}

// ---- What the connections see ----

void ProbeRun::on_answered(ProbeConnection& connection, Duration idle_before) {
  const ProbeAnswer& answer = connection.answer();
  findings_.status = answer.status;
  if (idle_before > 0s) {
    findings_.still_answered.push_back(idle_before);
  } else {
    ++findings_.answered;
    if (!answer.persists) ++findings_.ended_by_answer;
    findings_.hint = answer.hint;
    note_cost(connection);
    // The timer begins anew with each connection that only waits, so that the last of them has its whole time.
    if (connection.only_waits()) max_timer_.arm(max_);
  }
  end_if_over();
}

void ProbeRun::note_cost(const ProbeConnection& connection) {
  OpeningCost& cost = findings_.cost;
  const pool::OpeningTimes& opening = connection.opening();
  cost.dns = std::max(cost.dns, opening.dns);
  cost.connect = smaller_known(cost.connect, opening.connect);
  cost.tls = smaller_known(cost.tls, opening.tls);
  const auto& measured = connection.measured();
  if (!measured) return;
  findings_.min_round_trip = smaller_known(findings_.min_round_trip, measured->min_round_trip);
  findings_.round_trip = smaller_known(findings_.round_trip, measured->round_trip.bound());
}

void ProbeRun::on_closed(ProbeConnection&, const IdleClose& close) {
  findings_.closes.push_back(close);
  end_if_over();
}

void ProbeRun::on_silent(ProbeConnection&, Duration idle_before) {
  findings_.silent = idle_before;
  finish();
}

/// If the server was just closing the connection, it now closes those that only wait, too. If it does not, something in
/// between has dropped the connection and says so only when a request comes, as some NATs do.
void ProbeRun::on_refused(ProbeConnection&, Duration idle_before) {
  if (!refused_) {
    refused_ = idle_before;
    refusal_timer_.arm(kPatience);
  }
  end_if_over();
}

void ProbeRun::on_failed(ProbeConnection&, const std::string& why) {
  if (failure_.empty()) failure_ = why;
  end_if_over();
}

// ---- The end ----

/// The last age of the ladder is `max` itself: a connection whose own timer is late for it is used now.
void ProbeRun::max_has_passed() {
  past_max_ = true;
  for (const auto& connection : connections_) {
    if (connection->state() == State::Idle && connection->next_use() == max_) connection->use_again();
  }
  end_if_over();
}

std::size_t ProbeRun::waiters(State state) const {
  const auto is_it = [state](const auto& each) { return each->only_waits() && each->state() == state; };
  return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), is_it));
}

void ProbeRun::end_if_over() {
  if (past_max_) {
    const auto used_again = [](const auto& each) {
      return each->state() == State::AwaitingResponse && each->answered();
    };
    if (std::none_of(connections_.begin(), connections_.end(), used_again)) finish();
    return;
  }
  if (waiters(State::Idle) > 0) return straggler_timer_.disarm();
  // Some servers serve one connection at a time. The next one would begin only now, and show the same.
  const std::size_t to_come = waiters(State::Dialing) + waiters(State::AwaitingResponse);
  if (to_come == 0 || !findings_.closes.empty()) return finish();
  if (findings_.answered > 0) straggler_timer_.arm(kPatience);
}

void ProbeRun::finish() {
  context_.loop.stop();
}

void ProbeRun::report_progress() {
  const auto seconds = std::chrono::round<std::chrono::seconds>(net::Loop::now() - started_).count();
  std::string text = std::to_string(seconds) + " s: ";
  if (findings_.answered == 0) {
    text += waiters(State::AwaitingResponse) > 0 ? "connected, no answer yet" : "connecting";
  } else {
    text += std::to_string(waiters(State::Idle)) + " of " + std::to_string(kWaiters) + " connections are open";
  }
  const auto& again = findings_.still_answered;
  if (!again.empty()) text += ", one was used again after " + in_seconds(*std::max_element(again.begin(), again.end()));
  progress_.line(text);
  progress_timer_.arm(progress_.interval());
}

}  // namespace keepwarm::daemon
