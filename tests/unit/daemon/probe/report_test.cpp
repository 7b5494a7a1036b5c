#include "daemon/probe/report.h"

#include <ostream>

#include <doctest/doctest.h>

#include "config/load.h"
#include "tests/unit/text.h"

namespace keepwarm::daemon {
namespace {

using keepwarm::test::has;

using namespace std::chrono_literals;

ProbeSubject subject() {
  return {.origin = "https://www.example.com:443",
          .way = "",
          .table = "www.example.com",
          .table_is_there = false,
          .idle_timeout = 60s,
          .assumed_idle_timeout = 5s,
          .date = "2026-11-21"};
}

ProbeFindings closing(std::vector<IdleClose> closes) {
  ProbeFindings findings;
  findings.answered = 8;
  findings.status = 200;
  findings.closes = std::move(closes);
  findings.still_answered = {2001ms, 500ms, 1s};
  findings.cost = {1200us, 20ms, 25300us};
  findings.min_round_trip = 300us;
  findings.round_trip = 20500us;
  return findings;
}

}  // namespace

TEST_CASE("seconds are told as a person reads them") {
  CHECK(in_seconds(600ms) == "600 ms");
  CHECK(in_seconds(5004ms) == "5.0 s");
  CHECK(in_seconds(75300ms) == "75.3 s");
}

TEST_CASE("the report has all that was measured, and the table to paste") {
  ProbeFindings findings = closing({{5004ms, CloseKind::Fin}, {5001ms, CloseKind::Fin}, {4999ms, CloseKind::Fin}});
  findings.hint = {5s, 100};
  CHECK(report_text(subject(), findings) ==
        "https://www.example.com:443  (answered 200)\n"
        "\n"
        "  idle        closed by the server after 5.0 s (3 connections, by FIN)\n"
        "  used again  answered after 500 ms, 1.0 s, 2.0 s\n"
        "  hint        Keep-Alive: timeout=5, max=100\n"
        "  round trip  0.30 ms at least, 20.5 ms with four times its variation\n"
        "  handshake   1.2 ms DNS + 20.0 ms connecting + 25.3 ms TLS = 46.5 ms for a new connection\n"
        "\n"
        "[host.\"www.example.com\"]\n"
        "# closes idle connections after 5.0 s (measured 2026-11-21, 3 connections)\n"
        "assumed_idle_timeout = \"5s\"\n");
}

TEST_CASE("the report tells a spread, every way to close, and what the configuration has already") {
  ProbeFindings findings = closing({{65200ms, CloseKind::RequestTimeout}, {75s, CloseKind::Rst}});
  findings.hint.timeout = 100s;
  findings.status = 404;
  ProbeSubject probed = subject();
  probed.table_is_there = true;
  probed.way = "10.0.0.5:8443 (connect_to)";
  const std::string text = report_text(probed, findings);
  CHECK(has(text, "  lead to     10.0.0.5:8443 (connect_to)\n"));
  CHECK(has(text, "after 65.2 s to 75.0 s (2 connections, by 408, RST)\n"));
  CHECK(has(text, "  note        the answer was an error"));
  CHECK(has(text, "# the configuration has this table already: put the keys there\n[host."));
  CHECK(has(text, "# its Keep-Alive hint promises more than that\n"));
  CHECK(has(text, "# keepwarm holds them for 60s at most: idle_timeout\n"));
}

TEST_CASE("what cannot be told is not made up") {
  ProbeFindings findings = closing({});
  findings.still_answered.clear();
  findings.waited = 300ms;
  findings.interrupted = true;
  findings.cost.tls = 0s;
  findings.round_trip = 0s;
  const std::string text = report_text(subject(), findings);
  CHECK(has(text, "  idle        not known yet: open after 300 ms\n"));
  CHECK(has(text, "  hint        none\n"));
  CHECK_FALSE(has(text, "round trip"));
  CHECK_FALSE(has(text, "TLS"));
  CHECK_FALSE(has(text, "[host"));
  findings.still_answered = {1s};
  CHECK(has(report_text(subject(), findings), "kept for at least 1.0 s\n"));
  CHECK(has(report_text(subject(), findings),
            "Too short to tell whether assumed_idle_timeout = \"5s\" is right: the server may close between 1.0 s and "
            "that. Give --max 10s, or more.\n"));
  findings.still_answered = {5s};
  CHECK(
      has(report_text(subject(), findings), "Nothing to change: assumed_idle_timeout = \"5s\" is not contradicted.\n"));
}

TEST_CASE("every table that is printed is a valid configuration") {
  ProbeFindings each_time = closing({});
  each_time.ended_by_answer = each_time.answered;
  ProbeFindings dead = closing({});
  dead.silent = 5s;
  dead.hint.timeout = 15s;
  ProbeFindings outlasting = closing({});
  outlasting.still_answered = {120s};
  for (const ProbeFindings& findings : {closing({{601ms, CloseKind::Fin}}), each_time, dead, outlasting}) {
    for (const char* table : {"www.example.com", "127.0.0.1:8080", "[::1]:8080", "::1"}) {
      ProbeSubject probed = subject();
      probed.table = table;
      const std::string text = report_text(probed, findings);
      CAPTURE(text);
      REQUIRE(has(text, "\n\n[host."));
      CHECK(config::parse_config(text.substr(text.find("\n\n[host.")), "pasted").ok());
    }
  }
}

}  // namespace keepwarm::daemon
