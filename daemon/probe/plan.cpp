#include "daemon/probe/plan.h"

#include <algorithm>
#include <array>

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;

constexpr std::array<Duration, 8> kFirstSteps = {500ms, 1s, 2s, 5s, 10s, 15s, 30s, 60s};
constexpr std::size_t kDedicated = 3;
constexpr std::size_t kShared = kMaxTesters - kDedicated;

}  // namespace

std::vector<Duration> ladder(Duration max) {
  std::vector<Duration> ages;
  for (const Duration step : kFirstSteps) {
    if (step < max) ages.push_back(step);
  }
  for (Duration step = kFirstSteps.back(); step < max / 2; ages.push_back(step)) step *= 2;
  ages.push_back(max);
  return ages;
}

std::vector<std::vector<Duration>> tester_plan(Duration max) {
  const std::vector<Duration> ages = ladder(max);
  const std::size_t shared = ages.size() > kDedicated ? ages.size() - kDedicated : 0;
  std::vector<std::vector<Duration>> testers;
  for (std::size_t at = shared; at < ages.size(); ++at) testers.push_back({ages[at]});
  for (std::size_t tester = 0; tester < std::min(kShared, shared); ++tester) {
    std::vector<Duration>& own = testers.emplace_back();
    for (std::size_t at = tester; at < shared; at += kShared) own.push_back(ages[at]);
  }
  return testers;
}

}  // namespace keepwarm::daemon
