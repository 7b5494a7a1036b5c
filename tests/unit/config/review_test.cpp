#include "config/review.h"

#include <ostream>
#include <string>

#include <doctest/doctest.h>

#include "config/load.h"

namespace keepwarm::config {
namespace {

std::string advice_on(std::string_view text) {
  const Result<Config, ConfigErrors> config = parse_config(text, "k.toml");
  REQUIRE(config.ok());
  std::string all;
  for (const Finding& finding : advice(*config)) all += finding.key + ": " + finding.message + '\n';
  return all;
}

}  // namespace

TEST_CASE("what is allowed but likely a mistake gets advice") {
  struct Case {
    std::string text;
    std::string advice;
  };
  const Case cases[] = {
      {"", ""},
      {"[proxy]\nallow_clients = [\"0.0.0.0/0\"]", "proxy.allow_clients: \"0.0.0.0/0\" lets everybody in\n"},
      {"[proxy]\nallow_clients = [\"::ffff:0.0.0.0/96\", \"::ffff:0.0.0.0/97\"]",
       "proxy.allow_clients: \"0.0.0.0/0\" lets everybody in\n"},
      {"[proxy]\nallow_clients = [\"10.1.2.3/8\", \"10.0.0.0/8\", \"10.1.2.3\"]",
       "proxy.allow_clients: \"10.1.2.3/8\": the bits behind the prefix mean nothing\n"},
      {"[proxy]\ndeny_destinations = [\"fd00::1/8\"]",
       "proxy.deny_destinations: \"fd00::1/8\": the bits behind the prefix mean nothing\n"},
      {"[proxy]\nallow_clients = [\"10.0.0.0/8\"]\ndeny_destinations = []",
       "proxy.deny_destinations: [] lets clients from elsewhere reach this machine's own services; without the key "
       "they cannot\n"},
      {"[host.\"a\"]\nidle_timeout = \"6m\"",
       "host.\"a\".idle_timeout: NATs and firewalls drop idle connections silently from about 5 minutes on\n"},
      {"[host.\"a\"]\nidle_timeout = \"5m\"", ""},
      {"[host.\"a\"]\nidle_margin = \"3s\"",
       "host.\"a\".idle_margin: more than half of assumed_idle_timeout (5s): it counts as that half for servers "
       "without a hint\n"},
      {"[host.\"a\"]\nassumed_idle_timeout = \"6s\"\nidle_margin = \"3s\"", ""},
      {"[host.\"a\"]\nunsafe_reuse = \"always\"",
       "host.\"a\".unsafe_reuse: requests that are not replayable will now and then fail with 502 on a stale "
       "connection\n"},
      {"[host.\"*\"]\nmax_connections = 9\n[host.\"a\"]\nmax_idle = 10",
       "host.\"a\".max_idle: more than max_connections (9) can never be idle\n"},
      {"[host.\"a\"]\nretry_methods = [\"GET\", \"POST\", \"get\"]",
       "host.\"a\".retry_methods: POST is not idempotent (RFC 9110 §9.2.2): the server may act twice\n"
       "host.\"a\".retry_methods: \"get\": methods are case-sensitive\n"},
      {"[host.\"a\"]\nintercept = true\nreuse = false",
       "host.\"a\".intercept: with reuse = false interception makes nothing warm, and costs handshakes\n"},
      {"[host.\"*\"]\nintercept = true\n[host.\"a\"]\nreuse = false",
       "host.\"a\".reuse: with reuse = false interception makes nothing warm, and costs handshakes\n"},
      {"[host.\"a\"]\nintercept = true\n[host.\"a\".tls]\nclient_certificate = \"/c\"\nclient_key = \"/k\"",
       "host.\"a\".intercept: with tls.client_certificate interception lends this machine's identity to every client "
       "of the listener\n"},
      {"[host.\"*\"]\nintercept = true\n[host.\"a\".tls]\nclient_certificate = \"/c\"\nclient_key = \"/k\"",
       "host.\"a\".tls.client_certificate: with tls.client_certificate interception lends this machine's identity to "
       "every client of the listener\n"},
      {"[host.\"a\".tls]\nverify = false", "host.\"a\".tls.verify: anybody on the way can pose as this server\n"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.text);
    CHECK(advice_on(c.text) == c.advice);
  }
}

}  // namespace keepwarm::config
