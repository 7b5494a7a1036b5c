#include "daemon/probe/findings.h"

#include <algorithm>

#include "config/value.h"

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using Kind = Verdict::Kind;

/// If a server closes idle connections sooner than this, reuse is not worth it.
constexpr Duration kWorthReusing = 100ms;
/// How far a measured age may be off: our clock and the server's differ, and both machines do other things, too.
constexpr Duration kJitter = 10ms;
/// Hints are whole seconds, and some servers read their clock only once a second.
constexpr Duration kHintTolerance = 250ms;

Duration max_of(const std::vector<Duration>& ages) {
  return ages.empty() ? Duration::zero() : *std::max_element(ages.begin(), ages.end());
}

Verdict of_closes(const std::vector<IdleClose>& closes) {
  const auto by_age = [](const IdleClose& a, const IdleClose& b) { return a.age < b.age; };
  const auto [min, max] = std::minmax_element(closes.begin(), closes.end(), by_age);
  const Kind kind = max->age < kWorthReusing ? Kind::ClosesEachTime : Kind::ClosesIdle;
  return {kind, min->age, max->age};
}

Duration max_below(const std::vector<Duration>& ages, Duration limit) {
  Duration found{};
  for (const Duration age : ages) {
    if (age < limit) found = std::max(found, age);
  }
  return found;
}

}  // namespace

std::string_view describe(CloseKind kind) noexcept {
  switch (kind) {
    case CloseKind::Fin: return "FIN";
    case CloseKind::Rst: return "RST";
    case CloseKind::RequestTimeout: return "408";
    case CloseKind::StrayBytes: return "stray bytes";
  }
  return "";
}

Verdict verdict_on(const ProbeFindings& findings) {
  if (findings.answered == 0) return {};
  if (!findings.closes.empty()) {
    const Verdict closes = of_closes(findings.closes);
    if (!findings.silent || closes.min <= *findings.silent) return closes;
  }
  if (findings.silent) {
    return {Kind::DropsSilently, max_below(findings.still_answered, *findings.silent), *findings.silent};
  }
  if (findings.ended_by_answer == findings.answered) return {Kind::ClosesEachTime, {}, {}};
  if (findings.still_answered.empty()) return {};
  return {Kind::KeepsAtLeast, max_of(findings.still_answered), {}};
}

Duration as_setting(Duration measured) noexcept {
  const Duration step = measured < 1s ? 50ms : measured < 10s ? 100ms : Duration(1s);
  return std::max<Duration>((measured + kJitter) / step * step, 50ms);
}

bool hint_is_wrong(const ProbeFindings& findings, const Verdict& verdict) noexcept {
  if (!findings.hint.timeout) return false;
  const Duration promised = *findings.hint.timeout;
  switch (verdict.kind) {
    case Kind::ClosesIdle: return promised > verdict.min + kHintTolerance;
    case Kind::DropsSilently: return promised >= verdict.max;
    default: return false;
  }
}

std::vector<std::pair<std::string, std::string>> advised_keys(const ProbeFindings& findings, const Verdict& verdict,
                                                              Duration assumed) {
  const std::string setting = config::to_toml(as_setting(verdict.min));
  std::vector<std::pair<std::string, std::string>> keys;
  switch (verdict.kind) {
    case Kind::Unknown: return keys;
    case Kind::ClosesEachTime: return {{"reuse", "false"}};
    case Kind::DropsSilently:
      if (verdict.min < kWorthReusing) return {{"reuse", "false"}};
      keys.emplace_back("idle_timeout", setting);
      break;
    case Kind::KeepsAtLeast:
      if (as_setting(verdict.min) <= assumed) return keys;
      break;
    case Kind::ClosesIdle: break;
  }
  keys.emplace_back("assumed_idle_timeout", setting);
  if (hint_is_wrong(findings, verdict)) keys.emplace_back("server_hint", "false");
  return keys;
}

}  // namespace keepwarm::daemon
