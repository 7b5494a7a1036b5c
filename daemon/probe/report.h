#pragma once

#include <string>

#include "core/base/clock.h"
#include "daemon/probe/findings.h"

/// What `keepwarm probe` prints at the end. Pure.
namespace keepwarm::daemon {

/// What was probed, and under which settings.
struct ProbeSubject {
  std::string origin;           ///< "https://www.example.com:443"
  std::string way;              ///< where the connections led, if not to the origin itself; else empty
  std::string table;            ///< what stands in [host."…"]
  bool table_is_there = false;  ///< the configuration has that table, and a second one would be an error
  Duration idle_timeout{};      ///< in force for it, as is the next
  Duration assumed_idle_timeout{};
  std::string date;  ///< of today, "2026-11-21"
};

/// "600 ms", "5.0 s", "75.3 s"
[[nodiscard]] std::string in_seconds(Duration duration);

/// The report, with the table to paste if there is something to recommend.
[[nodiscard]] std::string report_text(const ProbeSubject& subject, const ProbeFindings& findings);

}  // namespace keepwarm::daemon
