#include "daemon/probe/report.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

#include "config/value.h"

namespace keepwarm::daemon {
namespace {

using namespace std::chrono_literals;
using Kind = Verdict::Kind;

std::string in_decimals(double value, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

std::string in_milliseconds(Duration duration) {
  return in_decimals(std::chrono::duration<double, std::milli>(duration).count(), duration < 1ms ? 2 : 1) + " ms";
}

std::string connections(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " connection" : " connections");
}

std::string range_text(const Verdict& verdict) {
  const std::string min = in_seconds(verdict.min);
  const std::string max = in_seconds(verdict.max);
  return min == max ? min : min + " to " + max;
}

std::string kinds_text(const std::vector<IdleClose>& closes) {
  std::set<CloseKind> seen;
  std::string text;
  for (const IdleClose& close : closes) {
    if (seen.insert(close.kind).second) text.append(text.empty() ? "" : ", ").append(describe(close.kind));
  }
  return text;
}

std::string idle_text(const ProbeFindings& findings, const Verdict& verdict) {
  switch (verdict.kind) {
    case Kind::ClosesEachTime:
      return findings.closes.empty() ? "none: the server closes the connection after each response"
                                     : "none: the server closes the connection " + range_text(verdict) +
                                           " after each response (" + kinds_text(findings.closes) + ")";
    case Kind::ClosesIdle:
      return "closed by the server after " + range_text(verdict) + " (" + connections(findings.closes.size()) +
             ", by " + kinds_text(findings.closes) + ")";
    case Kind::DropsSilently: {
      const std::string until = " no more after " + in_seconds(verdict.max) + ", and no end came";
      return verdict.min == 0s ? "answered" + until : "answered after " + in_seconds(verdict.min) + "," + until;
    }
    case Kind::KeepsAtLeast:
      return "kept for " + std::string(findings.interrupted ? "at least " : "longer than ") + in_seconds(verdict.min);
    case Kind::Unknown: return "not known yet: open after " + in_seconds(findings.waited);
  }
  return {};
}

std::string hint_text(const http::KeepAliveHint& hint) {
  std::string text;
  if (hint.timeout) {
    text = "timeout=" + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(*hint.timeout).count());
  }
  if (hint.max) text.append(text.empty() ? "" : ", ").append("max=").append(std::to_string(*hint.max));
  return text.empty() ? "none" : "Keep-Alive: " + text;
}

std::string handshake_text(const OpeningCost& cost) {
  std::string text = in_milliseconds(cost.dns) + " DNS + " + in_milliseconds(cost.connect) + " connecting";
  if (cost.tls > 0s) text += " + " + in_milliseconds(cost.tls) + " TLS";
  return text + " = " + in_milliseconds(cost.dns + cost.connect + cost.tls) + " for a new connection";
}

std::string used_again_text(std::vector<Duration> ages) {
  std::sort(ages.begin(), ages.end());
  std::string text = "answered after ";
  for (std::size_t i = 0; i < ages.size(); ++i) text += (i == 0 ? "" : ", ") + in_seconds(ages[i]);
  return text;
}

void add_row(std::string& text, std::string_view name, const std::string& value) {
  constexpr std::size_t kColumn = 12;
  text.append("  ").append(name).append(kColumn - name.size(), ' ').append(value).append("\n");
}

/// The comment above the keys: what they are for, and on what they rest.
std::string reason_text(const ProbeFindings& findings, const Verdict& verdict, const std::string& date) {
  const auto measured = [&date](std::size_t count) { return " (measured " + date + ", " + connections(count) + ")"; };
  switch (verdict.kind) {
    case Kind::ClosesEachTime:
      return "closes the connection after each response" +
             measured(std::max(findings.ended_by_answer, findings.closes.size()));
    case Kind::ClosesIdle:
      return "closes idle connections after " + range_text(verdict) + measured(findings.closes.size());
    case Kind::DropsSilently:
      return "drops idle connections without a word, by " + in_seconds(verdict.max) + " (measured " + date + ")";
    case Kind::KeepsAtLeast:
      return "keeps idle connections for " + in_seconds(verdict.min) + " and more (measured " + date + ")";
    case Kind::Unknown: break;
  }
  return {};
}

/// Below the rows where no key is advised: the server was seen to keep connections, and for how long.
std::string nothing_to_change_text(const Verdict& verdict, Duration assumed) {
  const std::string setting = "assumed_idle_timeout = " + config::quote(config::format_duration(assumed));
  if (as_setting(verdict.min) >= assumed) return "Nothing to change: " + setting + " is not contradicted.\n";
  return "Too short to tell whether " + setting + " is right: the server may close between " + in_seconds(verdict.min) +
         " and that. Give --max " + config::format_duration(2 * assumed) + ", or more.\n";
}

std::string table_text(const ProbeSubject& subject, const ProbeFindings& findings, const Verdict& verdict) {
  const auto keys = advised_keys(findings, verdict, subject.assumed_idle_timeout);
  if (keys.empty()) return {};
  std::string text;
  if (subject.table_is_there) text += "# the configuration has this table already: put the keys there\n";
  text += "[host." + config::quote(subject.table) + "]\n";
  text += "# " + reason_text(findings, verdict, subject.date) + "\n";
  if (hint_is_wrong(findings, verdict)) text += "# its Keep-Alive hint promises more than that\n";
  const bool kept = verdict.kind == Kind::ClosesIdle || verdict.kind == Kind::KeepsAtLeast;
  if (kept && verdict.min > subject.idle_timeout) {
    text += "# keepwarm holds them for " + config::format_duration(subject.idle_timeout) + " at most: idle_timeout\n";
  }
  for (const auto& [key, value] : keys) text.append(key).append(" = ").append(value).append("\n");
  return text;
}

}  // namespace

std::string in_seconds(Duration duration) {
  if (duration < 1s) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
  }
  return in_decimals(std::chrono::duration<double>(duration).count(), 1) + " s";
}

std::string report_text(const ProbeSubject& subject, const ProbeFindings& findings) {
  const Verdict verdict = verdict_on(findings);
  std::string text = subject.origin + "  (answered " + std::to_string(findings.status) + ")\n\n";
  if (!subject.way.empty()) add_row(text, "lead to", subject.way);
  add_row(text, "idle", idle_text(findings, verdict));
  if (!findings.still_answered.empty()) add_row(text, "used again", used_again_text(findings.still_answered));
  add_row(text, "hint", hint_text(findings.hint));
  if (findings.round_trip > 0s) {
    add_row(text, "round trip",
            in_milliseconds(findings.min_round_trip) + " at least, " + in_milliseconds(findings.round_trip) +
                " with four times its variation");
  }
  add_row(text, "handshake", handshake_text(findings.cost));
  if (findings.status >= 400) {
    add_row(text, "note", "the answer was an error, and servers may treat connections otherwise then");
  }
  const std::string table = table_text(subject, findings, verdict);
  if (!table.empty()) return text + "\n" + table;
  if (verdict.kind == Kind::Unknown) return text;
  return text + "\n" + nothing_to_change_text(verdict, subject.assumed_idle_timeout);
}

}  // namespace keepwarm::daemon
